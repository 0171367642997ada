import Identity
package import Journal
import Wire

extension EventKind {
    package static let tokenExchanged = EventKind("token.exchanged")
}

extension OpenIDProvider {
    private static let accessTokenType = "urn:ietf:params:oauth:token-type:access_token"
    private static let jwtType = "urn:ietf:params:oauth:token-type:jwt"
    /// Services that a token may go through.
    private static let actorsMax = 8

    /// Another token for the same account, with fewer rights, for who acts for it (RFC 8693).
    ///
    /// - Throws: ``OAuthError`` `.invalidRequest`, `.invalidScope`, `.invalidTarget`.
    func exchange(_ request: TokenRequest) async throws -> TokenAnswer {
        let client = request.client
        let subject = try await presented("subject_token", request)
        if let wanted = request.form["requested_token_type"], wanted != Self.accessTokenType, wanted != Self.jwtType {
            throw OAuthError(.invalidRequest, "requested_token_type is \(Self.accessTokenType)")
        }
        // A client that can keep no secret makes less of its own tokens, and nothing of others'.
        guard !client.isPublic || subject.client == client.id else {
            throw OAuthError(.unauthorizedClient, "a public client exchanges its own tokens only")
        }
        if let bound = subject.binding, !request.holds(bound) {
            throw OAuthError(.invalidRequest, "subject_token is bound to a key that its sender has not shown")
        }
        let scopes: Scopes
        if let text = request.form["scope"] {
            do { scopes = try Scopes(parsing: text) } catch let error as IdentityError {
                throw OAuthError(.invalidScope, error.message)
            }
        } else {
            scopes = subject.scopes
        }
        for name in scopes.names where !subject.scopes.cover(name) {
            throw OAuthError(.invalidScope, "subject_token does not have the scope '\(name.prefix(200))'")
        }
        let audiences = try exchanged(request.audiences, from: subject.audiences, client)
        let actor = try await actor(of: request, subject)
        let principal = try await identity.principal(ofAccount: subject.account)
        var wish = TokenWish(
            account: subject.account, client: client.id, scopes: scopes, grant: subject.grant)
        wish.audiences = audiences
        wish.authentication = subject.authentication
        wish.actor = actor
        // Bound it stays: to its key, where the client's own tokens are bound to nothing.
        wish.binding = request.binding ?? subject.binding
        wish.subject = try await pairwiseSubject(of: subject.account, for: client)
        wish.algorithm = client.accessTokenAlgorithm
        wish.issuer = request.issuer == tokens.issuer ? nil : request.issuer
        wish.wlcgGroups = try await wlcgGroups(scopes, principal)
        wish.lifetime = min(TokenAuthority.lifetimeSeconds, subject.expires - wish.issued)
        try await journal.write { _, events in
            events.record(.tokenExchanged, by: client.id, on: principal.name) {
                $0.member("grant", subject.grant)
                $0.member("scope", scopes.text)
                $0.member("audience", audiences)
            }
        }
        var answer = TokenAnswer(
            accessToken: try await tokens.issue(wish, for: principal), expiresIn: wish.lifetime, scopes: scopes,
            isDPoP: wish.binding?.name == TokenAuthority.keyBinding)
        answer.issuedType = Self.accessTokenType
        return answer
    }

    private func presented(_ name: String, _ request: TokenRequest) async throws -> AccessToken {
        let text = try request.required(name)
        let type = try request.required(name + "_type")
        guard type == Self.accessTokenType || type == Self.jwtType else {
            throw OAuthError(.invalidRequest, "'\(name)_type' is \(Self.accessTokenType)")
        }
        do {
            return try await tokens.accessToken(text)
        } catch let error as IdentityError {
            throw OAuthError(.invalidRequest, "'\(name)': \(error.message)")
        }
    }

    /// The audiences of the subject's token, or fewer. A token for this node can be made one for another service that
    /// the client is registered for.
    private func exchanged(_ asked: [String], from subject: [String], _ client: Client) throws -> [String] {
        guard !asked.isEmpty else { return subject }
        let isForNode = subject.contains(where: tokens.isOwn(audience:))
        for audience in asked where !subject.contains(audience) && !subject.contains(TokenAuthority.anyAudience) {
            guard isForNode else {
                throw OAuthError(.invalidTarget, "subject_token is not meant for '\(audience.prefix(200))'")
            }
        }
        return try audiences(asked, of: client)
    }

    /// `act`: the client, or whom the actor's token speaks for, and who acted before.
    private func actor(of request: TokenRequest, _ subject: AccessToken) async throws -> JSONValue {
        var actor = JSONObject([.init(name: "sub", value: .string(request.client.id))])
        if request.form["actor_token"] != nil {
            let token = try await presented("actor_token", request)
            guard token.client == request.client.id else {
                throw OAuthError(.invalidRequest, "'actor_token' is not the client's")
            }
            actor = JSONObject([
                .init(name: "sub", value: .string(String(token.account))),
                .init(name: "client_id", value: .string(request.client.id)),
            ])
        } else if request.form["actor_token_type"] != nil {
            throw OAuthError(.invalidRequest, "'actor_token_type' comes without 'actor_token'")
        }
        if let before = subject.claims["act"] {
            var depth = 1
            var inner = before["act"]
            while let next = inner {
                depth += 1
                inner = next["act"]
            }
            guard depth < Self.actorsMax else {
                throw OAuthError(.invalidRequest, "the token went through \(depth) services already")
            }
            actor["act"] = before
        }
        return .object(actor)
    }
}
