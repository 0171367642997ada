package import Identity
package import Wire

/// What an application asks of somebody's browser (OpenID Connect Core 1.0 §3.1.2.1).
package struct AuthorizationRequest: Sendable {
    package enum ResponseMode: String, Sendable {
        case query
        case formPost = "form_post"
    }

    package var client: Client
    package var redirectURI: String
    package var responseMode: ResponseMode
    package var state: String?
    package var scopes: Scopes
    package var audiences: [String]
    package var nonce: String?
    package var challenge: String?
    package var prompts: Set<String>
    package var maxAge: Int64?
    package var acrValues: [String]
    /// Whether one of `acrValues` has to be met.
    package var isAcrEssential = false
    package var idTokenClaims: [String] = []
    package var userinfoClaims: [String] = []
    package var loginHint: String?
    package var idTokenHint: String?
    package var keyThumbprint: String?
    /// Microseconds: whoever logged in before this is to log in again. Set by ourselves on the way through the login.
    package var after: Int64?
    /// Somebody has said no. Set by ourselves.
    package var isDenied: Bool

    /// Whether a stronger login is asked for than one factor.
    var wantsMultiFactor: Bool {
        !acrValues.isEmpty && acrValues.contains(Authentication.multiFactor)
            && !acrValues.contains(Authentication.singleFactor)
    }

    /// Parameters that may come more than once.
    static let repeatable: Set<String> = ["resource", "audience"]
    /// Those that this program adds to the address while somebody is on the way through login and consent.
    static let ownPrefix = "martlet_"
    /// What a signed request said, which was opened when it was pushed.
    static let signedParameter = "martlet_signed"
    package static let afterParameter = "martlet_after"
    package static let deniedParameter = "martlet_denied"
}

/// An authorization request that cannot be answered to the application: somebody's browser shows what is wrong.
package struct AuthorizationFault: Error, Sendable {
    package var message: String
}

/// An answer to an authorization request, for the application.
package struct AuthorizationAnswer: Sendable {
    package var redirectURI: String
    package var responseMode: AuthorizationRequest.ResponseMode
    package var parameters: [(name: String, value: String)]

    /// The address that the browser is sent to in the mode `query`.
    package var location: String {
        let query = QueryItems(parameters.map { ($0.name, $0.value) }).encoded
        return redirectURI + (redirectURI.contains("?") ? "&" : "?") + query
    }
}

extension OpenIDProvider {
    /// Reads an authorization request.
    ///
    /// - Throws: ``AuthorizationFault`` where it is not certain whom to answer; then nobody is sent anywhere.
    ///   ``AuthorizationRefusal`` for what the application hears of.
    package func authorizationRequest(_ query: QueryItems) async throws -> AuthorizationRequest {
        try await authorizationRequest(query, isOpened: false)
    }

    /// - Parameter isOpened: whether a signed request was opened already, so that the mark of that is ours.
    func authorizationRequest(_ query: QueryItems, isOpened: Bool) async throws -> AuthorizationRequest {
        func fault(_ message: String) -> AuthorizationFault { AuthorizationFault(message: message) }
        guard let id = query["client_id"] else { throw fault("the address lacks client_id") }
        guard let client = try? await client(id) else { throw fault("there is no application '\(id.prefix(128))'") }
        var query = query
        var isPushed = false
        if !isOpened { query.items.removeAll { $0.name == AuthorizationRequest.signedParameter } }
        if let uri = query["request_uri"] {
            guard let pushed = try await pushedRequest(uri, client: client.id) else {
                throw fault("the request_uri is unknown or has expired: begin again at the application")
            }
            // RFC 9126 §4: what was pushed counts, and our own marks.
            let marks = query.items.filter {
                $0.name == AuthorizationRequest.afterParameter || $0.name == AuthorizationRequest.deniedParameter
            }
            query = QueryItems(pushed.items + marks)
            isPushed = true
        } else if !isOpened {
            do { query = try await opened(query, client) } catch let error as OAuthError { throw fault(error.message) }
        }
        for item in query.items
        where !AuthorizationRequest.repeatable.contains(item.name) && query.all(item.name).count > 1 {
            throw fault("the parameter '\(item.name.prefix(80))' comes twice")
        }
        let redirectURI = query["redirect_uri"] ?? (client.redirectURIs.count == 1 ? client.redirectURIs[0] : "")
        guard client.redirectURIs.contains(redirectURI) else {
            throw fault("the redirect_uri is not one of those that '\(client.name)' has registered")
        }
        var request = AuthorizationRequest(
            client: client, redirectURI: redirectURI,
            responseMode: AuthorizationRequest.ResponseMode(rawValue: query["response_mode"] ?? "query") ?? .query,
            state: query["state"], scopes: .none, audiences: [], prompts: [], acrValues: [],
            isDenied: query.has(AuthorizationRequest.deniedParameter))
        do {
            try read(query, isPushed: isPushed, into: &request)
        } catch let error as OAuthError {
            throw AuthorizationRefusal(request: request, error: error)
        } catch let error as IdentityError {
            throw AuthorizationRefusal(request: request, error: OAuthError(.invalidScope, error.message))
        }
        return request
    }

