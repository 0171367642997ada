import JOSE
package import Wire

/// Whom a token of an OpenID provider speaks for.
package struct WebIdentity: Sendable {
    package var issuer: Issuer
    package var subject: String
    /// The audience by which the token was taken.
    package var audience: String
    /// The account here, for a token of this node's own.
    package var account: Int64?
    /// The claims that policies can ask about.
    package var claims: [String: [String]]
    /// What the token itself may do: of this node's own all that its scopes say; of others their capabilities, where
    /// they have some. Nil for no limit.
    package var scopes: Scopes?
    /// When the token ends.
    package var expires: Timestamp
    /// `jti` of a token of this node's own: what it opened is taken back with it.
    package var tokenID: String?
    /// Whether it is a job's, so that nothing of it lasts longer than it does.
    package var isJobs = false
    /// Who alone may show it; see ``TokenWish/binding``.
    package var binding: (name: String, digest: String)?

    /// The names by which a trust policy can speak of the issuer.
    package var federatedNames: [String] { [issuer.arn, issuer.url, issuer.name] }

    /// What a trust policy can ask about: each claim as `jwt:NAME` and, as AWS has it, as `ISSUER:NAME`, the issuer
    /// with or without the address's scheme.
    package var conditionKeys: [String: [String]] {
        var keys: [String: [String]] = [:]
        for (name, values) in claims {
            keys["jwt:" + name] = values
            // `idp:443` is another issuer than `idp`; no claim of the one reads as one of the other.
            guard !name.contains(":") else { continue }
            keys["\(issuer.name):\(name)"] = values
            keys["\(issuer.url):\(name)"] = values
        }
        return keys
    }

    /// What the policies of a session can ask about. There `jwt:` always stands for identities of this node: nobody
    /// gets into `home/${jwt:preferred_username}` by being called so elsewhere.
    package var sessionKeys: [String: [String]] {
        var keys: [String: [String]] = [:]
        for (name, values) in claims {
            if account != nil { keys["jwt:" + name] = values }
            if !name.contains(":") { keys["\(issuer.name):\(name)"] = values }
        }
        return keys
    }

    /// Whether whoever shows the token has shown the key that it is bound to, if it is bound to one.
    package func isHeld(by shown: (name: String, digest: String)?) -> Bool { AccessToken.isHeld(binding, by: shown) }

    /// The name in the journal.
    package var name: String { "\(issuer.name):\(subject.prefix(200))" }
}

extension Principal {
    /// Whom a token of another issuer speaks for, in a role, for as long as the token counts.
    package static func bearer(of web: WebIdentity, in role: Role, session: String) -> Principal {
        Principal(
            accountID: nil, name: "\(role.name)/\(session)", kind: .software, groups: [], method: .token,
            accessKeyID: nil,
            session: TemporarySession(
                role: TemporarySession.AssumedRole(id: role.id, name: role.name), account: nil, name: session,
                issued: .now, expires: web.expires, policy: nil, claims: web.sessionKeys, token: "",
                issuer: web.issuer.url),
            scopes: web.scopes)
    }
}

/// Checks tokens of this node and of the issuers that it trusts.
package final class WebIdentities: Sendable {
    private let identity: Identity
    private let tokens: TokenAuthority
    private let keys: RemoteKeys

    package init(identity: Identity, tokens: TokenAuthority, fetch: @escaping DocumentFetch) {
        self.identity = identity
        self.tokens = tokens
        keys = RemoteKeys.ofIssuers(fetch)
    }

    /// - Throws: ``IdentityError`` `.invalidToken` (also for a wrong audience and an issuer that is not trusted),
    ///   `.expired`, `.disabled`, `.unreachable`.
    package func verify(_ text: String) async throws -> WebIdentity {
        let token = try UnverifiedToken(text)
        guard !tokens.isOwn(issuer: token.issuer) else { return try await own(token) }
        guard let issuer = try await identity.issuers().first(where: { $0.url == token.issuer }) else {
            throw IdentityError(.invalidToken, "the token's issuer '\(token.issuer.prefix(200))' is not trusted here")
        }
        guard [nil, "jwt", "at+jwt"].contains(token.jwt.type) else {
            throw IdentityError(
                .invalidToken, "a token of the type '\(token.jwt.type?.prefix(80) ?? "")' opens nothing")
        }
        try token.checkTime(now: Timestamp.now.seconds)
        guard let audience = token.audiences.first(where: { issuer.audiences.contains($0) }) else {
            throw IdentityError(.invalidToken, "the token is meant for another audience than this node's")
        }
        guard let subject = token.claims["sub"]?.string, !subject.isEmpty else {
            throw IdentityError(.invalidToken, "the token has no subject")
        }
        try await keys.verify(token.jwt, by: issuer.url)
        return WebIdentity(
            issuer: issuer, subject: subject, audience: audience, account: nil, claims: Self.claims(token),
            scopes: try Self.capabilities(token, below: issuer.path), expires: token.expires, binding: token.binding)
    }

    /// The capabilities of a token (WLCG Common JWT Profiles 1.3 §4.1), below what its issuer has here; nil where it
    /// has none. Whatever else an issuer calls a scope means nothing here.
    private static func capabilities(_ token: UnverifiedToken, below path: String) throws -> Scopes? {
        let texts = (token.claims["scope"] ?? token.claims["scp"]).map { $0.array ?? [$0] } ?? []
        let names = texts.compactMap(\.string).flatMap { $0.split(separator: " ").map(String.init) }
            .filter { $0.hasPrefix("storage.") || $0.hasPrefix("compute.") }
        guard !names.isEmpty else { return nil }
        do {
            // As it stands first: a path that is not normalized is refused and not joined.
            let scopes = try Scopes(names)
            guard path != "/" else { return scopes }
            return try Scopes(
                scopes.names.map { name in
                    guard let colon = name.firstIndex(of: ":") else { return name }
                    let rest = name[name.index(after: colon)...]
                    return name[...colon] + path + (rest == "/" ? "" : rest)
                })
        } catch let error as IdentityError {
            throw IdentityError(.invalidToken, error.message)
        }
    }

    /// Of this node's own tokens the account is what counts: it may be disabled, its groups may have changed.
    private func own(_ token: UnverifiedToken) async throws -> WebIdentity {
        let principal = try await tokens.principal(token: token.jwt.text)
        var claims = Self.claims(token)
        claims["preferred_username"] = [principal.name]
        claims["groups"] = principal.groups
        claims["sub"] = principal.accountID.map { [String($0)] }
        return WebIdentity(
            issuer: Issuer(url: tokens.issuer, audiences: [tokens.issuer], created: .now),
            subject: claims["sub"]?.first ?? "", audience: tokens.issuer, account: principal.accountID,
            claims: claims, scopes: principal.scopes, expires: token.expires, tokenID: token.claims["jti"]?.string,
            isJobs: token.claims["job_id"] != nil)
    }

    private static func claims(_ token: UnverifiedToken) -> [String: [String]] {
        Dictionary(token.flatClaims.map { ($0.name, $0.values) }, uniquingKeysWith: { a, _ in a })
    }
}
