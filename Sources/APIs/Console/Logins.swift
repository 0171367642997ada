import HTTPSupport
import Identity
import NIOHTTP1
import Wire

/// Coming and going.
extension ConsoleService {
    func loginForm(_ request: Request, _ caller: Caller) -> Response {
        let next = Link.next(request.query?["next"])
        guard caller.principal.isAnonymous else { return .redirect(next) }
        return LoginPage(next: next).response(files)
    }

    /// Takes the form. Its origin is looked at, so no other site logs anybody in.
    func login(_ request: Request) async throws -> Response {
        try requireOwnForm(request)
        let form = try await request.form()
        var page = LoginPage(next: Link.next(form["next"]))
        page.name = form["name"] ?? ""
        guard let password = form["password"], !password.isEmpty, !page.name.isEmpty, !page.name.utf8.contains(0) else {
            page.status = .badRequest
            page.problem = "Both a name and a password are needed."
            return page.response(files)
        }
        do {
            let identity = authenticator.identity
            let principal = try await identity.login(
                name: page.name, password: password, address: request.connection.remoteAddress)
            var response = Response.redirect(page.next)
            let secret = try await identity.openSession(
                for: principal, factors: [.pwd], address: request.connection.remoteAddress,
                agent: request.header("user-agent") ?? "")
            response.headers.add(name: "Set-Cookie", value: cookie(secret, seconds: Identity.sessionSeconds, request))
            response.headers.add(name: "Cache-Control", value: "no-store")
            return response
        } catch let error as IdentityError where error.code == .rateLimited {
            let seconds = error.retryAfter ?? 1
            page.status = .tooManyRequests
            page.headers = ["Retry-After": String(seconds)]
            page.problem = "Too many attempts failed. Try again in \(Words.count(seconds, "second", "seconds"))."
        } catch let error as IdentityError where error.code == .invalidCredentials || error.code == .disabled {
            page.status = .unauthorized
            page.problem = "The name or the password is wrong."
        }
        return page.response(files)
    }

    func logout(_ request: Request) async throws -> Response {
        try requireOwnForm(request)
        if let secret = Authenticator.cookie(Authenticator.sessionCookie, in: request) {
            try await authenticator.identity.endSession(secret)
        }
        var response = Response.redirect("/login")
        response.headers.add(name: "Set-Cookie", value: cookie("", seconds: 0, request))
        return response
    }

    private func requireOwnForm(_ request: Request) throws {
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
