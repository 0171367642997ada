import JOSE
import Wire

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
    /// What a token of this node's own may do.
    package var scopes: Scopes?

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

    /// The name in the journal.
    package var name: String { "\(issuer.name):\(subject.prefix(200))" }
}

/// Checks tokens of this node and of the issuers that it trusts.
package final class WebIdentities: Sendable {
    private let identity: Identity
    private let tokens: TokenAuthority
    private let keys: IssuerKeys

    package init(identity: Identity, tokens: TokenAuthority, fetch: @escaping DocumentFetch) {
        self.identity = identity
        self.tokens = tokens
        keys = IssuerKeys(fetch: fetch)
    }

    /// - Throws: ``IdentityError`` `.invalidToken` (also for a wrong audience and an issuer that is not trusted),
    ///   `.expired`, `.disabled`, `.unreachable`.
    package func verify(_ text: String) async throws -> WebIdentity {
        let token = try UnverifiedToken(text)
        guard !tokens.isOwn(issuer: token.issuer) else { return try await own(token) }
        guard let issuer = try await identity.issuers().first(where: { $0.url == token.issuer }) else {
            throw IdentityError(.invalidToken, "the token's issuer '\(token.issuer.prefix(200))' is not trusted here")
        }
        try token.checkTime(now: Timestamp.now.seconds)
        guard let audience = token.audiences.first(where: { issuer.audiences.contains($0) }) else {
            throw IdentityError(.invalidToken, "the token is meant for another audience than this node's")
        }
        guard let subject = token.claims["sub"]?.string, !subject.isEmpty else {
            throw IdentityError(.invalidToken, "the token has no subject")
        }
        try await keys.verify(token, issuer: issuer.url)
        return WebIdentity(
            issuer: issuer, subject: subject, audience: audience, account: nil, claims: Self.claims(token))
    }

    /// Of this node's own tokens the account is what counts: it may be disabled, its groups may have changed.
    private func own(_ token: UnverifiedToken) async throws -> WebIdentity {
        let principal = try await tokens.principal(token: token.jwt.text)
        var claims = Self.claims(token)
        claims["preferred_username"] = [principal.name]
        claims["groups"] = principal.groups
        return WebIdentity(
            issuer: Issuer(url: tokens.issuer, audiences: [tokens.issuer], created: .now),
            subject: token.claims["sub"]?.string ?? "", audience: tokens.issuer, account: principal.accountID,
            claims: claims, scopes: principal.scopes)
    }

    private static func claims(_ token: UnverifiedToken) -> [String: [String]] {
        Dictionary(token.flatClaims.map { ($0.name, $0.values) }, uniquingKeysWith: { a, _ in a })
    }
}
