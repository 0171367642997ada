import Ciphers
import Crypto
import JWTKit
import Synchronization
import Wire

/// Issues and checks the node's access tokens: JWTs after RFC 9068, signed with ES256.
package final class TokenAuthority: Sendable {
    /// How long an access token opens things: one hour.
    package static let lifetimeSeconds: Int64 = 3600

    /// `iss`: the address under which clients reach this node.
    package let issuer: String
    private let identity: Identity
    private let keyID: String
    private let keys: JWTKeyCollection
    private let publicKey: [UInt8]
    private let verified = Mutex<[[UInt8]: Claims]>([:])

    /// Verified tokens remembered at once: checking an ES256 signature takes 140 µs, looking it up one.
    private static let verifiedMax = 10_000

    package init(identity: Identity, issuer: String) async throws {
        self.identity = identity
        self.issuer = issuer
        let stored = try await identity.nodeKey("tokens") {
            (Array(P256.Signing.PrivateKey().rawRepresentation), nil)
        }
        let key = try P256.Signing.PrivateKey(rawRepresentation: stored.key)
        publicKey = Array(key.publicKey.x963Representation.dropFirst())
        keyID = Hex.encode(DigestAlgorithm.sha256.hash(publicKey).prefix(8))
        keys = JWTKeyCollection()
        await keys.add(ecdsa: try ES256PrivateKey(backing: key), kid: JWKIdentifier(string: keyID))
    }

    /// The public keys as a JWK set (RFC 7517).
    package var jwks: [UInt8] {
        var json = JSONWriter()
        json.object {
            $0.key("keys")
            $0.array {
                $0.object {
                    $0.member("kty", "EC")
                    $0.member("crv", "P-256")
                    $0.member("use", "sig")
                    $0.member("alg", "ES256")
                    $0.member("kid", keyID)
                    $0.member("x", Base64.encodeURL(Array(publicKey.prefix(32))))
                    $0.member("y", Base64.encodeURL(Array(publicKey.suffix(32))))
                }
            }
        }
        return json.bytes
    }

    /// Issues an access token for a principal.
    package func issue(to principal: Principal, client: String) async throws -> String {
        guard let account = principal.accountID else { throw IdentityError.invalidCredentials }
        let now = Timestamp.now.seconds
        let claims = Claims(
            iss: issuer, sub: String(account), aud: issuer, exp: now + Self.lifetimeSeconds, iat: now, nbf: now - 5,
            jti: Hex.encode(randomBytes(16)), client_id: client, preferred_username: principal.name,
            groups: principal.groups)
        return try await keys.sign(claims, kid: JWKIdentifier(string: keyID), header: ["typ": "at+jwt"])
    }

    /// The principal that a token speaks for. The account is looked at again, so a disabled one's tokens end with it.
    ///
    /// - Throws: ``IdentityError`` `.invalidToken`, `.expired`, `.disabled`.
    package func principal(token: String) async throws -> Principal {
        guard token.utf8.count <= 8192 else { throw IdentityError(.invalidToken, "the token is longer than 8 KiB") }
        let hash = DigestAlgorithm.sha256.hash(Array(token.utf8))
        let claims: Claims
        if let known = verified.withLock({ $0[hash] }) {
            claims = known
        } else {
            do {
                claims = try await keys.verify(token, as: Claims.self)
            } catch {
                throw IdentityError(.invalidToken, "the token is not one of this node's, or was altered")
            }
            guard try Self.headerType(of: token) == "at+jwt", claims.iss == issuer || claims.aud == issuer else {
                throw IdentityError(.invalidToken, "the token is not an access token of \(issuer)")
            }
            verified.withLock { verified in
                if verified.count >= Self.verifiedMax { verified = [:] }
                verified[hash] = claims
            }
        }
        let now = Timestamp.now.seconds
        guard now < claims.exp else { throw IdentityError(.expired, "the token has expired") }
        guard now >= claims.nbf - 60, let account = Int64(claims.sub) else {
            throw IdentityError(.invalidToken, "the token is not valid yet")
        }
        return try await identity.principal(account: account, method: .token)
    }

    private static func headerType(of token: String) throws -> String? {
        guard let first = token.split(separator: ".").first, let bytes = Base64.decode(first) else { return nil }
        return try JSONValue(parsing: bytes, maximumDepth: 4)["typ"]?.string
    }

    // The claims have their registered names.
    private struct Claims: JWTPayload {
        var iss: String
        var sub: String
        var aud: String
        var exp: Int64
        var iat: Int64
        var nbf: Int64
        var jti: String
        var client_id: String
        var preferred_username: String
        var groups: [String]

        func verify(using algorithm: some JWTAlgorithm) async throws {}
    }
}
