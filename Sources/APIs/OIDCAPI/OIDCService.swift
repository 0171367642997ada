package import HTTPSupport
import Identity
import Logging
import NIOHTTP1
import Wire

/// The OpenID provider: what clients need to get a token and to check one.
package struct OIDCService: Sendable {
    private let authenticator: Authenticator
    private let logger = Logger(label: "martlet.oidc")

    private var identity: Identity { authenticator.identity }
    private var tokens: TokenAuthority { authenticator.tokens }

    package init(authenticator: Authenticator) { self.authenticator = authenticator }

    /// Answers `/oidc/…`.
    package func respond(to request: Request, path: [String]) async -> Response {
        do {
            switch (path, request.method) {
            case (["token"], .POST): return try await token(request)
            case (["jwks"], .GET): return jwks
            case (["userinfo"], .GET), (["userinfo"], .POST): return try await userinfo(request)
            case (["token"], _): throw Problem.methodNotAllowed("POST")
            case (["jwks"], _), (["userinfo"], _): throw Problem.methodNotAllowed("GET")
            default: throw Problem.notFound("there is nothing at \(request.rawPath)")
            }
        } catch let error as OAuthError {
            return error.response
        } catch {
            return await Problem.catching(request, log: { logger.error("\($0)") }) { throw error }
        }
    }

    private var jwks: Response {
        Response(.ok, type: "application/jwk-set+json", bytes: tokens.jwks, headers: ["Cache-Control": "max-age=300"])
    }

    /// `/.well-known/openid-configuration` (OpenID Connect Discovery 1.0 §3).
    package var discovery: Response {
        var json = JSONWriter()
        let issuer = tokens.issuer
        json.object {
            $0.member("issuer", issuer)
            $0.member("token_endpoint", issuer + "/oidc/token")
            $0.member("userinfo_endpoint", issuer + "/oidc/userinfo")
            $0.member("jwks_uri", issuer + "/oidc/jwks")
            $0.member("grant_types_supported", ["password"])
            $0.member("token_endpoint_auth_methods_supported", ["none"])
            $0.member("id_token_signing_alg_values_supported", ["ES256"])
            $0.member("subject_types_supported", ["public"])
            $0.member("response_types_supported", [String]())
        }
        return Response(.ok, type: "application/json", bytes: json.bytes)
    }

    /// The password grant (RFC 6749 §4.3), for the node's own command line and for programs that log in as a person.
    private func token(_ request: Request) async throws -> Response {
        let form = try await request.form()
        guard let grant = form["grant_type"] else {
            throw OAuthError(.badRequest, "invalid_request", "grant_type is missing")
        }
        guard grant == "password" else {
            throw OAuthError(
                .badRequest, "unsupported_grant_type", "the grant type is 'password', not '\(grant.prefix(80))'")
        }
        guard let name = form["username"], let password = form["password"] else {
            throw OAuthError(.badRequest, "invalid_request", "username and password are required")
        }
        let principal: Principal
        do {
            principal = try await identity.login(
                name: name, password: password, code: form["totp"], address: request.connection.remoteAddress)
        } catch let error as IdentityError where error.code == .rateLimited {
            throw OAuthError(.tooManyRequests, "slow_down", error.message, retryAfter: error.retryAfter)
        } catch let error as IdentityError {
            throw OAuthError(.badRequest, "invalid_grant", error.message)
        }
        let token = try await tokens.issue(to: principal, client: form["client_id"] ?? "martlet")
        var json = JSONWriter()
        json.object {
            $0.member("access_token", token)
            $0.member("token_type", "Bearer")
            $0.member("expires_in", TokenAuthority.lifetimeSeconds)
        }
        return Response(
            .ok, type: "application/json", bytes: json.bytes,
            headers: ["Cache-Control": "no-store", "Pragma": "no-cache"])
    }

    private func userinfo(_ request: Request) async throws -> Response {
        let caller = try await authenticator.caller(of: request, cookies: true)
        guard let id = caller.principal.accountID else {
            throw Problem.unauthorized("a token is needed to ask who you are")
        }
        var json = JSONWriter()
        json.object {
            $0.member("sub", String(id))
            $0.member("preferred_username", caller.principal.name)
            $0.member("groups", caller.principal.groups)
        }
        return Response(.ok, type: "application/json", bytes: json.bytes, headers: ["Cache-Control": "no-store"])
    }
}

/// An error of the token endpoint (RFC 6749 §5.2).
private struct OAuthError: Error {
    var status: HTTPResponseStatus
    var code: String
    var description: String
    var retryAfter: Int64?

    init(_ status: HTTPResponseStatus, _ code: String, _ description: String, retryAfter: Int64? = nil) {
        self.status = status
        self.code = code
        self.description = description
        self.retryAfter = retryAfter
    }

    var response: Response {
        var json = JSONWriter()
        json.object {
            $0.member("error", code)
            $0.member("error_description", description)
        }
        var headers: HTTPHeaders = ["Cache-Control": "no-store"]
        if let retryAfter { headers.add(name: "Retry-After", value: String(retryAfter)) }
        return Response(status, type: "application/json", bytes: json.bytes, headers: headers)
    }
}
