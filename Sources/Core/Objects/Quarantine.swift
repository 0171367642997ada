import Database
package import Journal
import Wire

extension EventKind {
    package static let objectQuarantined = EventKind("object.quarantined")
    package static let objectReleased = EventKind("object.released")
}

/// A version that nobody may read, and where it stands.
package struct QuarantinedVersion: Sendable {
    package var collection: String
    package var version: ObjectVersion
    package var reason: String
}

// A quarantined version is listed and can be deleted, but not read or copied by anybody. Whatever reads opens a version
// first, and its row says so: nobody pays for the question.
extension Objects {
    /// The longest reason, in bytes.
    private static let reasonBytesMax = 500

    /// Lets nobody read a version any more.
    ///
    /// - Parameters:
    ///   - version: its name; nil for the current one.
    ///   - reason: what is wrong with it, for people: `infected: Eicar-Test-Signature`.
    /// - Throws: ``ObjectsError`` `.noSuchCollection`, `.noSuchKey`, `.noSuchVersion`.
    package func quarantine(
        collection name: String, key: String, version: String?, reason: String, by actor: String
    ) async throws {
        try await change(
            collection: name, key: key, version: version, .objectQuarantined, needsObjectLock: false, by: actor
        ) { found, transaction in
            try transaction.run(
                "UPDATE versions SET quarantine = ? WHERE number = ?",
                .init(String(reason.prefix(Self.reasonBytesMax))), .init(found.number))
        } detail: {
            $0.member("reason", String(reason.prefix(Self.reasonBytesMax)))
        }
    }

    /// Lets a version be read again.
    ///
    /// - Throws: as ``quarantine(collection:key:version:reason:by:)``; `.invalidState` where it is not quarantined.
    package func release(collection name: String, key: String, version: String, by actor: String) async throws {
        try await change(
            collection: name, key: key, version: version, .objectReleased, needsObjectLock: false, by: actor
        ) { found, transaction in
            guard found.quarantine != nil else {
                throw ObjectsError(.invalidState, "the version '\(version)' of '\(key.prefix(200))' is not quarantined")
            }
            // So that nobody takes it for clean, and it is not scanned again.
            let tags = found.tags.map { $0.name == Self.scanTag ? HeaderField(name: $0.name, value: "released") : $0 }
            try transaction.run(
                "UPDATE versions SET quarantine = NULL, tags = ? WHERE number = ?", .init(Self.text(tags)),
                .init(found.number))
        } detail: { _ in
        }
    }

    /// Removes a quarantined version for good.
    ///
    /// - Throws: as ``release(collection:key:version:by:)``; `.locked` where object lock keeps it.
    package func deleteQuarantined(
        collection name: String, key: String, version: String, by actor: String
    ) async throws {
        let deletion = try await delete(collection: name, [(key, version)], by: actor) { found in
            guard let found else { throw ObjectsError.noSuchVersion(version, of: key) }
            guard found.quarantine != nil else {
                throw ObjectsError(.invalidState, "the version '\(version)' of '\(key.prefix(200))' is not quarantined")
            }
        }.first
        if let failure = deletion?.failure { throw failure }
    }

    /// Quarantined versions in the order in which they were made.
    ///
    /// - Parameter number: begin after this version.
    package func quarantined(after number: Int64 = 0, limit: Int = 1000) async throws -> [QuarantinedVersion] {
        let columns = Self.columns.split(separator: ",").map { "v." + $0.drop { $0.isWhitespace } }.joined(
            separator: ", ")
        return try await journal.read { reader in
            try reader.rows(
                """
                SELECT \(columns), c.name FROM versions v JOIN collections c ON c.id = v.collection
                WHERE v.quarantine IS NOT NULL AND v.removed IS NULL AND v.number > ? ORDER BY v.number LIMIT ?
                """,
                .init(number), .init(limit)
            ) { row in
                let version = try Self.version(row)
                return QuarantinedVersion(
                    collection: row.text(Self.columnCount), version: version, reason: version.quarantine ?? "")
            }
        }
    }

    /// - Throws: ``ObjectsError`` `.quarantined`.
    static func checkReadable(_ version: ObjectVersion) throws {
        guard let reason = version.quarantine else { return }
        throw ObjectsError(.quarantined, "the object is quarantined and cannot be read: \(reason)")
    }
}
