import HTTPSupport
import Identity
import NIOHTTP1
import WebAuthn
import Wire

/// The forms in which people say who they are, one for each step.
struct LoginPage {
    enum Step {
        case password(PasskeyOffer?)
        case second(ticket: String, Identity.SecondStep, RelyingParty?)
        case agreement(ticket: String, UsePolicy)
    }

    /// What a browser needs to ask for a passkey.
    struct PasskeyOffer {
        var party: RelyingParty
        var challenge: [UInt8]
    }

    /// Where to go afterwards; a path of this node.
    let next: String
    let step: Step
    var name = ""
    /// What was wrong with the attempt before.
    var problem: String?
    /// Other providers that people can log in with: their names and titles.
    var providers: [(name: String, title: String)] = []
    /// Whether people may register themselves, and have a forgotten password replaced.
    var canRegister = false
    var canReset = false
    /// Whether a second factor is asked for wherever there is one.
    var isStrong = false
    var status: HTTPResponseStatus = .ok
    var headers: HTTPHeaders = [:]

    init(_ step: Step, next: String) {
        self.step = step
        self.next = next
    }

    func response(_ files: StaticFiles) -> Response {
        var page = Page("Log in", nil)
        page.status = status
        page.headers = headers
        return page.response(files) { html in
            switch step {
            case .password(let offer): html.element("div", .class("login")) { writePassword(offer, &$0) }
            case .second(let ticket, let step, let party):
                html.element("div", .class("login")) { writeSecond(ticket, step, party, &$0) }
            case .agreement(let ticket, let policy):
                html.element("div", .class("empty")) { writeAgreement(ticket, policy, &$0) }
            }
        }
    }

    private func writePassword(_ offer: PasskeyOffer?, _ html: inout HTML) {
        html.element("h1", text: "Log in")
        html.problem(problem)
        html.form("/login") { html in
            html.hidden("next", next)
            if isStrong { html.hidden("acr", "mfa") }
            // The browser offers passkeys where it offers names (WebAuthn Level 3 §5.1.4).
            html.field(
                "Name", "name", value: name, complete: offer == nil ? "username" : "username webauthn",
                isFocused: name.isEmpty)
            html.field(
                "Password", "password", type: "password", complete: "current-password", isFocused: !name.isEmpty)
            html.submit("Log in")
        }
        if let offer {
            writePasskey("Log in with a passkey", offer, isQuiet: true, &html)
        }
        for provider in providers {
            html.element(
                "a", .class("button quiet"),
                .href(
                    "/login/with/\(PercentEncoding.encode(provider.name))?"
                        + QueryItems([("next", next)] + (isStrong ? [("acr", "mfa")] : [])).encoded),
                text: "Log in with \(provider.title)")
        }
        guard canRegister || canReset else { return }
        html.element("p", .class("links")) { html in
            if canReset { html.element("a", .href("/reset"), text: "Forgotten password") }
            if canRegister { html.element("a", .href("/register"), text: "Register") }
        }
    }

    /// - Parameters:
    ///   - ticket: that of the step before; nil on the first one.
    ///   - known: the passkeys of whom the step before has found out; any others do not count.
    private func writePasskey(
        _ label: String, _ offer: PasskeyOffer, ticket: String? = nil, known: [[UInt8]] = [], isQuiet: Bool,
        _ html: inout HTML
    ) {
        // Without JavaScript, or without passkeys, the form stays hidden.
        html.element(
            "form", .class("fields"), .set("method", "post"), .set("action", "/login/passkey"),
            .set("data-passkey", "get"), .set("data-challenge", Base64.encodeURL(offer.challenge)),
            .set("data-party", offer.party.id),
            .set("data-known", known.map { Base64.encodeURL($0) }.joined(separator: " ")), .flag("hidden")
        ) { html in
            html.hidden("next", next)
            if let ticket { html.hidden("ticket", ticket) }
            for name in ["credential", "user", "clientData", "authenticatorData", "signature"] { html.hidden(name) }
            html.submit(label, isQuiet: isQuiet)
        }
    }

    private func writeSecond(
        _ ticket: String, _ step: Identity.SecondStep, _ party: RelyingParty?, _ html: inout HTML
    ) {
        html.element("h1", text: "One more step")
        html.problem(problem)
        if let party, !step.passkeys.isEmpty {
            writePasskey(
                "Use a passkey", PasskeyOffer(party: party, challenge: step.challenge), ticket: ticket,
                known: step.passkeys, isQuiet: step.hasApp, &html)
            if !step.hasApp {
                html.raw("<noscript><p class=\"sub\">Your passkey is asked for, which needs JavaScript.</p></noscript>")
            }
        }
        if step.hasApp || step.hasBackupCodes {
            html.form("/login/code") { html in
                html.hidden("next", next)
                html.hidden("ticket", ticket)
                if step.hasApp {
                    html.field(
                        "Code", "code", complete: "one-time-code", isFocused: true,
                        note: "The six digits that your app shows now, or one of your backup codes.")
                } else {
                    html.field("Backup code", "code", note: "If you do not have your passkey with you.")
                }
                html.submit("Go on", isQuiet: !step.hasApp)
            }
        }
        html.element("p", .class("links")) { $0.element("a", .href(Link.login(next: next)), text: "Begin again") }
    }

    private func writeAgreement(_ ticket: String, _ policy: UsePolicy, _ html: inout HTML) {
        html.element("h1", text: "Before you go on")
        html.problem(problem)
        html.element("p", .class("lead"), text: "This node's acceptable-use policy, version \(policy.version):")
        html.policy(policy.text)
        html.form("/login/agreement") { html in
            html.hidden("next", next)
            html.hidden("ticket", ticket)
            html.hidden("version", String(policy.version))
            html.submit("I have read it and agree")
        }
        if policy.renewDays > 0 {
            html.element(
                "p", .class("sub"),
                text: "You will be asked again after \(Words.count(policy.renewDays, "day", "days")).")
        }
    }
}