    private func read(_ query: QueryItems, isPushed: Bool, into request: inout AuthorizationRequest) throws {
        func invalid(_ message: String) -> OAuthError { OAuthError(.invalidRequest, message) }
        let client = request.client
        guard query["response_mode"].map({ AuthorizationRequest.ResponseMode(rawValue: $0) != nil }) ?? true else {
            throw invalid("response_mode is query or form_post")
        }
        guard let type = query["response_type"] else { throw invalid("response_type is missing") }
        guard type == "code" else {
            throw OAuthError(.unsupportedResponseType, "response_type is 'code', not '\(type.prefix(80))'")
        }
        guard client.grants.contains(.code) else {
            throw OAuthError(.unauthorizedClient, "the client is not registered for authorization_code")
        }
        guard !client.requiresSignedRequests || query.has(AuthorizationRequest.signedParameter) else {
            throw invalid("the client is registered to sign its requests (RFC 9101)")
        }
        guard isPushed || !client.requiresPushedRequests else {
            throw invalid("the client is registered to push its requests (RFC 9126)")
        }
        request.scopes = try granted(query["scope"], to: client)
        request.audiences = try audiences(query.all("resource") + query.all("audience"), of: client)
        request.nonce = try limited(query["nonce"], "nonce")
        request.loginHint = query["login_hint"]
        request.idTokenHint = query["id_token_hint"]
        request.keyThumbprint = try limited(query["dpop_jkt"], "dpop_jkt")
        if let challenge = query["code_challenge"] {
            guard query["code_challenge_method"] == "S256", challenge.utf8.count == 43,
                Base64.decode(challenge)?.count == 32
            else { throw invalid("code_challenge_method is S256, and code_challenge its 43 characters (RFC 7636)") }
            request.challenge = challenge
        } else if client.isPublic {
            throw invalid("a public client sends code_challenge with code_challenge_method=S256 (RFC 7636)")
        }
        request.prompts = Set((query["prompt"] ?? "").split(separator: " ").map(String.init))
        guard request.prompts.isSubset(of: ["none", "login", "consent", "select_account", "create"]),
            !request.prompts.contains("none") || request.prompts.count == 1
        else { throw invalid("prompt is none alone, or of login, consent, select_account") }
        if let text = query["max_age"] {
            guard let age = Int64(text), age >= 0 else { throw invalid("max_age is a number of seconds") }
            request.maxAge = age
            // OpenID Connect Core 1.0 §3.1.2.1: nobody is as fresh as that without another login.
            if age == 0 { request.prompts.insert("login") }
        }
        request.acrValues = (query["acr_values"] ?? "").split(separator: " ").map(String.init)
        if let text = query["claims"] { try readClaims(text, into: &request) }
        request.after = query[AuthorizationRequest.afterParameter].flatMap { Int64($0) }
    }

    /// The parameter `claims` (OpenID Connect Core 1.0 §5.5): which are asked for by name, and whether `acr` has to be
    /// met.
    private func readClaims(_ text: String, into request: inout AuthorizationRequest) throws {
        guard text.utf8.count <= 4096, let claims = try? JSONValue(parsing: text, maximumDepth: 6),
            claims.object != nil
        else { throw OAuthError(.invalidRequest, "'claims' is a JSON object of up to 4 KiB") }
        request.idTokenClaims = claims["id_token"]?.object?.members.map(\.name) ?? []
        request.userinfoClaims = claims["userinfo"]?.object?.members.map(\.name) ?? []
        guard let acr = claims["id_token"]?["acr"], acr.object != nil else { return }
        let values = acr["values"]?.array?.compactMap(\.string) ?? acr["value"]?.string.map { [$0] } ?? []
        if !values.isEmpty { request.acrValues = values }
        request.isAcrEssential = acr["essential"]?.bool ?? false
    }

    private func limited(_ value: String?, _ name: String) throws -> String? {
        guard value?.utf8.count ?? 0 <= 512 else {
            throw OAuthError(.invalidRequest, "'\(name)' is longer than 512 bytes")
        }
        return value
    }

    /// The scopes that a client gets of those that it asks for.
    ///
    /// - Parameter text: nil for all identity scopes that it may have.
    /// - Throws: ``OAuthError`` `.invalidScope` for one that it is not registered for. One that nobody knows is left
    ///   out, as the answer says (RFC 6749 §3.3).
    func granted(_ text: String?, to client: Client) throws -> Scopes {
        let asked: Scopes
        do {
            asked = try Scopes(parsing: text ?? "")
        } catch let error as IdentityError {
            throw OAuthError(.invalidScope, error.message)
        }
        let known = Client.identityScopes + ["wlcg", "wlcg.groups", Scopes.host, Scopes.everything]
        for name in asked.names where !client.scopes.cover(name) {
            let isKnown = known.contains(name) || name.hasPrefix("storage.") || name.hasPrefix("compute.")
            guard !isKnown else {
                throw OAuthError(
                    .invalidScope, "the client '\(client.id)' is not registered for the scope '\(name.prefix(200))'")
            }
        }
        let granted = try client.scopes.covered(of: asked)
        // A capability limits what the token may do, and nothing that is implied takes the limit away.
        return granted.capabilities.isEmpty ? try granted.adding(client.impliedScopes) : granted
    }

    /// The audiences that a client's tokens may have.
    ///
    /// - Throws: ``OAuthError`` `.invalidTarget`.
    func audiences(_ asked: [String], of client: Client) throws -> [String] {
        guard asked.count <= 20 else { throw OAuthError(.invalidTarget, "a token has up to 20 audiences") }
        var unique: [String] = []
        for audience in asked.flatMap({ $0.split(separator: " ").map(String.init) }) where !unique.contains(audience) {
            let isPlain = audience.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } && audience.utf8.count <= 255
            let isKnown =
                tokens.isOwn(audience: audience) || client.audiences.contains("*")
                || client.audiences.contains(audience)
            guard isPlain, isKnown else {
                throw OAuthError(
                    .invalidTarget, "the client '\(client.id)' is not registered for '\(audience.prefix(200))'")
            }
            unique.append(audience)
        }
        return unique
    }
}

/// An authorization request that the application is told was refused.
package struct AuthorizationRefusal: Error, Sendable {
    package var request: AuthorizationRequest
    package var error: OAuthError
}
