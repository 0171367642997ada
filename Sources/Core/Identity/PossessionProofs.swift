import Ciphers
import JOSE
import Synchronization
import Wire

/// Proof of possession (DPoP, RFC 9449): a JWT with which a client shows, for one request, that it holds a key.
package final class PossessionProofs: Sendable {
    /// A proof counts so long after it was made, and once.
    private static let proofSeconds: Int64 = 60
    /// A nonce counts for this interval and the one before it.
    private static let nonceSeconds: Int64 = 300

    /// A proof has to name a nonce of ours, or another one than it does.
    package struct NonceNeeded: Error, Sendable {
        package var nonce: String
    }

    private let identity: Identity
    private let seen = RecentNames()
    private let nonceKey = Mutex<[UInt8]?>(nil)

    init(identity: Identity) { self.identity = identity }

    /// The nonce to use now. It is derived from the time, so that all nodes know it and none keeps any.
    private func nonce(_ offset: Int64 = 0) async throws -> String {
        let interval = Timestamp.now.seconds / Self.nonceSeconds - offset
        let key = try await identity.derivingKey("dpop-nonces", nonceKey)
        return Base64.encodeURL(Array(hmacSHA256(key: key, Array("nonce \(interval)".utf8)).prefix(16)))
    }

    /// Checks a proof for a request.
    ///
    /// - Parameters:
    ///   - url: the request's address without query, as the client knows it.
    ///   - token: the access token that comes with it, if one does.
    ///   - needsNonce: whether it has to name our nonce; without one a proof counts by its time.
    /// - Returns: the thumbprint of its key.
    /// - Throws: ``IdentityError`` `.invalidToken`, ``NonceNeeded``.
    package func check(
        _ text: String, method: String, url: String, token: String?, needsNonce: Bool
    ) async throws -> String {
        func invalid(_ message: String) -> IdentityError { IdentityError(.invalidToken, message) }
        guard let proof = try? SignedJWT(parsing: text), proof.type == "dpop+jwt", let json = proof.header["jwk"],
            let key = try? JWK(json), key.verifies(proof)
        else { throw invalid("the DPoP proof is no JWT of type dpop+jwt that is signed with its own key") }
        guard proof.claims["htm"]?.string == method, let address = proof.claims["htu"]?.string,
            Self.normalized(address) == Self.normalized(url)
        else { throw invalid("the DPoP proof is for another request") }
        guard let id = proof.claims["jti"]?.string, (1...256).contains(id.utf8.count),
            let made = proof.claims["iat"]?.integer
        else { throw invalid("the DPoP proof lacks jti or iat") }
        let now = Timestamp.now.seconds
        if let nonce = proof.claims["nonce"]?.string {
            let (current, last) = (try await self.nonce(), try await self.nonce(1))
            guard nonce == current || nonce == last else { throw NonceNeeded(nonce: current) }
        } else if needsNonce {
            throw NonceNeeded(nonce: try await nonce())
        }
        guard abs(now - made) <= Self.proofSeconds + (proof.claims["nonce"] == nil ? 0 : Self.nonceSeconds) else {
            throw invalid("the DPoP proof was not made now")
        }
        if let token {
            let digest = Base64.encodeURL(DigestAlgorithm.sha256.hash(Array(token.utf8)))
            guard proof.claims["ath"]?.string == digest else { throw invalid("the DPoP proof is for another token") }
        }
        guard seen.note("proof \(key.thumbprint) \(id)", seconds: 2 * Self.nonceSeconds + 2 * Self.proofSeconds)
        else { throw invalid("the DPoP proof came before") }
        return key.thumbprint
    }

    /// Without query and fragment; the host's case does not count (RFC 9449 §4.3). Nor does the scheme: behind a proxy
    /// that ends TLS we do not know it.
    private static func normalized(_ url: String) -> String {
        let plain = url.prefix { $0 != "?" && $0 != "#" }
        let parts = plain.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 4 else { return plain.lowercased() }
        return parts[2].lowercased() + "/" + parts[3]
    }
}
