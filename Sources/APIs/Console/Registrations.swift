import HTTPSupport
import Identity
import NIOHTTP1
import Policy
import Wire

/// Coming to the node: registering, accepting an invitation, choosing a new password; and letting people in.
extension ConsoleService {
    /// `/register`, `/reset`, `/invitation` and below, and `/registrations`.
    func register(_ request: Request, _ caller: Caller, path: [String]) async throws -> Response {
        let isRead = request.method == .GET || request.method == .HEAD
        guard isRead || request.method == .POST else { throw Problem.methodNotAllowed("GET, POST") }
        if !isRead { try requireOwnForm(request) }
        let form = isRead ? QueryItems() : try await request.form()
        do {
            switch (path[0], path.count) {
            case ("register", 1):
                return isRead ? try registerPage() : try await register(form, request)
            case ("register", 2):
                return isRead ? confirmPage(path[1]) : try await confirm(path[1])
            case ("reset", 1):
                guard people.sendsMail else { throw Problem.notFound("This node sends no letters.") }
                return isRead ? resetPage() : try await askReset(form, request)
            case ("reset", 2):
                let name = try await people.reset(path[1])
                guard !isRead else { return newPasswordPage(path[1], name) }
                try await people.reset(path[1], password: form["password"] ?? "")
                return message("The password was changed", "Log in with it now.", ("/login", "Log in"))
            case ("invitation", 2):
                return try await invitation(path[1], isRead ? nil : form)
            case ("registrations", 1): return try await registrationsPage(caller)
            case ("registrations", 3) where !isRead && ["approve", "reject"].contains(path[2]):
                return try await answer(path[1], isApproved: path[2] == "approve", form, caller)
            default: throw Problem.notFound("There is no page at \(request.rawPath.prefix(200)).")
            }
        } catch let error as IdentityError where error.code == .expired {
            return message("This address does not count any more", "It was used already, or is too old.", nil, .gone)
        } catch let error as IdentityError
            where [.invalidName, .weakPassword, .exists, .limit, .rateLimited].contains(error.code) && !isRead
        {
            let fields = ["name", "displayName", "email", "note"].map { ($0, form[$0] ?? "") }
            let known = Dictionary(uniqueKeysWithValues: fields)
            switch path[0] {
            case "register" where path.count == 1: return try registerPage(known, problem: error)
            case "reset" where path.count == 2:
                return newPasswordPage(path[1], try await people.reset(path[1]), problem: error)
            case "invitation": return try await invitation(path[1], nil, known, problem: error)
            default: throw error
            }
        }
    }

    // MARK: Registering

    private func registerPage(_ known: [String: String] = [:], problem: IdentityError? = nil) throws -> Response {
        guard people.registration != .off else {
            throw Problem.notFound("People do not register themselves here: ask the node's administrators.")
        }
        return formPage("Register", problem) { html in
            html.form("/register") { html in
                html.field("Login name", "name", value: known["name"] ?? "", complete: "username", isFocused: true)
                html.field("Your name", "displayName", value: known["displayName"] ?? "", complete: "name")
                html.field("E-mail", "email", value: known["email"] ?? "", type: "email", complete: "email")
                html.field(
                    "Password", "password", type: "password", complete: "new-password", note: "At least 8 characters.")
                if people.registration == .approval {
                    html.field(
                        "Why you want an account", "note", value: known["note"] ?? "", isRequired: false,
                        note: "An administrator reads it.")
                }
                html.submit("Register")
            }
        }
    }

    private func register(_ form: QueryItems, _ request: Request) async throws -> Response {
        try await people.register(
            name: form["name"] ?? "", displayName: form["displayName"] ?? "", email: form["email"] ?? "",
            password: form["password"] ?? "", note: form["note"] ?? "", from: request.connection.remoteAddress)
        return message(
            "Look into your mail",
            "A letter is on its way to \(form["email"] ?? ""). Follow what it says within a day.",
            nil)
    }

    /// A button, since programs that look through mail follow addresses but press no buttons.
    private func confirmPage(_ ticket: String) -> Response {
        formPage("Confirm your address", nil) { html in
            html.form("/register/" + PercentEncoding.encode(ticket)) { $0.submit("Confirm") }
        }
    }

    private func confirm(_ ticket: String) async throws -> Response {
        guard try await people.confirmRegistration(ticket) else {
            return message(
                "Thank you", "An administrator looks at your registration; a letter tells you when it is done.", nil)
        }
        return message(
            "Your account is ready", "Log in with the name and password that you chose.", ("/login", "Log in"))
    }

    // MARK: Invitations and passwords

