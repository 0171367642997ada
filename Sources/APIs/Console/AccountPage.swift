import HTTPSupport
import Identity
import NIOHTTP1
import OpenID
import WebAuthn
import Wire

/// What a person sees and changes of their own account.
struct AccountPage {
    let principal: Principal
    let account: Account
    let secondFactor: Identity.SecondFactor
    let passkeys: [Passkey]
    /// Nil where the node has no name that authenticators take.
    let offer: PasskeyOffer?
    let appPasswords: [AppPassword]
    let keys: [AccessKey]
    let sessions: [BrowserSession]
    let links: [LoginLink]
    let providers: [LoginProvider]
    /// Which acceptable-use policy was signed, and when; nil where there is none to sign.
    let signature: (version: Int64, signed: Timestamp)?
    let applications: [AllowedApplication]
    let jobs: [JobGrant]
    let groups: [String]
    /// Whether letters are sent, by which a new address is confirmed.
    let canChangeEmail: Bool
    /// Grants for jobs that are listed; more are for the command line.
    static let jobsMax = 50

    /// What was done, or why not.
    var done: String?
    var problem: String?

    /// What a browser needs to make a passkey.
    struct PasskeyOffer {
        var party: RelyingParty
        var user: [UInt8]
        var known: [[UInt8]]
        var challenge: [UInt8]
    }

    func response(_ files: StaticFiles) -> Response {
        Page("Your account", principal, problem: problem).response(files) { html in
            html.element("h1", text: account.displayName.isEmpty ? account.name : account.displayName)
            html.element("p", .class("sub"), text: "Your account on this node")
            if let done { html.element("p", .class("verdict good"), .set("role", "status"), text: done) }
            html.problem(problem)
            html.element("div", .class("columns")) { html in
                html.element("div") { html in
                    panel("details", "You", &html, writeDetails)
                    panel("password", "Password", &html, writePassword)
                    panel("groups", "Groups", &html, writeGroups)
                    panel("sessions", "Sessions", &html, writeSessions)
                    panel("applications", "Applications", &html, writeApplications)
                    if !jobs.isEmpty { panel("jobs", "Jobs", &html, writeJobs) }
                }
                html.element("div") { html in
                    panel("passkeys", "Passkeys", &html, writePasskeys)
                    panel("codes", "Codes of an app", &html, writeCodes)
                    panel("app-passwords", "App passwords", &html, writeAppPasswords)
                    panel("keys", "Access keys", &html, writeKeys)
                    if !links.isEmpty || !providers.isEmpty { panel("links", "Logins elsewhere", &html, writeLinks) }
                }
            }
        }
    }

    private func panel(
        _ id: String, _ title: String, _ html: inout HTML, _ body: (inout HTML) -> Void
    ) {
        html.element("section", .class("panel"), .id(id), .set("aria-label", title)) { html in
            html.element("h2", text: title)
            body(&html)
        }
    }

    private func writeDetails(_ html: inout HTML) {
        html.form("/account/details") { html in
            html.element("dl", .class("facts")) { html in
                html.entry("Login name", account.name)
                html.entry(
                    "E-mail",
                    !account.email.isEmpty
                        ? account.email : canChangeEmail ? "none" : "none; an administrator can set it")
                if let ends = account.ends { html.entry("Ends", Words.day(ends)) }
                if let signature {
                    html.element("dt", text: "Agreement")
                    html.element("dd") { html in
                        html.element("a", .href("/agreement"), text: "Version \(signature.version)")
                        html.text(", signed on \(Words.day(signature.signed))")
                    }
                }
            }
            html.field(
                "Name for people to read", "displayName", value: account.displayName, complete: "name",
                isRequired: false)
            html.submit("Save", isQuiet: true)
        }
        guard canChangeEmail else { return }
        html.form("/account/email") { html in
            html.field("New e-mail address", "email", type: "email", complete: "email")
            html.submit("Change the address", isQuiet: true)
        }
    }

    private func writePassword(_ html: inout HTML) {
        html.form("/account/password") { html in
            html.void(
                "input", .set("type", "text"), .set("name", "username"), .set("value", account.name),
                .set("autocomplete", "username"), .set("aria-label", "Login name"), .flag("hidden"))
            html.field("Password until now", "old", type: "password", complete: "current-password")
            html.field(
                "New password", "new", type: "password", complete: "new-password",
                note: "At least 8 characters. Your other sessions end.")
            html.submit("Change the password", isQuiet: true)
        }
    }

