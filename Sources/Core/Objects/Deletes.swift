import Blobs
import Database
import Journal
package import Wire

extension Objects {
    /// Removes objects in one transaction. Keys that do not exist are no error.
    ///
    /// - Returns: for each key, whether there was an object.
    @discardableResult
    package func delete(
        collection name: String, keys: [String], by actor: String, isSystem: Bool = false,
        condition: @escaping WriteCondition = { _ in }
    ) async throws -> [Bool] {
        for key in keys where key.hasPrefix(Self.systemPrefix) && !isSystem { try Self.check(key: key) }
        let collection = try await collection(name)
        return try await journal.write { transaction, events in
            // Always in the same order, so that two such transactions cannot wait for each other.
            for key in Set(keys).sorted() { try transaction.lock(Self.lockName(collection.id, key)) }
            var existed: [Bool] = []
            for key in keys {
                let current = try Self.current(collection: collection.id, key: key, in: transaction)
                try condition(current)
                existed.append(current != nil)
                guard let current else { continue }
                try Self.end(current.id, at: try transaction.tid, in: transaction)
                events.record(.objectDeleted, by: actor, on: "\(name)/\(key)", collection: collection.id) {
                    $0.member("version", current.id.text)
                }
            }
            return existed
        }
    }
}

// What the Janitor calls.
extension Objects {
    /// Removes the rows of versions that ended long enough ago; their blobs become garbage.
    ///
    /// - Returns: how many, at most `limit`.
    package func purgeEnded(olderThan seconds: Int64, limit: Int = 500) async throws -> Int {
        let before = Timestamp.now.adding(seconds: -seconds).microseconds
        return try await journal.database.write { transaction in
            let ids = try transaction.rows(
                "SELECT id FROM versions WHERE ended IS NOT NULL AND ended_at <= ? ORDER BY ended_at LIMIT ?",
                .init(before),
                .init(limit)
            ) { VersionID(stored: $0.blob(0)) }
            for id in ids { try Self.discard(version: id, in: transaction) }
            return ids.count
        }
    }

    /// Removes a version's row. Blobs that nothing else refers to become garbage.
    static func discard(version id: VersionID, in transaction: Transaction) throws {
        let now = Timestamp.now.microseconds
        for (table, column) in [("versions", "id"), ("parts", "version")] {
            try transaction.run(
                """
                INSERT INTO garbage (blob, since)
                SELECT blob, CAST(? AS BIGINT) FROM \(table) AS mine WHERE mine.\(column) = ? AND blob IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.blob = mine.blob AND v.id <> ?)
                AND NOT EXISTS (SELECT 1 FROM parts p WHERE p.blob = mine.blob AND p.version <> ?)
                ON CONFLICT DO NOTHING
                """,
                .init(now), .init(id.bytes), .init(id.bytes), .init(id.bytes))
        }
        try transaction.run("DELETE FROM parts WHERE version = ?", .init(id.bytes))
        try transaction.run("DELETE FROM versions WHERE id = ?", .init(id.bytes))
    }

    static func discardEnded(collection: Int64, in transaction: Transaction) throws {
        let ids = try transaction.rows(
            "SELECT id FROM versions WHERE collection = ? AND ended IS NOT NULL", .init(collection)
        ) { VersionID(stored: $0.blob(0)) }
        for id in ids { try discard(version: id, in: transaction) }
    }

    /// Deletes garbage that is older than `seconds` from the blob store.
    ///
    /// - Returns: how many blobs, at most `limit`.
    package func collectGarbage(olderThan seconds: Int64, limit: Int = 500) async throws -> Int {
        let before = Timestamp.now.adding(seconds: -seconds).microseconds
        let ids = try await journal.read { reader in
            try reader.rows(
                "SELECT blob FROM garbage WHERE since <= ? ORDER BY since LIMIT ?", .init(before), .init(limit)
            ) {
                try BlobID(bytes: $0.blob(0))
            }
        }
        for id in ids {
            // First the bytes, then the row: a crash between the two deletes once more.
            try await blobs.delete(id)
            try await journal.database.write { try $0.run("DELETE FROM garbage WHERE blob = ?", .init(id.bytes)) }
        }
        return ids.count
    }

    /// Deletes blobs that no row names: what a crash between bytes and row left. Only blobs made before `moment` are
    /// looked at, since a younger one may be about to get its row.
    ///
    /// - Returns: how many were deleted.
    package func sweepOrphans(madeBefore moment: Timestamp) async throws -> Int {
        var deleted = 0
        var after: BlobID?
        while true {
            let page = try await blobs.list(after: after, limit: 1000)
            guard let last = page.last else { return deleted }
            after = last.id
            for info in page where info.modified < moment {
                let id = info.id.bytes
                let isNamed = try await journal.read { reader in
                    try reader.scalar(
                        """
                        SELECT 1 WHERE EXISTS (SELECT 1 FROM versions WHERE blob = ?)
                        OR EXISTS (SELECT 1 FROM parts WHERE blob = ?) OR EXISTS (SELECT 1 FROM garbage WHERE blob = ?)
                        """,
                        .init(id), .init(id), .init(id)) != nil
                }
                if !isNamed {
                    try await blobs.delete(info.id)
                    deleted += 1
                }
            }
        }
    }
}
