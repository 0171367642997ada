import Database
package import Journal
import Wire

extension EventKind {
    package static let issuerTrusted = EventKind("issuer.trusted")
    package static let issuerForgotten = EventKind("issuer.forgotten")
}

extension Identity {
    /// Issuers and audiences of each that are kept at most.
    private static let issuersMax = 100
    private static let audiencesMax = 100

    /// Takes an OpenID provider's tokens from now on, where they are meant for one of these audiences.
    ///
    /// - Parameters:
    ///   - role: see ``Issuer/role``; the role need not be there yet.
    ///   - path: see ``Issuer/path``.
    /// - Throws: ``IdentityError`` `.invalidName`, `.exists`, `.limit`.
    package func trust(
        issuer url: String, audiences: [String], role: String? = nil, path: String = "/", by actor: String
    ) async throws {
        let url = Issuer.trimmed(url)
        try Self.checkIssuer(url)
        if let role { try Self.checkName(role) }
        guard let capability = try Capability(scope: Capability.Operation.read.rawValue + ":" + path),
            !capability.isFolder
        else { throw IdentityError(.invalidName, "'\(path.prefix(200))' is no path: / or /COLLECTION/…") }
        guard (1...Self.audiencesMax).contains(audiences.count),
            audiences.allSatisfy({ (1...255).contains($0.utf8.count) && !$0.utf8.contains(0) })
        else {
            throw IdentityError(
                .limit, "an issuer has 1 to \(Self.audiencesMax) audiences (client ids) of up to 255 bytes")
        }
        try await journal.write { transaction, events in
            try transaction.lock("issuers")
            // One name in policies for one issuer: http and https are not two.
            let known = try transaction.rows("SELECT url FROM issuers") { $0.text(0) }
            guard !known.contains(where: { Issuer.name($0) == Issuer.name(url) }) else {
                throw IdentityError(.exists, "the issuer '\(url)' is trusted already")
            }
            guard known.count < Self.issuersMax else {
                throw IdentityError(.limit, "\(Self.issuersMax) issuers are trusted already")
            }
            try transaction.run(
                "INSERT INTO issuers (url, audiences, role, path, created) VALUES (?, ?, ?, ?, ?)", .init(url),
                .init(JSONValue.array(audiences.map { .string($0) }).text), .init(role), .init(path),
                .init(Timestamp.now.microseconds))
            events.record(.issuerTrusted, by: actor, on: url) {
                $0.member("audiences", audiences)
                if let role { $0.member("role", role) }
                $0.member("path", path)
            }
        }
    }

    package func forget(issuer url: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            guard try transaction.execute("DELETE FROM issuers WHERE url = ?", .init(url)) > 0 else {
                throw IdentityError(.notFound, "the issuer '\(url.prefix(200))' is not trusted")
            }
            events.record(.issuerForgotten, by: actor, on: url)
        }
        // Sessions that its tokens opened end with the trust.
        principals.clear()
    }

    /// All trusted issuers, in the order of their addresses; they are few.
    package func issuers() async throws -> [Issuer] {
        try await journal.find { reader in
            try reader.rows("SELECT url, audiences, role, path, created FROM issuers ORDER BY url") { row in
                Issuer(
                    url: row.text(0),
                    audiences: try JSONValue(parsing: row.text(1)).array?.compactMap(\.string) ?? [],
                    role: row.textOrNil(2), path: row.text(3), created: Timestamp(microseconds: row.int(4)))
            }
        }
    }

    /// Whether keys may be fetched without TLS: only from this machine itself.
    package static func isLoopback(_ url: String) -> Bool {
        guard url.hasPrefix("http://") else { return false }
        let authority = url.dropFirst("http://".count).prefix { $0 != "/" }
        let host = authority.hasPrefix("[") ? authority.prefix { $0 != "]" } + "]" : authority.prefix { $0 != ":" }
        return host == "localhost" || host == "127.0.0.1" || host == "[::1]"
    }

    // A name of letters alone could stand for a service in condition keys: `aws:SourceIp`.
    static func checkIssuer(_ url: String) throws {
        let isPlain = url.utf8.allSatisfy { c in PercentEncoding.isUnreserved(c) || ":/[]".utf8.contains(c) }
        guard isPlain, url.utf8.count <= 255, url.hasPrefix("https://") || isLoopback(url),
            !Issuer.name(url).hasPrefix("/"), Issuer.name(url).utf8.contains(where: { ".:/".utf8.contains($0) })
        else {
            throw IdentityError(
                .invalidName,
                "'\(url.prefix(200))' is no issuer: https://HOST/PATH of up to 255 bytes, without query and user")
        }
    }
}