    private func writePasskeys(_ html: inout HTML) {
        html.element(
            "p", .class("sub"),
            text: "Log in with your phone, computer or security key instead of name and password.")
        list(passkeys, &html) { passkey, html in
            let used = passkey.used.map { "used \(Words.time($0))" } ?? "not used yet"
            row(
                passkey.description.isEmpty ? "Passkey" : passkey.description,
                "\(passkey.isBackedUp ? "kept by its maker in several places" : "on one device") · \(used)",
                "Remove", "/account/passkeys/\(passkey.id)/remove", &html)
        }
        writePasskeyRule(&html)
        guard let offer else {
            return html.element(
                "p", .class("sub"), text: "New ones cannot be made here: the node needs a host name and https.")
        }
        html.element(
            "form", .class("fields"), .set("method", "post"), .set("action", "/account/passkeys"),
            .set("data-passkey", "create"), .set("data-challenge", Base64.encodeURL(offer.challenge)),
            .set("data-party", offer.party.id), .set("data-user", Base64.encodeURL(offer.user)),
            .set("data-name", account.name),
            .set("data-shown", account.displayName.isEmpty ? account.name : account.displayName),
            .set("data-known", offer.known.map { Base64.encodeURL($0) }.joined(separator: " ")), .flag("hidden")
        ) { html in
            html.hidden("clientData")
            html.hidden("attestation")
            html.field("What to call it", "description", isRequired: false)
            html.submit("Add a passkey", isQuiet: true)
        }
        html.raw("<noscript><p class=\"sub\">Adding one needs JavaScript.</p></noscript>")
    }

    private func writePasskeyRule(_ html: inout HTML) {
        guard !passkeys.isEmpty || secondFactor.needsPasskey else { return }
        // Who has set up codes is asked for one or the other.
        guard secondFactor.since == nil || secondFactor.needsPasskey else {
            return html.element(
                "p", .class("sub"), text: "A login with your password asks for a code of your app, or one of these.")
        }
        html.element(
            "p", .class("sub"),
            text: secondFactor.needsPasskey
                ? "A login with your password asks for a passkey too, and programs need app passwords."
                : "Your password alone still opens your account.")
        html.element("div", .class("actions")) { html in
            if secondFactor.needsPasskey {
                html.button("Let the password be enough", "/account/passkeys/waive")
            } else {
                html.button("Ask for a passkey after the password", "/account/passkeys/require")
            }
        }
    }

    private func writeCodes(_ html: inout HTML) {
        if let since = secondFactor.since {
            html.element("p", text: "Set up on \(Words.day(since)). A login with the password asks for a code.")
        } else {
            html.element(
                "p", .class("sub"),
                text:
                    "Besides the password, log in with six digits that an app on your phone shows. Programs then need "
                    + "app passwords.")
        }
        if secondFactor.since != nil || secondFactor.needsPasskey {
            html.element(
                "p", .class("sub"),
                text: "\(Words.count(secondFactor.backupCodes, "backup code is", "backup codes are")) left, for when "
                    + "your phone is lost.")
        }
        html.element("div", .class("actions")) { html in
            if secondFactor.since != nil || secondFactor.needsPasskey {
                html.button("New backup codes", "/account/codes/backup")
            }
            if secondFactor.since != nil {
                html.button("Remove codes", "/account/codes/remove")
            } else {
                html.button("Set up codes", "/account/codes")
            }
        }
    }

    private func writeAppPasswords(_ html: inout HTML) {
        html.element(
            "p", .class("sub"), text: "For programs that ask for name and password, such as a WebDAV client.")
        list(appPasswords, &html) { password, html in
            row(
                password.description.isEmpty ? "App password" : password.description,
                "made \(Words.day(password.created))"
                    + (password.ends.map { " · ends \(Words.day($0))" } ?? ""), "Remove",
                "/account/app-passwords/\(password.id)/remove", &html)
        }
        html.form("/account/app-passwords") { html in
            html.field("What it is for", "for", isRequired: false)
            html.field("Ends on", "ends", type: "date", isRequired: false, note: "Leave it empty for one that lasts.")
            html.submit("Make an app password", isQuiet: true)
        }
    }

    private func writeKeys(_ html: inout HTML) {
        html.element("p", .class("sub"), text: "For S3 clients.")
        list(keys, &html) { key, html in
            let state = key.isActive ? "" : " · inactive"
            row(
                key.id,
                "\(key.description.isEmpty ? "" : key.description + " · ")made \(Words.day(key.created))\(state)",
                "Remove", "/account/keys/\(key.id)/remove", &html)
        }
        html.form("/account/keys") { html in
            html.field("What it is for", "key-for", isRequired: false)
            html.submit("Make an access key", isQuiet: true)
        }
    }

