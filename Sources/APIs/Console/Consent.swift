import HTTPSupport
import Identity
import NIOHTTP1
import OpenID
import Wire

/// What somebody lets an application do, and which device they let in.
extension ConsoleService {
    private static let answers = [(name: "allow", text: "Allow"), (name: "deny", text: "Do not allow")]

    /// `/consent`: between an application's question and its answer.
    func consent(_ request: Request, _ caller: Caller, isAnswer: Bool) async throws -> Response {
        if isAnswer { try requireOwnForm(request) }
        let given = isAnswer ? try await request.form() : request.query
        let next = Link.next(given?["next"])
        guard let mark = next.firstIndex(of: "?"),
            let query = QueryItems(parsing: String(next[next.index(after: mark)...])),
            next.hasPrefix("/oidc/authorize?") || next.prefix(upTo: mark).hasSuffix("/protocol/openid-connect/auth")
        else { throw Problem.badRequest("Begin again at the application: this address is not complete.") }
        let wanted: AuthorizationRequest
        do {
            wanted = try await provider.authorizationRequest(query)
        } catch let fault as AuthorizationFault {
            throw Problem.badRequest(fault.message)
        } catch is AuthorizationRefusal {
            // What is wrong with it is the application's to hear.
            return .redirect(next)
        }
        guard isAnswer else {
            return QuestionPage(
                title: "Allow \(wanted.client.name)?",
                lead: "\(wanted.client.name) asks to do this as \(caller.principal.name):",
                items: Self.words(wanted.scopes),
                note: Self.origin(wanted), action: "/consent", fields: [("next", next)], answers: Self.answers
            ).response(files, caller.principal)
        }
        guard given?["answer"] == "allow" else {
            try await provider.noteRefusal(of: wanted, by: caller.principal)
            return .redirect(next + "&" + AuthorizationRequest.deniedParameter + "=1")
        }
        try await provider.agree(to: wanted, by: caller.principal)
        return .redirect(next)
    }

    private static func origin(_ wanted: AuthorizationRequest) -> String {
        let parts = wanted.redirectURI.split(separator: "/", omittingEmptySubsequences: true)
        let target = parts.count > 1 ? String(parts[1]) : wanted.redirectURI
        let who = wanted.client.isDynamic ? " It has registered itself: nobody here has looked at it." : ""
        return "The answer goes to \(target).\(who)"
    }

    /// `/device`: lets a device in whose code somebody types (RFC 8628 §3.3).
    func device(_ request: Request, _ caller: Caller, isAnswer: Bool) async throws -> Response {
        if isAnswer { try requireOwnForm(request) }
        let given = isAnswer ? try await request.form() : request.query
        let code = String((given?["user_code"] ?? "").prefix(40))
        var page = QuestionPage(
            title: "Connect a device", lead: "Type the code that the device or program shows.", action: "/device",
            entry: (name: "user_code", label: "Code", value: code), answers: [(name: "look", text: "Continue")])
        guard !code.isEmpty else { return page.response(files, caller.principal) }
        do {
            let waiting = try await provider.device(
                userCode: code, by: caller.principal, address: request.connection.remoteAddress)
            let name = waiting.client.name
            guard isAnswer, let answer = given?["answer"], answer != "look" else {
                return QuestionPage(
                    title: "Connect \(name)?",
                    lead: "A device with the code \(waiting.userCode) asks to do this as \(caller.principal.name):",
                    items: Self.words(waiting.scopes),
                    note: "Allow it only if you have just begun this yourself, and the device shows the same code.",
                    action: "/device", fields: [("user_code", waiting.userCode)], answers: Self.answers
                ).response(files, caller.principal)
            }
            try await provider.answer(waiting, isApproved: answer == "allow", by: caller.principal)
            return QuestionPage(
                title: answer == "allow" ? "Connected" : "Not connected",
                lead: answer == "allow"
                    ? "\(name) goes on by itself. You can close this page." : "\(name) was refused.",
                action: "/device", answers: []
            ).response(files, caller.principal)
        } catch let error as IdentityError where error.code == .notFound || error.code == .rateLimited {
            page.problem = error.message.prefix(1).uppercased() + error.message.dropFirst() + "."
            page.status = error.code == .notFound ? .notFound : .tooManyRequests
            return page.response(files, caller.principal)
        }
    }

    /// Scopes in words for people.
    static func words(_ scopes: Scopes) -> [String] {
        let known = [
            "openid": "Know who you are", "profile": "See your name", "email": "See your e-mail address",
            "groups": "See which groups you belong to", "wlcg.groups": "See which groups you belong to",
            Scopes.offline: "Keep this access while you are not here, until you take it back",
            Scopes.everything: "Do everything that you may do on this node",
        ]
        var words: [String] = []
        for name in scopes.names {
            var text = known[name]
            if name.hasPrefix("wlcg.groups:") { text = "See that you belong to \(name.dropFirst(12))" }
            if let text, !words.contains(text) { words.append(text) }
        }
        for capability in scopes.capabilities {
            let path = "/" + capability.path.joined(separator: "/")
            let text =
                switch capability.operation {
                case .read: "Read what is in \(path)"
                case .create: "Add to \(path), without changing what is there"
                case .modify: "Add, change and delete in \(path)"
                case .stage: "Have data in \(path) made ready"
                case .poll: "See where data in \(path) is"
                case .computeRead: "See jobs"
                case .computeModify: "Change jobs"
                case .computeCreate: "Begin jobs"
                case .computeCancel: "Cancel jobs"
                }
            words.append(text)
        }
        return words
    }
}
