import Ciphers
import Database
import Journal
import Vault
import Wire

// What the Keykeeper calls: moves what is sealed under a replaced key to its successor, and removes the key when
// nothing is left.
extension Objects {
    /// Waited for between the steps of a rotation, in seconds: longer than any node holds on to keys (a second), so
    /// that hardly a request meets a key that is gone. Correctness does not rest on it but on ``CollectionState``.
    package static let keySettleSeconds: Int64 = 5
    /// Keys looked at, and rows rewrapped, in one step.
    private static let keysPerStep = 64
    private static let rowsPerStep = 500

    /// A collection's key that was replaced.
    private struct RetiredKey: Sendable {
        var collection: Int64
        var generation: Int64
        var retired: Timestamp
        /// 0 open; 1 closed; 2 closed, and swept once more because something was left.
        var closed: Int64
        /// When the sweep ended, and a TID that was taken then.
        var swept: (at: Timestamp, fence: Int64)?
    }

    /// Does a bounded piece of the work that rotations of collections' and spaces' keys have left. It may be ended at
    /// any moment and goes on where it was.
    ///
    /// - Returns: whether there is more to do at once.
    package func rewrapStep(settleSeconds: Int64 = keySettleSeconds) async throws -> Bool {
        let retired = try await journal.read { reader in
            try reader.rows(
                """
                SELECT collection, generation, retired, closed, swept, fence FROM collection_keys
                WHERE retired IS NOT NULL ORDER BY retired LIMIT ?
                """,
                .init(Self.keysPerStep)
            ) { row in
                let fence = row.intOrNil(5)
                return RetiredKey(
                    collection: row.int(0), generation: row.int(1), retired: Timestamp(microseconds: row.int(2)),
                    closed: row.int(3),
                    swept: row.intOrNil(4).flatMap { at in fence.map { (Timestamp(microseconds: at), $0) } })
            }
        }
        let settled = Timestamp.now.adding(seconds: -settleSeconds)
        var hasMore = false
        for key in retired where try await advance(key, settled: settled) { hasMore = true }
        let spaces = try await journal.read { reader in
            try reader.rows(
                """
                SELECT s.name, k.space, k.generation FROM space_keys k JOIN spaces s ON s.id = k.space
                WHERE k.retired IS NOT NULL LIMIT ?
                """, .init(Self.keysPerStep)
            ) { (name: $0.text(0), id: $0.int(1), generation: $0.int(2)) }
        }
        for space in spaces
        where try await rewrapCollections(space: space.name, id: space.id, generation: space.generation) {
            hasMore = true
        }
        return hasMore
    }

    /// The next step for a collection's key: close it, rewrap what is under it, remove it.
    ///
    /// - Returns: whether the one after that can be done at once.
    private func advance(_ key: RetiredKey, settled: Timestamp) async throws -> Bool {
        if key.closed == 0 {
            guard key.retired <= settled else { return false }
            try await journal.database.write { transaction in
                try transaction.lock(Self.keyLock(key.collection))
                try transaction.run(
                    "UPDATE collections SET key_floor = ? WHERE id = ? AND key_floor < ?", .init(key.generation + 1),
                    .init(key.collection), .init(key.generation + 1))
                try transaction.run(
                    "UPDATE collection_keys SET closed = 1 WHERE collection = ? AND generation = ?",
                    .init(key.collection), .init(key.generation))
            }
            return true
        }
        guard let swept = key.swept else {
            try await rewrapRows(key)
            return true
        }
        guard swept.at <= settled else { return false }
        // This look, not the sweep, is what shows that nothing is left. It is one snapshot, so no row can have moved
        // out of its way; with the fence below the horizon all who have read the old floor have ended, and their rows
        // are in it; and everybody else is refused.
        let isLeft = try await journal.read { reader -> Bool? in
            guard swept.fence <= (try reader.horizon()) else { return nil }
            return try Self.isSealed(under: key.generation, collection: key.collection, in: reader)
        }
        switch isLeft {
        // A transaction of before is still under way somewhere.
        case nil: return false
        case false?:
            try await remove(key)
            return false
        case true?:
            // Once more from the beginning; then only what is damaged can be left. The key is kept as long as it is
            // there, in case that what was damaged is restored.
            let isAgain = key.closed > 1
            let next: SQLValue =
                isAgain ? .init(Timestamp.now.adding(seconds: Self.damagedSeconds).microseconds) : .null
            try await journal.database.write { transaction in
                try transaction.run(
                    """
                    UPDATE collection_keys SET closed = 2, swept = ?, position = NULL
                    WHERE collection = ? AND generation = ?
                    """, next, .init(key.collection), .init(key.generation))
            }
            return !isAgain
        }
    }