    private func writeLinks(_ html: inout HTML) {
        list(links, &html) { link, html in
            let title = providers.first { $0.issuer == link.issuer }?.title ?? link.issuer
            html.element("li") { html in
                html.element("div") { html in
                    html.element("strong", text: title)
                    html.element("p", .class("sub"), text: "as \(link.shown), since \(Words.day(link.created))")
                }
                html.form("/account/links/remove", class: "inline") { html in
                    html.hidden("issuer", link.issuer)
                    html.hidden("subject", link.subject)
                    html.submit("Remove", isQuiet: true)
                }
            }
        }
        html.element("div", .class("actions")) { html in
            for provider in providers where !links.contains(where: { $0.issuer == provider.issuer }) {
                html.button("Add \(provider.title)", "/account/links/\(PercentEncoding.encode(provider.name))")
            }
        }
    }

    private func writeApplications(_ html: inout HTML) {
        html.element(
            "p", .class("sub"),
            text: applications.isEmpty
                ? "You have let no application do anything in your name."
                : "What you have let applications do in your name.")
        list(applications, &html) { application, html in
            html.element("li") { html in
                html.element("div") { html in
                    html.element("strong", text: application.name)
                    html.element(
                        "p", .class("sub"), text: ConsoleService.words(application.scopes).joined(separator: "; "))
                    let used = application.used.map { " · last used \(Words.time($0))" } ?? ""
                    html.element("p", .class("sub"), text: "since \(Words.day(application.since))\(used)")
                }
                html.form("/account/applications/remove", class: "inline") { html in
                    html.hidden("client", application.client)
                    html.element(
                        "button", .class("quiet"), .set("type", "submit"),
                        .set("aria-label", "Take back what \(application.name) may do"), text: "Take back")
                }
            }
        }
    }

    private func writeJobs(_ html: inout HTML) {
        html.element("p", .class("sub"), text: "What jobs in a queue may do in your name.")
        list(jobs, &html) { job, html in
            row(
                job.description.isEmpty ? "Job grant" : job.description,
                "\(job.scopes.text) · \(Words.count(job.claimed)) of \(Words.count(job.count, "job", "jobs")) begun · "
                    + "until \(Words.time(job.expires))", "End", "/account/jobs/\(job.id)/end", &html)
        }
    }

    private func writeSessions(_ html: inout HTML) {
        list(sessions, &html) { session, html in
            let isThis = session.id == principal.authentication?.sessionID
            row(
                isThis ? "This browser" : Self.browser(session.agent),
                "\(session.address) · since \(Words.time(session.created)) · last used \(Words.time(session.seen))",
                isThis ? nil : "End", "/account/sessions/\(session.id)/end", &html)
        }
        if sessions.count > 1 { html.button("End all others", "/account/sessions/end") }
    }

    private func writeGroups(_ html: inout HTML) {
        if groups.isEmpty {
            html.element("p", .class("sub"), text: "You are in no group.")
        } else {
            html.element("p", text: groups.joined(separator: ", "))
        }
        html.element("a", .class("button quiet"), .href("/groups"), text: "All groups")
    }

    // MARK: Parts

    private func list<Item>(_ items: [Item], _ html: inout HTML, _ body: (Item, inout HTML) -> Void) {
        guard !items.isEmpty else { return }
        html.element("ul", .class("items compact rows")) { html in for item in items { body(item, &html) } }
    }

    private func row(_ title: String, _ sub: String, _ action: String?, _ path: String, _ html: inout HTML) {
        html.element("li") { html in
            html.element("div") { html in
                html.element("strong", text: title)
                html.element("p", .class("sub"), text: sub)
            }
            if let action { html.button(action, path, says: "\(action) \(title)") }
        }
    }

    /// What people call a browser, from what it calls itself.
    static func browser(_ agent: String) -> String {
        let name =
            [
                ("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"),
                ("Safari/", "Safari"),
            ]
            .first { agent.contains($0.0) }?.1
        let system =
            [
                ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
                ("Mac OS", "macOS"), ("Linux", "Linux"),
            ].first { agent.contains($0.0) }?.1
        guard let name else { return agent.isEmpty ? "A program" : String(agent.prefix(60)) }
        return system.map { "\(name) on \($0)" } ?? name
    }
}
