import HTTPSupport
import Identity
import NIOHTTP1
import Wire

/// Logging in at another provider, and adding such a login to an account.
extension ConsoleService {
    private static let cookieName = "martlet_federation"

    /// `/login/with/{provider}`: sends the browser there.
    func logIn(with provider: String, _ request: Request) async throws -> Response {
        do {
            let begun = try await federated.begin(
                provider, next: Link.next(request.query?["next"]), account: nil,
                isStrong: request.query?["acr"] == "mfa")
            var response = Response.redirect(begun.url)
            response.headers.add(
                name: "Set-Cookie", value: federationCookie(begun.cookie, FederatedLogins.seconds, request))
            return response
        } catch let error as IdentityError where error.code == .unreachable {
            return message("That did not work", error.message + ".", ("/login", "Back to the login"), .badGateway)
        }
    }

    /// Begins to add a login to the account of whoever is logged in. A page comes between, since a form's answer may
    /// not lead to another site.
    func link(_ provider: String, _ request: Request, _ caller: Caller) async throws -> Response {
        let begun = try await federated.begin(provider, next: "/account#links", account: caller.principal.accountID)
        var response = Page("Add a login", caller.principal).response(files) { html in
            html.element("div", .class("empty")) { html in
                html.element("h1", text: "Add a login")
                html.element(
                    "p", .class("lead"),
                    text: "Log in at the other provider. Afterwards you can log in here with it, as yourself.")
                html.element("p") { $0.element("a", .class("button"), .href(begun.url), text: "Go there") }
            }
        }
        response.headers.add(
            name: "Set-Cookie", value: federationCookie(begun.cookie, FederatedLogins.seconds, request))
        return response
    }

    /// `/login/callback`: where the provider sends the browser back to.
    func federationCallback(_ request: Request, _ caller: Caller) async throws -> Response {
        guard let query = request.query else {
            throw Problem.badRequest("The address is not valid percent-encoding.")
        }
        let back = (path: "/login", text: "Back to the login")
        do {
            let result = try await federated.finish(
                query, cookie: Authenticator.cookie(Self.cookieName, in: request) ?? "",
                account: caller.principal.method == .session ? caller.principal.accountID : nil,
                from: request.connection.remoteAddress)
            var response: Response
            switch result {
            case .step(let step, let next): response = try await proceed(step, Link.next(next), request)
            case .linked: response = .redirect("/account?done=linked#links")
            case .unknown(let provider, let shown):
                response = message(
                    "Nobody knows you here yet",
                    "\(provider) says that you are \(shown). Log in with your account of this node, and add this login "
                        + "to it at the bottom of your account's page.", back, .forbidden)
            }
            response.headers.add(name: "Set-Cookie", value: federationCookie("", 0, request))
            return response
        } catch let error as IdentityError {
            let text = error.message.prefix(1).uppercased() + error.message.dropFirst() + "."
            switch error.code {
            case .unreachable: return message("That did not work", text, back, .badGateway)
            case .rateLimited: throw error
            default: return message("That did not work", text, back, .badRequest)
            }
        }
    }

    /// `/login/backchannel`: where a provider tells that somebody has logged out there (OpenID Connect Back-Channel
    /// Logout 1.0 §2.5). No browser comes here.
    func backchannelLogout(_ request: Request) async throws -> Response {
        guard request.method == .POST else { throw Problem.methodNotAllowed("POST") }
        do {
            try await federated.logout(token: try await request.form()["logout_token"] ?? "")
            return Response(.ok, type: "text/plain", text: "", headers: ["Cache-Control": "no-store"])
        } catch let error as IdentityError where [.invalidToken, .expired].contains(error.code) {
            var json = JSONWriter()
            json.object { json in
                json.member("error", "invalid_request")
                json.member("error_description", error.message)
            }
            return Response(
                .badRequest, type: "application/json", bytes: json.bytes, headers: ["Cache-Control": "no-store"])
        }
    }

    private func federationCookie(_ value: String, _ seconds: Int64, _ request: Request) -> String {
        "\(Self.cookieName)=\(value); Path=/login; Max-Age=\(seconds); HttpOnly; SameSite=Lax"
            + (request.connection.isSecure ? "; Secure" : "")
    }
}