    /// After so long a key that damaged rows hold back is looked at again: an hour.
    private static let damagedSeconds: Int64 = 3600

    /// Whether a generation of a collection's key has still sealed something.
    private static func isSealed(under generation: Int64, collection: Int64, in reader: Reader) throws -> Bool {
        for source in SealedRows.all {
            let found = try reader.scalar(
                """
                SELECT 1 FROM \(source.tables) WHERE \(source.condition) AND \(source.column) IS NOT NULL
                AND substr(\(source.column), 1, 4) = ? LIMIT 1
                """,
                .init(collection), .init(CollectionKeys.prefix(generation)))
            if found != nil { return true }
        }
        return false
    }

    // MARK: Versions and parts

    /// Rewraps the next uploads' parts, then the next versions' keys and parts, of one collection: `rowsPerStep`, and
    /// at most one object's parts more.
    private func rewrapRows(_ key: RetiredKey) async throws {
        try await journal.database.write { [keyring] transaction in
            try transaction.lock(Self.keyLock(key.collection))
            let stored = try transaction.first(
                "SELECT position FROM collection_keys WHERE collection = ? AND generation = ? AND swept IS NULL",
                .init(key.collection), .init(key.generation)
            ) { SweepPosition(stored: $0.blobOrNil(0) ?? []) }
            // Destroyed, or done by another node.
            guard var position = stored else { return }
            let keys = try keyring.keys(ofCollection: key.collection, in: transaction)
            var count = 0
            let rows = try position.rows(of: key.collection, limit: Self.rowsPerStep, in: transaction)
            for row in rows where count < Self.rowsPerStep {
                position = row.position
                if let sealed = row.sealed {
                    guard let fresh = try Self.resealed(sealed, of: row.id, part: 0, key.generation, keys) else {
                        continue
                    }
                    // What has gone or was sealed anew meanwhile is left alone.
                    count += try transaction.execute(
                        "UPDATE versions SET sealed_key = ? WHERE number = ? AND sealed_key = ?", .init(fresh),
                        .init(row.number), .init(sealed))
                } else {
                    let parts = try transaction.rows(
                        "SELECT number, sealed_key FROM parts WHERE version = ? ORDER BY number", .init(row.id.bytes)
                    ) { (number: Int($0.int(0)), sealed: $0.blob(1)) }
                    for part in parts {
                        let fresh = try Self.resealed(part.sealed, of: row.id, part: part.number, key.generation, keys)
                        guard let fresh else { continue }
                        count += try transaction.execute(
                            "UPDATE parts SET sealed_key = ? WHERE version = ? AND number = ? AND sealed_key = ?",
                            .init(fresh), .init(row.id.bytes), .init(part.number), .init(part.sealed))
                    }
                }
            }
            var swept: SQLValue = .null
            var fence: SQLValue = .null
            if rows.isEmpty {
                if let next = position.next {
                    position = next
                } else {
                    swept = .init(Timestamp.now.microseconds)
                    fence = .init(try transaction.tid)
                }
            }
            try transaction.run(
                """
                UPDATE collection_keys SET position = ?, swept = ?, fence = ?, rewrapped = rewrapped + ?
                WHERE collection = ? AND generation = ?
                """,
                .init(position.stored), swept, fence, .init(count), .init(key.collection), .init(key.generation))
        }
    }

    /// A data key sealed under the newest key; nil where it is not under the old one.
    private static func resealed(
        _ sealed: [UInt8], of id: VersionID, part: Int, _ generation: Int64, _ keys: CollectionKeys
    ) throws -> [UInt8]? {
        guard CollectionKeys.generation(of: sealed) == generation else { return nil }
        do {
            return try keys.sealDataKey(
                keys.openDataKey(sealed, version: id, part: part), version: id, part: part)
        } catch let error as ObjectsError where error.code == .damaged {
            // It is left as it is; the look at what is left finds it.
            return nil
        }
    }

    private func remove(_ key: RetiredKey) async throws {
        try await journal.write { transaction, events in
            try transaction.lock(Self.keyLock(key.collection))
            let row = try transaction.first(
                """
                SELECT c.name, k.sealed_key FROM collection_keys k JOIN collections c ON c.id = k.collection
                WHERE k.collection = ? AND k.generation = ? AND k.swept IS NOT NULL
                """,
                .init(key.collection), .init(key.generation)
            ) { (name: $0.text(0), sealed: $0.blob(1)) }
            guard let row else { return }
            try Self.erase(
                "collection_keys", "collection", .init(key.collection), generation: key.generation,
                count: row.sealed.count,
                in: transaction)
            Self.recordRemoval(
                of: "collection \(row.name)", label: Self.text(Keyring.label(key.collection, key.generation)),
                generation: key.generation, sealed: row.sealed, collection: key.collection, &events)
        }
        keyring.forget()
        _ = try await journal.database.checkpoint()
    }

