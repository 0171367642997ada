import Ciphers
package import JOSE
import Journal
import Synchronization
package import Wire

/// What an access token is to say.
package struct TokenWish: Sendable {
    package var account: Int64
    /// The application that asks (`client_id`).
    package var client: String
    package var scopes: Scopes
    /// Empty for this node alone.
    package var audiences: [String] = []
    package var authentication: Authentication?
    /// Names what the token comes from: all tokens of one grant are taken back together.
    package var grant: String
    /// `wlcg.groups`.
    package var wlcgGroups: [String] = []
    /// Who acts for the account (`act`, RFC 8693 §4.1).
    package var actor: JSONValue?
    /// Who alone may use it: `jkt` or `x5t#S256` with a digest of a key.
    package var binding: (name: String, digest: String)?
    /// `iat`. Set when the wish is made, so that what is reckoned from it still holds when the token is signed.
    package let issued = Timestamp.now.seconds
    package var lifetime: Int64 = TokenAuthority.lifetimeSeconds
    package var algorithm = JWTSigner.Algorithm.es256
    /// What `sub` is, where it is not the account's number.
    package var subject: String?
    /// What `iss` is, where it is not the node's address.
    package var issuer: String?
    /// Further claims.
    package var claims: [(name: String, value: JSONValue)] = []

    package init(account: Int64, client: String, scopes: Scopes, grant: String) {
        self.account = account
        self.client = client
        self.scopes = scopes
        self.grant = grant
    }
}

/// An access token of this node's, whose signature is right.
package struct AccessToken: Sendable {
    package var claims: JSONObject
    package var account: Int64
    package var id: String
    package var client: String
    package var scopes: Scopes
    package var audiences: [String]
    package var expires: Int64
    package var notBefore: Int64
    package var authentication: Authentication?
    package var binding: (name: String, digest: String)?

    /// Whether whoever sends it has shown the key that it is bound to, if it is bound to one.
    package func isHeld(by shown: (name: String, digest: String)?) -> Bool {
        Self.isHeld(binding, by: shown)
    }

    static func isHeld(_ binding: (name: String, digest: String)?, by shown: (name: String, digest: String)?) -> Bool {
        guard let binding else { return true }
        guard let shown, binding.name == shown.name else { return false }
        return constantTimeEquals(Array(binding.digest.utf8), Array(shown.digest.utf8))
    }

    /// Names what it comes from.
    package var grant: String { String(id.prefix { $0 != "." }) }
}

