package import HTTPSupport
import Identity
import JOSE
import Logging
import NIOHTTP1
package import OpenID
import Wire

/// The OpenID provider's face: OAuth 2.0 and OpenID Connect, below `/oidc`, and below `/realms/NAME` for software that
/// knows the provider's addresses by heart from another one.
package struct OIDCService: Sendable {
    let authenticator: Authenticator
    let provider: OpenIDProvider
    private let logger = Logger(label: "martlet.oidc")

    var identity: Identity { authenticator.identity }
    var tokens: TokenAuthority { authenticator.tokens }

    package init(authenticator: Authenticator, provider: OpenIDProvider) {
        self.authenticator = authenticator
        self.provider = provider
    }

    /// What a request is for.
    enum Endpoint: String, CaseIterable {
        case authorize, token, userinfo, jwks, introspect, revoke, par, device, register, logout, discovery, jobs
    }

    /// A request with the endpoint that it is for.
    struct Call {
        var request: Request
        /// How the client knows this node: `iss`.
        var issuer: String
        /// What follows the endpoint's address.
        var rest: [String]
        /// The endpoint's address as the client sees it.
        var url: String
    }

    /// Answers `/oidc/…`.
    package func respond(to request: Request, path: [String]) async -> Response {
        guard let endpoint = path.first.flatMap({ Self.paths[$0] }) else { return nothing(request) }
        return await respond(endpoint, request, rest: Array(path.dropFirst()), issuer: tokens.issuer)
    }

    private static let paths: [String: Endpoint] = Dictionary(
        uniqueKeysWithValues: Endpoint.allCases.filter { $0 != .discovery }.map { ($0.rawValue, $0) })

    /// Answers `/realms/NAME/…`.
    package func respond(to request: Request, realm path: [String], prefix: String) async -> Response {
        guard path.count >= 2, TokenAuthority.isRealm(path[0][...]) else { return nothing(request) }
        let issuer = "\(tokens.issuer)\(prefix)/realms/\(path[0])"
        let rest = Array(path.dropFirst())
        let endpoint: Endpoint? =
            switch rest {
            case [".well-known", "openid-configuration"]: .discovery
            case ["protocol", "openid-connect", "auth"]: .authorize
            case ["protocol", "openid-connect", "auth", "device"]: .device
            case ["protocol", "openid-connect", "token"]: .token
            case ["protocol", "openid-connect", "token", "introspect"]: .introspect
            case ["protocol", "openid-connect", "userinfo"]: .userinfo
            case ["protocol", "openid-connect", "certs"]: .jwks
            case ["protocol", "openid-connect", "revoke"]: .revoke
            case ["protocol", "openid-connect", "logout"]: .logout
            case ["protocol", "openid-connect", "ext", "par", "request"]: .par
            case _ where rest.starts(with: ["clients-registrations", "openid-connect"]): .register
            default: nil
            }
        guard let endpoint else { return nothing(request) }
        return await respond(
            endpoint, request, rest: endpoint == .register ? Array(rest.dropFirst(2)) : [], issuer: issuer)
    }

    /// Answers `/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`, with what RFC 8414
    /// puts behind it for an issuer with a path.
    package func metadata(for request: Request, path: [String]) -> Response? {
        let known = ["openid-configuration", "oauth-authorization-server"]
        guard let first = path.first, known.contains(first), request.method == .GET || request.method == .HEAD else {
            return nil
        }
        let suffix = path.dropFirst().map { "/" + $0 }.joined()
        let issuer = tokens.issuer + suffix
        guard tokens.isOwn(issuer: issuer) else { return nil }
        return discovery(issuer: issuer, to: request)
    }

    private func nothing(_ request: Request) -> Response {
        Problem.notFound("there is nothing at \(request.rawPath.prefix(200))").response
    }

    private func respond(_ endpoint: Endpoint, _ request: Request, rest: [String], issuer: String) async -> Response {
        let call = Call(request: request, issuer: issuer, rest: rest, url: tokens.issuer + request.rawPath)
        do {
            guard rest.isEmpty || endpoint == .register || endpoint == .jobs else {
                throw Problem.notFound("there is nothing at \(request.rawPath.prefix(200))")
            }
            if request.method == .OPTIONS, endpoint != .authorize { return Self.preflight }
            try await authenticator.admit(request)
            return Self.shared(try await answer(endpoint, call), endpoint)
        } catch let error as OAuthError {
            if endpoint != .token, [.invalidGrant, .invalidToken, .insufficientScope].contains(error.code) {
                await authenticator.tell(of: error.message, refusing: endpoint.rawValue, request)
            }
            return Self.shared(error.response, endpoint)
        } catch let error as IdentityError where endpoint == .token || (endpoint == .jobs && error.code == .disabled) {
            return Self.shared(OAuthError(.invalidGrant, error.message).response, endpoint)
        } catch {
            return await Problem.catching(request, log: { logger.error("\($0)") }) { throw error }
        }
    }

    private func answer(_ endpoint: Endpoint, _ call: Call) async throws -> Response {
        let method = call.request.method
        func only(_ methods: HTTPMethod...) throws {
            guard methods.contains(method) else {
                throw Problem.methodNotAllowed(methods.map(\.rawValue).joined(separator: ", "))
            }
        }
        switch endpoint {
        case .discovery:
            try only(.GET, .HEAD)
            return discovery(issuer: call.issuer, to: call.request)
        case .jwks:
            try only(.GET, .HEAD)
            return Response(
                .ok, type: "application/jwk-set+json", bytes: try await tokens.jwks(),
                headers: ["Cache-Control": "public, max-age=3600"])
        case .authorize:
            try only(.GET, .POST)
            return try await authorize(call)
        case .logout:
            try only(.GET, .POST)
            return try await logout(call)
        case .userinfo:
            try only(.GET, .POST)
            return try await userinfo(call)
        case .token:
            try only(.POST)
            return try await token(call)
        case .device:
            try only(.POST)
            return try await device(call)
        case .par:
            try only(.POST)
            return try await push(call)
        case .introspect:
            try only(.POST)
            return try await introspect(call)
        case .revoke:
            try only(.POST)
            return try await revoke(call)
        case .register: return try await register(call)
        case .jobs: return try await jobs(call)
        }
    }

    // MARK: Applications in browsers

    /// Scripts of any page may call these: none of them looks at a cookie.
    private static func shared(_ response: Response, _ endpoint: Endpoint) -> Response {
        guard ![.authorize, .logout, .register, .jobs].contains(endpoint) else { return response }
        var response = response
        response.headers.replaceOrAdd(name: "Access-Control-Allow-Origin", value: "*")
        response.headers.replaceOrAdd(name: "Access-Control-Expose-Headers", value: "DPoP-Nonce, WWW-Authenticate")
        return response
    }

    private static let preflight = Response(
        .noContent,
        headers: [
            "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, DPoP", "Access-Control-Max-Age": "3600",
        ])

    static func json(
        _ status: HTTPResponseStatus = .ok, headers: HTTPHeaders = [:], _ body: (inout JSONWriter) -> Void
    ) -> Response {
        var json = JSONWriter(capacity: 2048)
        json.object { body(&$0) }
        return json.bytes.response(status, headers: headers)
    }
}

