import JWTKit
import Wire

/// Fetches a document of at most so many bytes by HTTP GET, without following redirects.
package typealias DocumentFetch = @Sendable (_ url: String, _ bytesMax: Int) async throws -> [UInt8]

/// The public keys of trusted issuers, fetched where their discovery document says (OpenID Connect Discovery 1.0) and
/// remembered.
actor IssuerKeys {
    /// Bytes of a document, and keys in a set, that are taken at most.
    private static let documentBytesMax = 256 << 10
    private static let keysMax = 100
    /// Keys are fetched again after an hour; where that fails they serve for a day.
    private static let freshSeconds: Int64 = 3600
    private static let staleSeconds: Int64 = 86_400
    /// An issuer is asked again for a key that it did not have, or because it did not answer, after so long.
    private static let againSeconds: Int64 = 30

    private struct Known {
        var keys: [JSONValue] = []
        var fetched: Int64 = 0
        var asked: Int64 = 0
    }

    private let fetch: DocumentFetch
    private var known: [String: Known] = [:]
    private var running: [String: Task<[JSONValue], any Error>] = [:]

    init(fetch: @escaping DocumentFetch) { self.fetch = fetch }

    /// Proves that an issuer signed a token.
    ///
    /// - Throws: ``IdentityError`` `.invalidToken`, or `.unreachable` where the issuer's keys cannot be had.
    func verify(_ token: UnverifiedToken, issuer: String) async throws {
        var candidates = Self.fitting(try await keys(of: issuer, isKeyMissing: false), token)
        if candidates.isEmpty { candidates = Self.fitting(try await keys(of: issuer, isKeyMissing: true), token) }
        for key in candidates.prefix(8) where try await Self.verifies(token, key) { return }
        throw IdentityError(
            .invalidToken,
            candidates.isEmpty
                ? "the issuer has no key of that name for the token's algorithm"
                : "the token's signature is not that of its issuer")
    }

    // MARK: Fetching

    private func keys(of issuer: String, isKeyMissing: Bool) async throws -> [JSONValue] {
        let now = Timestamp.now.seconds
        let entry = known[issuer] ?? Known()
        let mayAsk = now - entry.asked >= Self.againSeconds
        if !entry.keys.isEmpty, !mayAsk || (!isKeyMissing && now - entry.fetched < Self.freshSeconds) {
            return entry.keys
        }
        guard mayAsk || running[issuer] != nil else { throw Self.unreachable(issuer) }
        let task = running[issuer] ?? Task { [fetch] in try await Self.fetchKeys(of: issuer, fetch) }
        running[issuer] = task
        let result = await task.result
        running[issuer] = nil
        known[issuer, default: Known()].asked = Timestamp.now.seconds
        switch result {
        case .success(let keys):
            known[issuer] = Known(keys: keys, fetched: now, asked: Timestamp.now.seconds)
            return keys
        case .failure:
            guard !entry.keys.isEmpty, now - entry.fetched < Self.staleSeconds else { throw Self.unreachable(issuer) }
            return entry.keys
        }
    }

    private static func unreachable(_ issuer: String) -> IdentityError {
        IdentityError(.unreachable, "the keys of the issuer '\(issuer)' cannot be fetched at the moment")
    }

    private static func fetchKeys(of issuer: String, _ fetch: DocumentFetch) async throws -> [JSONValue] {
        let address = issuer + "/.well-known/openid-configuration"
        let discovery = try JSONValue(parsing: try await fetch(address, documentBytesMax), maximumDepth: 8)
        let named = discovery["issuer"]?.string ?? ""
        guard named == issuer || named == issuer + "/", let address = discovery["jwks_uri"]?.string,
            address.hasPrefix("https://") || (Identity.isLoopback(issuer) && Identity.isLoopback(address))
        else { throw unreachable(issuer) }
        let set = try JSONValue(parsing: try await fetch(address, documentBytesMax), maximumDepth: 8)
        guard let keys = set["keys"]?.array, keys.count <= keysMax else { throw unreachable(issuer) }
        return keys
    }

    // MARK: Keys

    /// Algorithms that are taken, with the kind of key and the curve that each needs. None of them is symmetric: what
    /// is public must not be able to sign.
    private static let algorithms: [String: (type: String, curve: String?)] = [
        "RS256": ("RSA", nil), "RS384": ("RSA", nil), "RS512": ("RSA", nil),
        "PS256": ("RSA", nil), "PS384": ("RSA", nil), "PS512": ("RSA", nil),
        "ES256": ("EC", "P-256"), "ES384": ("EC", "P-384"), "ES512": ("EC", "P-521"),
        "EdDSA": ("OKP", "Ed25519"),
    ]

    private static func fitting(_ keys: [JSONValue], _ token: UnverifiedToken) -> [JSONValue] {
        guard let wanted = algorithms[token.algorithm] else { return [] }
        return keys.filter { key in
            guard key["kty"]?.string == wanted.type, key["use"]?.string ?? "sig" == "sig",
                wanted.curve == nil || key["crv"]?.string == wanted.curve,
                key["alg"]?.string ?? token.algorithm == token.algorithm
            else { return false }
            return token.keyID == nil || key["kid"]?.string == token.keyID
        }
    }

    private static func verifies(_ token: UnverifiedToken, _ key: JSONValue) async throws -> Bool {
        guard let algorithm = JWK.Algorithm(rawValue: token.algorithm) else { return false }
        let name = JWKIdentifier(string: token.keyID ?? "")
        let jwk: JWK
        switch key["kty"]?.string {
        case "RSA":
            // 2048 to 8192 bits: shorter ones prove little, longer ones take long.
            guard let modulus = key["n"]?.string, (256...1024).contains(Base64.decode(modulus)?.count ?? 0) else {
                return false
            }
            jwk = .rsa(algorithm, identifier: name, modulus: modulus, exponent: key["e"]?.string)
        case "EC":
            jwk = .ecdsa(
                algorithm, identifier: name, x: key["x"]?.string, y: key["y"]?.string,
                curve: key["crv"]?.string.flatMap { ECDSACurve(rawValue: $0) })
        case "OKP":
            jwk = .octetKeyPair(algorithm, identifier: name, x: key["x"]?.string, y: nil, curve: .ed25519)
        default: return false
        }
        do {
            let keys = JWTKeyCollection()
            try await keys.add(jwk: jwk, isDefault: true)
            _ = try await keys.verify(token.text, as: Unread.self)
            return true
        } catch {
            return false
        }
    }

    /// The claims are read elsewhere.
    private struct Unread: JWTPayload {
        func verify(using algorithm: some JWTAlgorithm) async throws {}
    }
}
