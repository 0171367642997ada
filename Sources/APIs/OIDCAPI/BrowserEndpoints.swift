import Ciphers
import HTTPSupport
import Identity
import NIOHTTP1
import OpenID
import Wire

/// What somebody's browser is sent to.
extension OIDCService {
    /// The longest request that is carried through the login in an address, in bytes.
    private static let queryBytesMax = 3500

    /// The authorization endpoint (OpenID Connect Core 1.0 §3.1.2).
    func authorize(_ call: Call) async throws -> Response {
        let request = call.request
        // A form is made an address of, so that the browser can come back to it.
        guard request.method == .GET else {
            let form = try await request.form()
            return .redirect(request.rawPath + "?" + form.encoded)
        }
        guard let query = request.query else { throw Problem.badRequest("the address is not valid percent-encoding") }
        let wanted: AuthorizationRequest
        do {
            wanted = try await provider.authorizationRequest(query)
        } catch let fault as AuthorizationFault {
            throw Problem.badRequest(fault.message)
        } catch let refusal as AuthorizationRefusal {
            return send(provider.answer(refusal.request, refusal.error, issuer: call.issuer))
        }
        guard request.rawQuery.utf8.count <= Self.queryBytesMax else {
            throw Problem.badRequest(
                "the request is longer than \(Self.queryBytesMax) bytes: push it (RFC 9126) and send its request_uri")
        }
        let principal = try await browser(request)
        switch try await provider.advance(wanted, principal: principal, issuer: call.issuer) {
        case .answer(let answer): return send(answer)
        case .consent:
            return .redirect("/consent?" + QueryItems([("next", here(request, query))]).encoded)
        case .login(let after, let isAgain, let isStrong):
            var onward = query
            if let after {
                onward.items.removeAll { $0.name == AuthorizationRequest.afterParameter }
                onward.items.append((AuthorizationRequest.afterParameter, String(after)))
            }
            var items: [(name: String, value: String?)] = [("next", here(request, onward))]
            if isAgain { items.append(("prompt", "login")) }
            if isStrong { items.append(("acr", "mfa")) }
            if let hint = wanted.loginHint { items.append(("login_hint", String(hint.prefix(200)))) }
            return .redirect("/login?" + QueryItems(items).encoded)
        }
    }

    private func here(_ request: Request, _ query: QueryItems) -> String { request.rawPath + "?" + query.encoded }

    /// Whose browser it is; nil where nobody is logged in.
    private func browser(_ request: Request) async throws -> Principal? {
        guard let secret = Authenticator.cookie(Authenticator.sessionCookie, in: request),
            Authenticator.isSameSite(request)
        else { return nil }
        return try await identity.principal(session: secret)
    }

    private func send(_ answer: AuthorizationAnswer) -> Response {
        var response: Response
        switch answer.responseMode {
        case .query: response = .redirect(answer.location, .found)
        case .formPost: response = Self.formPost(answer)
        }
        response.headers.replaceOrAdd(name: "Cache-Control", value: "no-store")
        response.headers.replaceOrAdd(name: "Referrer-Policy", value: "no-referrer")
        return response
    }

    private static let submit = "document.forms[0].submit()"

    /// A page that sends the answer on as a form (OAuth 2.0 Form Post Response Mode).
    private static func formPost(_ answer: AuthorizationAnswer) -> Response {
        var text =
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>One moment</title></head><body>"
        text += "<form method=\"post\" action=\"\(escaped(answer.redirectURI))\">"
        for (name, value) in answer.parameters {
            text += "<input type=\"hidden\" name=\"\(escaped(name))\" value=\"\(escaped(value))\">"
        }
        text += "<noscript><button type=\"submit\">Continue</button></noscript></form><script>\(submit)</script>"
        text += "</body></html>"
        let digest = Base64.encode(DigestAlgorithm.sha256.hash(Array(submit.utf8)))
        let policy = "default-src 'none'; script-src 'sha256-\(digest)'; base-uri 'none'; frame-ancestors 'none'"
        return Response(
            .ok, type: "text/html; charset=utf-8", text: text, headers: ["Content-Security-Policy": policy])
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;").replacing("'", with: "&#39;")
    }

    /// The end of somebody's session (OpenID Connect RP-Initiated Logout 1.0).
    func logout(_ call: Call) async throws -> Response {
        let request = call.request
        let parameters = request.method == .GET ? request.query ?? QueryItems() : try await request.form()
        let secret = Authenticator.cookie(Authenticator.sessionCookie, in: request)
        let principal: Principal? = if let secret { try await identity.principal(session: secret) } else { nil }
        let outcome = try await provider.logout(
            hint: parameters["id_token_hint"], clientID: parameters["client_id"],
            redirectURI: parameters["post_logout_redirect_uri"], principal: principal)
        var target = outcome.redirectURI
        if let uri = target, let state = parameters["state"] {
            target = uri + (uri.contains("?") ? "&" : "?") + QueryItems([("state", state)]).encoded
        }
        guard principal != nil else { return .redirect(target ?? "/login") }
        // Anybody could send a browser here: without the application's word the person is asked.
        guard outcome.isConfirmed, let secret else {
            return .redirect("/logout?" + QueryItems([("next", here(request, parameters))]).encoded)
        }
        try await identity.endSession(secret)
        var response = Response.redirect(target ?? "/login")
        response.headers.add(
            name: "Set-Cookie",
            value: "\(Authenticator.sessionCookie)=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
                + (request.connection.isSecure ? "; Secure" : ""))
        return response
    }
}
