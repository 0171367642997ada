import Ciphers
package import Identity
import JOSE
import Wire

extension OpenIDProvider {
    private static let idTokenSeconds: Int64 = 3600

    /// An ID token (OpenID Connect Core 1.0 §2).
    func idToken(
        for account: Account, groups: [String], client: Client, _ content: GrantContent, accessToken: String
    ) async throws -> String {
        let now = Timestamp.now.seconds
        let subject = try await subject(of: account.id, for: client)
        var json = JSONWriter(capacity: 1024)
        json.object { json in
            json.member("iss", content.issuer ?? tokens.issuer)
            json.member("sub", subject)
            json.member("aud", client.id)
            json.member("azp", client.id)
            json.member("exp", now + Self.idTokenSeconds)
            json.member("iat", now)
            json.member("jti", Hex.encode(randomBytes(12)))
            if let nonce = content.nonce { json.member("nonce", nonce) }
            if let authentication = content.authentication { TokenAuthority.write(authentication, &json) }
            let digest = DigestAlgorithm.sha256.hash(Array(accessToken.utf8))
            json.member("at_hash", Base64.encodeURL(Array(digest.prefix(16))))
            Self.write(account, groups, content.scopes, content.idTokenClaims, &json)
        }
        return try await tokens.sign(json.bytes, type: "JWT", client.idTokenAlgorithm)
    }

    /// Writes what scopes, or names of claims, ask for of an account (OpenID Connect Core 1.0 §5.4).
    private static func write(
        _ account: Account, _ groups: [String], _ scopes: Scopes, _ claims: [String], _ json: inout JSONWriter
    ) {
        func has(_ scope: String, _ name: String) -> Bool { scopes.contains(scope) || claims.contains(name) }
        if has("profile", "preferred_username") { json.member("preferred_username", account.name) }
        if has("profile", "name") {
            json.member("name", account.displayName.isEmpty ? account.name : account.displayName)
        }
        if has("profile", "updated_at") { json.member("updated_at", account.changed.seconds) }
        if !account.email.isEmpty, has("email", "email") {
            json.member("email", account.email)
            json.member("email_verified", true)
        }
        if has("groups", "groups") { json.member("groups", groups) }
    }

    /// What userinfo answers to a token.
    ///
    /// - Throws: ``OAuthError`` `.insufficientScope` for a token without `openid`.
    package func userinfo(_ token: AccessToken) async throws -> [UInt8] {
        let isOwn = token.scopes.contains(Scopes.everything)
        guard isOwn || token.scopes.contains("openid") else {
            throw OAuthError(.insufficientScope, "the token lacks the scope 'openid'")
        }
        let principal = try await identity.principal(ofAccount: token.account)
        let account = try await identity.account(principal.name)
        let scopes = isOwn ? try token.scopes.adding(Scopes(Client.identityScopes)) : token.scopes
        let claims = token.claims["userinfo"]?.array?.compactMap(\.string) ?? []
        var json = JSONWriter()
        json.object { json in
            json.member("sub", token.claims["sub"]?.string ?? String(account.id))
            Self.write(account, principal.groups, scopes, claims, &json)
        }
        return json.bytes
    }
}