    // MARK: Collections' keys

    /// Rewraps the next keys of a space's collections, and removes the space's old key when none is left.
    ///
    /// - Returns: whether there are more.
    private func rewrapCollections(space name: String, id: Int64, generation: Int64) async throws -> Bool {
        let removed = try await journal.write { [keyring] transaction, events -> Bool in
            // Whoever makes a key for a collection holds this, so none comes in under the old key any more.
            try transaction.lock("space \(name)")
            let old = try transaction.first(
                "SELECT sealed_key, label FROM space_keys WHERE space = ? AND generation = ? AND retired IS NOT NULL",
                .init(id), .init(generation)
            ) { (sealed: $0.blob(0), label: $0.text(1)) }
            guard let old else { return true }
            let rows = try transaction.rows(
                """
                SELECT collection, NULL, generation, sealed_key FROM collection_keys
                WHERE space = ? AND space_generation = ?
                UNION ALL SELECT NULL, kms_key, generation, sealed_key FROM kms_generations
                WHERE space = ? AND space_generation = ? LIMIT ?
                """,
                .init(id), .init(generation), .init(id), .init(generation), .init(Self.rowsPerStep)
            ) { row in
                KeyOfSpace(
                    collection: row.intOrNil(0), kmsKey: row.textOrNil(1), generation: row.int(2), sealed: row.blob(3))
            }
            guard rows.isEmpty else {
                let opener = try keyring.master.unwrap(old.sealed, label: old.label)
                let space = try keyring.space(name, in: transaction)
                for row in rows { try row.reseal(from: opener, to: space, in: transaction) }
                return false
            }
            try Self.erase(
                "space_keys", "space", .init(id), generation: generation, count: old.sealed.count, in: transaction)
            Self.recordRemoval(
                of: "space \(name)", label: old.label, generation: generation, sealed: old.sealed, collection: nil,
                &events)
            return true
        }
        if removed {
            kms.forget()
            _ = try await journal.database.checkpoint()
        }
        return !removed
    }

    /// A key that a space's key has sealed: a collection's, or a named one.
    private struct KeyOfSpace {
        var collection: Int64?
        var kmsKey: String?
        var generation: Int64
        var sealed: [UInt8]

        func reseal(from opener: AEADKey, to space: Keyring.SpaceKey, in transaction: Transaction) throws {
            let (table, column, id, label): (String, String, SQLValue, [UInt8])
            if let collection {
                (table, column, id) = ("collection_keys", "collection", .init(collection))
                label = Keyring.label(collection, generation)
            } else if let kmsKey {
                (table, column, id) = ("kms_generations", "kms_key", .init(kmsKey))
                label = KMSKeys.label(kmsKey, generation)
            } else {
                return
            }
            let key = try opener.unwrap(sealed, authenticating: label)
            try transaction.run(
                """
                UPDATE \(table) SET sealed_key = ?, space_generation = ?
                WHERE \(column) = ? AND generation = ? AND sealed_key = ?
                """,
                .init(space.key.wrap(key, authenticating: label)), .init(space.generation), id, .init(generation),
                .init(sealed))
        }
    }

    // MARK: Removal

    /// Overwrites a wrapped key with random bytes of the same length, and deletes its row.
    static func erase(
        _ table: String, _ column: String, _ id: SQLValue, generation: Int64, count: Int, in transaction: Transaction
    ) throws {
        try transaction.run(
            "UPDATE \(table) SET sealed_key = ? WHERE \(column) = ? AND generation = ?", .init(randomBytes(count)),
            id, .init(generation))
        try transaction.run("DELETE FROM \(table) WHERE \(column) = ? AND generation = ?", id, .init(generation))
    }

    static func recordRemoval(
        of subject: String, label: String, generation: Int64, sealed: [UInt8], collection: Int64?,
        _ events: inout EventRecorder
    ) {
        events.record(.keyRemoved, by: "system:keykeeper", on: subject, collection: collection) {
            $0.member("generation", generation)
            $0.member("wrappedKeySHA256", Hex.encode(DigestAlgorithm.sha256.hash(sealed)))
            $0.member("label", label)
            $0.member("labelSHA256", Hex.encode(DigestAlgorithm.sha256.hash(Array(label.utf8))))
        }
    }

    private static func text(_ label: [UInt8]) -> String { String(decoding: label, as: UTF8.self) }
}