/// Issues and checks the node's tokens: JWTs after RFC 9068 and OpenID Connect. Access tokens are stored nowhere.
package final class TokenAuthority: Sendable {
    /// How long an access token opens things if nothing else is wished: one hour.
    package static let lifetimeSeconds: Int64 = 3600
    /// And at most: six hours.
    package static let lifetimeSecondsMax: Int64 = 6 * 3600
    /// What tokens for every service name as their audience (WLCG §2.1).
    package static let anyAudience = "https://wlcg.cern.ch/jwt/v1/any"
    /// What tokens are bound to: the key of a DPoP proof (RFC 9449 §6.1), a certificate (RFC 8705 §3.1).
    package static let keyBinding = "jkt"
    package static let certificateBinding = "x5t#S256"
    /// The claim with the number of the account, for nobody else to read, where `sub` does not tell it.
    package static let sealedAccount = "martlet_account"
    /// The client that stands for the node's own command line.
    package static let ownClient = "martlet"

    /// `iss`: the address under which clients reach this node.
    package let issuer: String
    package let keys: TokenKeys
    package let proofs: PossessionProofs
    private let identity: Identity
    /// Audiences of tokens that are meant for this node.
    private let audiences: Set<String>
    private let verified = Mutex<[[UInt8]: AccessToken]>([:])

    /// Verified tokens remembered at once: checking an ES256 signature takes 140 µs, looking it up one.
    private static let verifiedMax = 10_000

    /// - Parameter audiences: further addresses of this node.
    package init(identity: Identity, issuer: String, audiences: [String] = []) async throws {
        self.identity = identity
        self.issuer = issuer
        self.audiences = Set([issuer, issuer + "/", Self.anyAudience] + audiences)
        keys = TokenKeys(identity: identity)
        proofs = PossessionProofs(identity: identity)
        _ = try await keys.signer(.es256)
    }

    /// Whether an issuer is this node: by its address, or as software asks for it that knows realms (`/realms/NAME`).
    package func isOwn(issuer other: String) -> Bool {
        guard other.hasPrefix(issuer) else { return false }
        let rest = other.dropFirst(issuer.count).split(separator: "/", omittingEmptySubsequences: false)
        let path = rest.first == "" ? rest.dropFirst() : rest[...]
        if path.isEmpty { return rest.isEmpty || other == issuer }
        let realm = path.first == "auth" ? path.dropFirst() : path
        return rest.first == "" && realm.count == 2 && realm.first == "realms"
            && Self.isRealm(realm.last ?? "")
    }

    /// Realms are other names of the same node: up to 64 letters, digits and `._-`.
    package static func isRealm(_ name: Substring) -> Bool {
        (1...64).contains(name.utf8.count) && name.utf8.allSatisfy { PercentEncoding.isUnreserved($0) && $0 != 0x7E }
    }

    package func isOwn(audience: String) -> Bool { audiences.contains(audience) || isOwn(issuer: audience) }

    // MARK: Issuing

    /// Issues an access token of the node's own client, with all rights of a principal.
    package func issue(to principal: Principal, client: String = ownClient) async throws -> String {
        guard let account = principal.accountID else { throw IdentityError.invalidCredentials }
        return try await issue(
            TokenWish(
                account: account, client: client, scopes: try Scopes([Scopes.everything]), grant: Self.newGrantID()),
            for: principal)
    }

    package static func newGrantID() -> String { Hex.encode(randomBytes(12)) }

    /// Issues an access token (RFC 9068 §2).
    ///
    /// - Parameter principal: the account's, as it is now.
    package func issue(_ wish: TokenWish, for principal: Principal) async throws -> String {
        let signer = try await keys.signer(wish.algorithm)
        let now = wish.issued
        let audiences = wish.audiences.isEmpty ? [issuer] : wish.audiences
        let id = wish.grant + "." + Hex.encode(randomBytes(8))
        var sealed: [UInt8]?
        if wish.subject != nil {
            sealed = try await identity.openSessionKey().seal(
                Array(String(wish.account).utf8), authenticating: Self.authenticated(id))
        }
        let isNamed = wish.subject == nil || wish.scopes.contains("profile")
        var json = JSONWriter(capacity: 1024)
        json.object { json in
            json.member("iss", wish.issuer ?? issuer)
            json.member("sub", wish.subject ?? String(wish.account))
            if let sealed { json.member(Self.sealedAccount, Base64.encodeURL(sealed)) }
            if audiences.count == 1 { json.member("aud", audiences[0]) } else { json.member("aud", audiences) }
            json.member("exp", now + wish.lifetime)
            json.member("iat", now)
            json.member("nbf", now - 60)
            json.member("jti", id)
            json.member("client_id", wish.client)
            json.member("azp", wish.client)
            json.member("scope", wish.scopes.text)
            if isNamed { json.member("preferred_username", principal.name) }
            if wish.scopes.contains("groups") || wish.scopes.contains(Scopes.everything) {
                json.member("groups", principal.groups)
            }
            if !wish.scopes.capabilities.isEmpty || wish.scopes.contains(Scopes.host)
                || wish.scopes.names.contains(where: { $0.hasPrefix("wlcg") })
            {
                json.member("wlcg.ver", "1.0")
                if !wish.wlcgGroups.isEmpty { json.member("wlcg.groups", wish.wlcgGroups) }
            }
            if let authentication = wish.authentication { Self.write(authentication, &json) }
            if let actor = wish.actor { json.member("act", actor) }
            if let binding = wish.binding {
                json.key("cnf")
                json.object { $0.member(binding.name, binding.digest) }
            }
            for claim in wish.claims { json.member(claim.name, claim.value) }
        }
        identity.journal.note(.use(ofKey: "token key \(signer.keyID)", for: "sign at+jwt"))
        return try signer.sign(json.bytes, type: "at+jwt")
    }

    /// Signs another token of the node's: an ID token, a logout token.
    package func sign(_ claims: [UInt8], type: String, _ algorithm: JWTSigner.Algorithm) async throws -> String {
        let signer = try await keys.signer(algorithm)
        identity.journal.note(.use(ofKey: "token key \(signer.keyID)", for: "sign \(type)"))
        return try signer.sign(claims, type: type)
    }

    /// Writes `auth_time`, `acr`, `amr` and `sid`.
    package static func write(_ authentication: Authentication, _ json: inout JSONWriter) {
        json.member("auth_time", authentication.time.seconds)
        json.member("acr", authentication.acr)
        json.member("amr", authentication.factors.map(\.rawValue))
        if let session = authentication.sessionID { json.member("sid", session) }
    }

    // MARK: Checking

    /// The public keys as a JWK set (RFC 7517).
    package func jwks() async throws -> [UInt8] {
        let published = try await keys.published()
        var json = JSONWriter()
        json.object { json in
            json.key("keys")
            json.array { json in for key in published { key.write(&json) } }
        }
        return json.bytes
    }

    /// Proves that a token was signed by this node, whatever it is for and however old it is.
    ///
    /// - Throws: ``IdentityError`` `.invalidToken`.
    package func signed(_ text: String, type: String) async throws -> JSONObject {
        let token = try UnverifiedToken(text)
        guard isOwn(issuer: token.issuer) else {
            throw IdentityError(.otherIssuer, "the token's issuer '\(token.issuer.prefix(200))' is not trusted here")
        }
        guard token.jwt.type == type, let id = token.jwt.keyID,
            let key = try await keys.key(named: id), key.verifies(token.jwt)
        else { throw IdentityError(.invalidToken, "the token is not one of this node's, or was altered") }
        return token.claims
    }

    /// An access token of this node's, whoever it is meant for.
    ///
    /// - Throws: ``IdentityError`` `.invalidToken`, `.expired`.
    package func accessToken(_ text: String) async throws -> AccessToken {
        guard text.utf8.count <= SignedJWT.bytesMax else {
            throw IdentityError(.invalidToken, "the token is longer than 8 KiB")
        }
        let hash = DigestAlgorithm.sha256.hash(Array(text.utf8))
        let token: AccessToken
        if let known = verified.withLock({ $0[hash] }) {
            token = known
        } else {
            token = try await read(try await signed(text, type: "at+jwt"))
            verified.withLock { verified in
                if verified.count >= Self.verifiedMax { verified = [:] }
                verified[hash] = token
            }
        }
        let now = Timestamp.now.seconds
        guard now < token.expires else { throw IdentityError(.expired, "the token has expired") }
        guard now >= token.notBefore - 60 else { throw IdentityError(.invalidToken, "the token is not valid yet") }
        guard try await !identity.isRevoked(token.id) else {
            throw IdentityError(.invalidToken, "the token was revoked")
        }
        return token
    }

    private static func authenticated(_ id: String) -> [UInt8] { Array("token \(id)".utf8) }

    private func account(_ claims: JSONObject, _ id: String) async throws -> Int64? {
        guard let sealed = claims[Self.sealedAccount]?.string.flatMap({ Base64.decode($0) }) else {
            return claims["sub"]?.string.flatMap { Int64($0) }
        }
        let plain = try? await identity.openSessionKey().open(sealed, authenticating: Self.authenticated(id))
        return plain.flatMap { Int64(String(decoding: $0, as: UTF8.self)) }
    }

    private func read(_ claims: JSONObject) async throws -> AccessToken {
        guard let id = claims["jti"]?.string, let account = try await account(claims, id),
            let expires = claims["exp"]?.integer
        else { throw IdentityError(.invalidToken, "the token lacks a claim") }
        let audience = claims["aud"] ?? .null
        var authentication: Authentication?
        if let time = claims["auth_time"]?.integer {
            authentication = Authentication(
                factors: claims["amr"]?.array?.compactMap { AuthenticationFactor(rawValue: $0.string ?? "") } ?? [],
                time: Timestamp(seconds: time), sessionID: claims["sid"]?.string)
        }
        return AccessToken(
            claims: claims, account: account, id: id, client: claims["client_id"]?.string ?? "",
            scopes: try Scopes(parsing: claims["scope"]?.string ?? ""),
            audiences: audience.array?.compactMap(\.string) ?? [audience.string ?? ""], expires: expires,
            notBefore: claims["nbf"]?.integer ?? 0, authentication: authentication,
            binding: claims["cnf"]?.object?.members.first.map { ($0.name, $0.value.string ?? "") })
    }

    /// The principal that a token speaks for on this node. The account is looked at again, so a disabled one's tokens
    /// end with it; what it may do is limited by the token's scopes.
    ///
    /// - Parameter binding: the key that whoever sends the token has proved to have, for a token that is bound to one.
    /// - Throws: ``IdentityError`` `.invalidToken`, `.expired`, `.disabled`; `.otherIssuer` for a token that is none of
    ///   this node's.
    package func principal(token text: String, binding: (name: String, digest: String)? = nil) async throws -> Principal
    {
        let token = try await accessToken(text)
        guard token.audiences.contains(where: isOwn(audience:)) else {
            throw IdentityError(.invalidToken, "the token is meant for another audience than \(issuer)")
        }
        guard token.isHeld(by: binding) else {
            throw IdentityError(.invalidToken, "the token is bound to a key that its sender has not shown")
        }
        var principal = try await identity.principal(account: token.account, method: .token)
        principal.authentication = token.authentication
        principal.client = token.client
        principal.scopes = token.scopes
        return principal
    }
}