    private func invitation(
        _ ticket: String, _ form: QueryItems?, _ known: [String: String] = [:], problem: IdentityError? = nil
    ) async throws -> Response {
        let invited = try await people.invitation(ticket)
        if let form {
            try await people.acceptInvitation(
                ticket, name: form["name"] ?? "", displayName: form["displayName"] ?? "",
                password: form["password"] ?? "")
            return message("Your account is ready", "Log in as \(form["name"] ?? "").", ("/login", "Log in"))
        }
        return formPage("Make your account", problem) { html in
            html.element("p", .class("sub"), text: "\(invited.by) has invited \(invited.email).")
            html.form("/invitation/" + PercentEncoding.encode(ticket)) { html in
                html.field("Login name", "name", value: known["name"] ?? "", complete: "username", isFocused: true)
                html.field("Your name", "displayName", value: known["displayName"] ?? "", complete: "name")
                html.field(
                    "Password", "password", type: "password", complete: "new-password", note: "At least 8 characters.")
                html.submit("Make the account")
            }
        }
    }

    private func resetPage() -> Response {
        formPage("Forgotten password", nil) { html in
            html.form("/reset") { html in
                html.field("Login name or e-mail", "who", complete: "username", isFocused: true)
                html.submit("Send me a letter")
            }
        }
    }

    private func askReset(_ form: QueryItems, _ request: Request) async throws -> Response {
        try await people.requestReset(form["who"] ?? "", from: request.connection.remoteAddress)
        return message(
            "Look into your mail",
            "If there is such an account and it has an address, a letter is on its way. It counts for an hour.", nil)
    }

    private func newPasswordPage(_ ticket: String, _ name: String, problem: IdentityError? = nil) -> Response {
        formPage("A new password", problem) { html in
            html.element("p", .class("sub"), text: "For \(name). All sessions end.")
            html.form("/reset/" + PercentEncoding.encode(ticket)) { html in
                html.void(
                    "input", .set("type", "text"), .set("name", "username"), .set("value", name),
                    .set("autocomplete", "username"), .set("aria-label", "Login name"), .flag("hidden"))
                html.field(
                    "New password", "password", type: "password", complete: "new-password", isFocused: true,
                    note: "At least 8 characters.")
                html.submit("Change the password")
            }
        }
    }

    // MARK: Letting people in

    private func registrationsPage(_ caller: Caller) async throws -> Response {
        guard !caller.principal.isAnonymous else { return .redirect(Link.login(next: "/registrations")) }
        try await gate.require(caller.principal, "iam:CreateUser", on: ResourceName.account("*"), caller.context)
        let waiting = try await people.registrations(limit: 200)
        return Page("Registrations", caller.principal).response(files) { html in
            html.element("h1", text: "Registrations")
            guard !waiting.isEmpty else { return html.element("p", .class("lead"), text: "Nobody waits.") }
            html.element("ul", .class("cards")) { html in
                for registration in waiting {
                    html.element("li", .class("card")) { html in
                        html.element("h2", text: "\(registration.displayName) (\(registration.name))")
                        html.element(
                            "p", .class("sub"), text: "\(registration.email) · \(Words.time(registration.created))")
                        if !registration.note.isEmpty { html.element("p", text: registration.note) }
                        html.element("div", .class("actions")) { html in
                            let path = "/registrations/\(registration.id)"
                            html.button("Approve", path + "/approve", says: "Approve \(registration.name)")
                            html.form(path + "/reject", class: "asking") { html in
                                html.void(
                                    "input", .set("name", "reason"), .set("maxlength", "1000"),
                                    .set("aria-label", "Why \(registration.name) is declined"),
                                    .set("placeholder", "Why it is declined"))
                                html.submit("Reject", isQuiet: true)
                            }
                        }
                    }
                }
            }
        }
    }

    private func answer(_ id: String, isApproved: Bool, _ form: QueryItems, _ caller: Caller) async throws -> Response {
        try await gate.require(caller.principal, "iam:CreateUser", on: ResourceName.account("*"), caller.context)
        if isApproved {
            try await people.approveRegistration(id, by: caller.principal.name)
        } else {
            try await people.rejectRegistration(id, reason: form["reason"] ?? "", by: caller.principal.name)
        }
        return .redirect("/registrations")
    }

    // MARK: Parts

    private func formPage(
        _ title: String, _ problem: IdentityError?, _ body: (inout HTML) -> Void
    ) -> Response {
        var page = Page(title, nil)
        if let problem { page.status = problem.code == .rateLimited ? .tooManyRequests : .badRequest }
        return page.response(files) { html in
            html.element("div", .class("login")) { html in
                html.element("h1", text: title)
                html.problem(problem?.message)
                body(&html)
            }
        }
    }

    /// A page that says one thing.
    func message(
        _ title: String, _ text: String, _ link: (path: String, text: String)?, _ status: HTTPResponseStatus = .ok
    ) -> Response {
        var page = Page(title, nil)
        page.status = status
        return page.response(files) { html in
            html.element("div", .class("empty")) { html in
                html.element("h1", text: title)
                html.element("p", .class("lead"), text: text)
                if let link {
                    html.element("p") { $0.element("a", .class("button"), .href(link.path), text: link.text) }
                }
            }
        }
    }
}
