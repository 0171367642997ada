import HTTPSupport
import Identity
import NIOHTTP1
import WebAuthn
import Wire

/// Coming and going.
extension ConsoleService {
    var identity: Identity { authenticator.identity }

    /// This node as authenticators know it; nil where it has no name that they take.
    var relyingParty: RelyingParty? { RelyingParty(address: addresses.web) }

    /// `/login` and its steps.
    func login(_ request: Request, _ caller: Caller, step: String?) async throws -> Response {
        let isRead = request.method == .GET || request.method == .HEAD
        guard isRead ? step == nil : request.method == .POST else {
            throw Problem.methodNotAllowed(step == nil ? "GET, POST" : "POST")
        }
        if isRead {
            let next = Link.next(request.query?["next"])
            // Who is asked to prove again who they are gets the form all the same.
            let isAgain = request.query?["prompt"] == "login"
            guard caller.principal.isAnonymous || isAgain else { return .redirect(next) }
            var page = LoginPage(try await passwordStep(), next: next)
            page.isStrong = request.query?["acr"] == "mfa"
            page.name = String((request.query?["login_hint"] ?? "").prefix(200))
            if isAgain, !caller.principal.isAnonymous { page.name = caller.principal.name }
            return try await shown(page)
        }
        try requireOwnForm(request)
        let form = try await request.form()
        let next = Link.next(form["next"])
        do {
            switch step {
            case nil: return try await logIn(form, next, request)
            case "code":
                return try await proceed(
                    try await identity.continueLogin(
                        ticket: form["ticket"] ?? "", code: form["code"] ?? "",
                        address: request.connection.remoteAddress),
                    next, request)
            case "agreement":
                return try await proceed(
                    try await identity.continueLogin(
                        ticket: form["ticket"] ?? "", signing: Int64(form["version"] ?? "") ?? 0,
                        address: request.connection.remoteAddress),
                    next, request)
            case "passkey":
                let answer = try passkey(form)
                let address = request.connection.remoteAddress
                let proven =
                    if let ticket = form["ticket"] {
                        try await identity.continueLogin(ticket: ticket, passkey: answer, address: address)
                    } else {
                        try await identity.login(answer, address: address)
                    }
                return try await proceed(proven, next, request)
            default: throw Problem.notFound("There is no page at \(request.rawPath.prefix(200)).")
            }
        } catch let error as IdentityError {
            return try await failed(error, step, form, next)
        } catch let error as WebAuthnError {
            var page = LoginPage(try await passwordStep(), next: next)
            page.status = .badRequest
            page.problem = error.message
            return try await shown(page)
        }
    }

    private func logIn(_ form: QueryItems, _ next: String, _ request: Request) async throws -> Response {
        let name = form["name"] ?? ""
        guard let password = form["password"], !password.isEmpty, !name.isEmpty, !name.utf8.contains(0) else {
            var page = LoginPage(try await passwordStep(), next: next)
            page.name = name
            page.isStrong = form["acr"] == "mfa"
            page.status = .badRequest
            page.problem = "Both a name and a password are needed."
            return try await shown(page)
        }
        return try await proceed(
            try await identity.beginLogin(
                name: name, password: password, isStrong: form["acr"] == "mfa",
                address: request.connection.remoteAddress),
            next, request)
    }

    private func passkey(_ form: QueryItems) throws -> PasskeyAnswer {
        guard let party = relyingParty else {
            throw Problem.badRequest("Passkeys need a node that has a host name and https.")
        }
        func bytes(_ name: String) -> [UInt8] { Base64.decode(form[name] ?? "") ?? [] }
        let assertion = try Assertion(
            clientData: bytes("clientData"), authenticatorData: bytes("authenticatorData"),
            signature: bytes("signature"), by: party)
        return PasskeyAnswer(credential: bytes("credential"), user: bytes("user"), assertion: assertion)
    }

