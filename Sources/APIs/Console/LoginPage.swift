import HTTPSupport
import Identity
import NIOHTTP1
import WebAuthn
import Wire

/// The forms in which people say who they are, one for each step.
struct LoginPage {
    enum Step {
        case password(PasskeyOffer?)
        case code(ticket: String)
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
            case .code(let ticket): html.element("div", .class("login")) { writeCode(ticket, &$0) }
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
            html.field("Name", "name", value: name, complete: "username", isFocused: name.isEmpty)
            html.field(
                "Password", "password", type: "password", complete: "current-password", isFocused: !name.isEmpty)
            html.submit("Log in")
        }
        if let offer {
            // Without JavaScript, or without passkeys, the form stays hidden.
            html.element(
                "form", .class("fields"), .set("method", "post"), .set("action", "/login/passkey"),
                .set("data-passkey", "get"), .set("data-challenge", Base64.encodeURL(offer.challenge)),
                .set("data-party", offer.party.id), .flag("hidden")
            ) { html in
                html.hidden("next", next)
                for name in ["credential", "user", "clientData", "authenticatorData", "signature"] { html.hidden(name) }
                html.submit("Log in with a passkey", isQuiet: true)
            }
        }
        for provider in providers {
            html.element(
                "a", .class("button quiet"),
                .href("/login/with/\(PercentEncoding.encode(provider.name))?next=\(PercentEncoding.encode(next))"),
                text: "Log in with \(provider.title)")
        }
        guard canRegister || canReset else { return }
        html.element("p", .class("links")) { html in
            if canReset { html.element("a", .href("/reset"), text: "Forgotten password") }
            if canRegister { html.element("a", .href("/register"), text: "Register") }
        }
    }

    private func writeCode(_ ticket: String, _ html: inout HTML) {
        html.element("h1", text: "One more step")
        html.problem(problem)
        html.form("/login/code") { html in
            html.hidden("next", next)
            html.hidden("ticket", ticket)
            html.field(
                "Code", "code", complete: "one-time-code", isFocused: true,
                note: "The six digits that your app shows now, or one of your backup codes.")
            html.submit("Go on")
        }
        html.element("p", .class("links")) { $0.element("a", .href(Link.login(next: next)), text: "Begin again") }
    }

    private func writeAgreement(_ ticket: String, _ policy: UsePolicy, _ html: inout HTML) {
        html.element("h1", text: "Before you go on")
        html.problem(problem)
        html.element("p", .class("lead"), text: "This node's acceptable-use policy, version \(policy.version):")
        html.element("div", .class("policy"), .set("tabindex", "0")) { writePolicy(policy.text, &$0) }
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

    private func writePolicy(_ text: String, _ html: inout HTML) {
        for part in text.split(separator: "\n\n") {
            let line = part.filter { $0 != "\n" }
            if line.hasPrefix("https://"), Link.isSafe(String(line)) {
                html.element("p") { $0.element("a", .href(String(line)), text: line) }
            } else {
                html.element("p", text: part)
            }
        }
    }
}
