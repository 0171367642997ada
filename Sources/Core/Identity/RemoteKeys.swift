package import JOSE
import Wire

/// Fetches a document of at most so many bytes by HTTP GET, without following redirects.
package typealias DocumentFetch = @Sendable (_ url: String, _ bytesMax: Int) async throws -> [UInt8]

/// Public keys that others publish, fetched when they are needed and remembered.
package actor RemoteKeys {
    /// Bytes of a document, and keys in a set, that are taken at most.
    private static let documentBytesMax = 256 << 10
    private static let keysMax = 100
    /// Places whose keys are remembered at once.
    private static let placesMax = 1000
    /// Keys are fetched again after an hour; where that fails they serve for a day.
    private static let freshSeconds: Int64 = 3600
    private static let staleSeconds: Int64 = 86_400
    /// A place is asked again for a key that it did not have, or because it did not answer, after so long.
    private static let againSeconds: Int64 = 30

    private struct Known {
        var keys: [JWK] = []
        var fetched: Int64 = 0
        var asked: Int64 = 0
    }

    private let read: @Sendable (_ place: String) async throws -> [JWK]
    private var known: [String: Known] = [:]
    private var running: [String: Task<[JWK], any Error>] = [:]

    private init(read: @escaping @Sendable (String) async throws -> [JWK]) { self.read = read }

    /// The keys of issuers, each where its discovery document says (OpenID Connect Discovery 1.0).
    static func ofIssuers(_ fetch: @escaping DocumentFetch) -> RemoteKeys {
        RemoteKeys { try await keys(ofIssuer: $0, fetch) }
    }

    /// The keys of JWK sets, by their addresses (`jwks_uri`).
    package static func ofSets(_ fetch: @escaping DocumentFetch) -> RemoteKeys {
        RemoteKeys { try await keys(ofSet: $0, fetch) }
    }

    /// Proves that a token was signed by a key of a place.
    ///
    /// - Throws: ``IdentityError`` `.invalidToken`, or `.unreachable` where the keys cannot be had.
    package func verify(_ token: SignedJWT, by place: String) async throws {
        let candidates = try await keys(of: place) { $0.fits(token) }
        guard !candidates.prefix(8).contains(where: { $0.verifies(token) }) else { return }
        throw IdentityError(
            .invalidToken,
            candidates.isEmpty
                ? "the issuer has no key of that name for the token's algorithm"
                : "the token's signature is not that of its issuer")
    }

    /// The keys of a place that are wanted. Where it has none of these, it is asked again, once in a while.
    ///
    /// - Throws: ``IdentityError`` `.unreachable`.
    package func keys(of place: String, where isWanted: @Sendable (JWK) -> Bool) async throws -> [JWK] {
        let found = try await keys(of: place, isKeyMissing: false).filter(isWanted)
        return found.isEmpty ? try await keys(of: place, isKeyMissing: true).filter(isWanted) : found
    }

    // MARK: Fetching

    private func keys(of place: String, isKeyMissing: Bool) async throws -> [JWK] {
        let now = Timestamp.now.seconds
        let entry = known[place] ?? Known()
        let mayAsk = now - entry.asked >= Self.againSeconds
        if !entry.keys.isEmpty, !mayAsk || (!isKeyMissing && now - entry.fetched < Self.freshSeconds) {
            return entry.keys
        }
        guard mayAsk || running[place] != nil else { throw Self.unreachable(place) }
        let task = running[place] ?? Task { [read] in try await read(place) }
        running[place] = task
        let result = await task.result
        running[place] = nil
        if known.count >= Self.placesMax, known[place] == nil { known = [:] }
        known[place, default: Known()].asked = Timestamp.now.seconds
        switch result {
        case .success(let keys):
            known[place] = Known(keys: keys, fetched: now, asked: Timestamp.now.seconds)
            return keys
        case .failure:
            guard !entry.keys.isEmpty, now - entry.fetched < Self.staleSeconds else { throw Self.unreachable(place) }
            return entry.keys
        }
    }

    private static func unreachable(_ place: String) -> IdentityError {
        IdentityError(.unreachable, "the keys of '\(place)' cannot be fetched at the moment")
    }

    private static func keys(ofIssuer issuer: String, _ fetch: DocumentFetch) async throws -> [JWK] {
        let address = issuer + "/.well-known/openid-configuration"
        let discovery = try JSONValue(parsing: try await fetch(address, documentBytesMax), maximumDepth: 8)
        let named = discovery["issuer"]?.string ?? ""
        guard named == issuer || named == issuer + "/", let address = discovery["jwks_uri"]?.string,
            address.hasPrefix("https://") || (Identity.isLoopback(issuer) && Identity.isLoopback(address))
        else { throw unreachable(issuer) }
        return try await keys(ofSet: address, fetch)
    }

    private static func keys(ofSet address: String, _ fetch: DocumentFetch) async throws -> [JWK] {
        let set = try JSONValue(parsing: try await fetch(address, documentBytesMax), maximumDepth: 8)
        guard let keys = set["keys"]?.array, keys.count <= keysMax else { throw unreachable(address) }
        // Keys of kinds that are not known here are somebody else's.
        return keys.compactMap { try? JWK($0) }
    }
}