    /// Answers with what comes next: another form, or a session and the page that was asked for.
    func proceed(_ step: LoginStep, _ next: String, _ request: Request) async throws -> Response {
        switch step {
        case .second(let ticket, let step):
            return try await shown(LoginPage(.second(ticket: ticket, step, relyingParty), next: next))
        case .agreement(let ticket, let policy):
            return try await shown(LoginPage(.agreement(ticket: ticket, policy), next: next))
        case .done(let principal, let factors, let upstream):
            var response = Response.redirect(next)
            response.headers.add(name: "Cache-Control", value: "no-store")
            if let old = Authenticator.cookie(Authenticator.sessionCookie, in: request) {
                // Who proves again who they are goes on in their session, and applications in theirs.
                if try await identity.principal(session: old)?.accountID == principal.accountID {
                    try await identity.renewSession(old, factors: factors)
                    return response
                }
                try await identity.endSession(old)
            }
            let secret = try await identity.openSession(
                for: principal, factors: factors, upstream: upstream, address: request.connection.remoteAddress,
                agent: request.header("user-agent") ?? "")
            response.headers.add(name: "Set-Cookie", value: cookie(secret, seconds: Identity.sessionSeconds, request))
            return response
        }
    }

    private func failed(
        _ error: IdentityError, _ step: String?, _ form: QueryItems, _ next: String
    ) async throws -> Response {
        var page = LoginPage(try await passwordStep(), next: next)
        if let ticket = form["ticket"], step == "code" || step == "passkey",
            [.invalidCredentials, .rateLimited].contains(error.code),
            let second = try? await identity.secondStep(ticket: ticket)
        {
            page = LoginPage(.second(ticket: ticket, second, relyingParty), next: next)
        }
        page.name = form["name"] ?? ""
        page.isStrong = form["acr"] == "mfa"
        switch error.code {
        case .rateLimited:
            let seconds = error.retryAfter ?? 1
            page.status = .tooManyRequests
            page.headers = ["Retry-After": String(seconds)]
            page.problem = "Too many attempts failed. Try again in \(Words.count(seconds, "second", "seconds"))."
        case .invalidCredentials, .disabled:
            page.status = .unauthorized
            page.problem = step == nil ? "The name or the password is wrong." : error.message
        case .expired, .conflict:
            page.status = .badRequest
            page.problem = error.message
        default: throw error
        }
        return try await shown(page)
    }

    private func passwordStep() async throws -> LoginPage.Step {
        guard let party = relyingParty else { return .password(nil) }
        return .password(LoginPage.PasskeyOffer(party: party, challenge: try await identity.challenge(account: nil)))
    }

    private func shown(_ page: LoginPage) async throws -> Response {
        var page = page
        page.canRegister = people.registration != .off
        page.canReset = people.sendsMail
        if case .password = page.step {
            page.providers = try await identity.providers().map { ($0.name, $0.title) }
        }
        return page.response(files)
    }

    /// Asks before it logs somebody out whom another page has sent here.
    func logoutForm(_ request: Request, _ caller: Caller) -> Response {
        let next = Link.next(request.query?["next"])
        guard !caller.principal.isAnonymous else { return .redirect(next == "/" ? "/login" : next) }
        return QuestionPage(
            title: "Log out?", lead: "You are logged in as \(caller.principal.name).", action: "/logout",
            fields: [("next", next)], answers: [(name: "yes", text: "Log out")]
        ).response(files, caller.principal)
    }

    func logout(_ request: Request) async throws -> Response {
        try requireOwnForm(request)
        let next = request.headers.contains(name: "content-type") ? Link.next(try await request.form()["next"]) : "/"
        if let secret = Authenticator.cookie(Authenticator.sessionCookie, in: request) {
            try await identity.endSession(secret)
        }
        var response = Response.redirect(next == "/" ? "/login" : next)
        response.headers.add(name: "Set-Cookie", value: cookie("", seconds: 0, request))
        return response
    }

    func requireOwnForm(_ request: Request) throws {
        guard Authenticator.isSameSite(request) else {
            throw Problem.forbidden("This form was sent by a page of another site, so it was not taken.")
        }
    }

    /// `SameSite=Lax`: whom an application sends here to be logged in to it comes with the cookie. A change with it is
    /// made only for pages of our own: ``Authenticator/isSameSite(_:)``.
    private func cookie(_ secret: String, seconds: Int64, _ request: Request) -> String {
        "\(Authenticator.sessionCookie)=\(secret); Path=/; Max-Age=\(seconds); HttpOnly; SameSite=Lax"
            + (request.connection.isSecure ? "; Secure" : "")
    }
}
