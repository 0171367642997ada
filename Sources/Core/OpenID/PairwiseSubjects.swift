import Ciphers
import Identity
import Wire

/// Names of people that differ from one application to the next, so that two of them cannot tell that they know the
/// same person (OpenID Connect Core 1.0 §8.1).
extension OpenIDProvider {
    private static let documentBytesMax = 64 << 10

    /// `sub` of an account for a client; nil where it is the account's number.
    func pairwiseSubject(of account: Int64, for client: Client) async throws -> String? {
        guard client.isPairwise, let sector = client.sector else { return nil }
        let key = try await identity.derivingKey("pairwise-subjects", subjectKey)
        // The letters before it keep it from being read as a number of an account.
        return "pw-" + Base64.encodeURL(Array(hmacSHA256(key: key, Array("\(sector) \(account)".utf8)).prefix(24)))
    }

    func subject(of account: Int64, for client: Client) async throws -> String {
        try await pairwiseSubject(of: account, for: client) ?? String(account)
    }

    /// Looks whether the document of a client's sector names all its redirect URIs: nobody joins the sector of another.
    ///
    /// - Throws: ``OAuthError`` `.invalidClientMetadata`.
    func checkSector(of client: Client) async throws {
        guard client.isPairwise, let address = client.sectorIdentifierURI else { return }
        let fetch = client.isDynamic ? sources?.fetchPublic : sources?.fetch
        let document = try? await fetch?(address, Self.documentBytesMax)
        let named = document.flatMap { try? JSONValue(parsing: $0, maximumDepth: 4) }?.array?.compactMap(\.string)
        guard let named else {
            throw OAuthError(
                .invalidClientMetadata, "no JSON list of redirect URIs can be fetched from '\(address.prefix(200))'")
        }
        for uri in client.redirectURIs where !named.contains(uri) {
            throw OAuthError(.invalidClientMetadata, "'sector_identifier_uri' does not name '\(uri.prefix(200))'")
        }
    }
}

extension Client {
    /// Applications of one sector are told the same names: the host of the sector's document, or the one host of the
    /// redirect URIs.
    var sector: String? {
        if let sectorIdentifierURI { return Self.host(sectorIdentifierURI) }
        let hosts = Set(redirectURIs.map(Self.host))
        return hosts.count == 1 ? hosts.first : nil
    }

    private static func host(_ uri: String) -> String {
        let parts = uri.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3, parts[1].isEmpty else { return String(uri.prefix { $0 != "/" }) }
        let authority = parts[2].prefix { $0 != "?" }
        return (authority.hasPrefix("[") ? authority.prefix { $0 != "]" } : authority.prefix { $0 != ":" }).lowercased()
    }
}
