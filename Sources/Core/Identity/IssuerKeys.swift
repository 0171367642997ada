import JOSE
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
        var keys: [JWK] = []
        var fetched: Int64 = 0
        var asked: Int64 = 0
    }

    private let fetch: DocumentFetch
    private var known: [String: Known] = [:]
    private var running: [String: Task<[JWK], any Error>] = [:]

    init(fetch: @escaping DocumentFetch) { self.fetch = fetch }

    /// Proves that an issuer signed a token.
    ///
    /// - Throws: ``IdentityError`` `.invalidToken`, or `.unreachable` where the issuer's keys cannot be had.
    func verify(_ token: UnverifiedToken, issuer: String) async throws {
        var candidates = try await keys(of: issuer, isKeyMissing: false).filter { $0.fits(token.jwt) }
        if candidates.isEmpty {
            candidates = try await keys(of: issuer, isKeyMissing: true).filter { $0.fits(token.jwt) }
        }
        guard !candidates.prefix(8).contains(where: { $0.verifies(token.jwt) }) else { return }
        throw IdentityError(
            .invalidToken,
            candidates.isEmpty
                ? "the issuer has no key of that name for the token's algorithm"
                : "the token's signature is not that of its issuer")
    }

    // MARK: Fetching

    private func keys(of issuer: String, isKeyMissing: Bool) async throws -> [JWK] {
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

    private static func fetchKeys(of issuer: String, _ fetch: DocumentFetch) async throws -> [JWK] {
        let address = issuer + "/.well-known/openid-configuration"
        let discovery = try JSONValue(parsing: try await fetch(address, documentBytesMax), maximumDepth: 8)
        let named = discovery["issuer"]?.string ?? ""
        guard named == issuer || named == issuer + "/", let address = discovery["jwks_uri"]?.string,
            address.hasPrefix("https://") || (Identity.isLoopback(issuer) && Identity.isLoopback(address))
        else { throw unreachable(issuer) }
        let set = try JSONValue(parsing: try await fetch(address, documentBytesMax), maximumDepth: 8)
        guard let keys = set["keys"]?.array, keys.count <= keysMax else { throw unreachable(issuer) }
        // Keys of kinds that are not known here are somebody else's.
        return keys.compactMap { try? JWK($0) }
    }
}