extension [UInt8] {
    /// An answer that nobody keeps.
    func response(_ status: HTTPResponseStatus = .ok, headers: HTTPHeaders = [:]) -> Response {
        var response = Response(status, type: "application/json", bytes: self, headers: headers)
        response.headers.replaceOrAdd(name: "Cache-Control", value: "no-store")
        response.headers.replaceOrAdd(name: "Pragma", value: "no-cache")
        return response
    }
}

extension OAuthError {
    /// RFC 6749 §5.2.
    var response: Response {
        var headers: HTTPHeaders = [:]
        var status = HTTPResponseStatus.badRequest
        switch code {
        case .invalidClient:
            status = .unauthorized
            headers.add(name: "WWW-Authenticate", value: #"Basic realm="martlet""#)
        case .invalidToken:
            status = .unauthorized
            headers.add(name: "WWW-Authenticate", value: #"Bearer realm="martlet", error="invalid_token""#)
        case .insufficientScope:
            status = .forbidden
            headers.add(name: "WWW-Authenticate", value: #"Bearer realm="martlet", error="insufficient_scope""#)
        case .slowDown where retryAfter != nil: status = .tooManyRequests
        default: break
        }
        if let retryAfter { headers.add(name: "Retry-After", value: String(retryAfter)) }
        if let nonce { headers.add(name: "DPoP-Nonce", value: nonce) }
        return OIDCService.json(status, headers: headers) {
            $0.member("error", code.rawValue)
            $0.member("error_description", message)
        }
    }
}
