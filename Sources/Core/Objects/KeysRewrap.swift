import Ciphers
import Database
import Journal
import Vault
import Wire

// What the Keykeeper calls: moves what is sealed under a replaced key to its successor, and removes the key when
// nothing is left.
extension Objects {
    /// Waited for between the steps of a rotation, in seconds: longer than any node holds on to keys (a second), so
    /// that hardly a request meets a key that is gone. Correctness does not rest on it but on the triggers.
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
        var swept: Timestamp?
    }

    /// Does a bounded piece of the work that rotations of collections' and spaces' keys have left. It may be ended at
    /// any moment and goes on where it was.
    ///
    /// - Returns: whether there is more to do at once.
    package func rewrapStep(settleSeconds: Int64 = keySettleSeconds) async throws -> Bool {
        let retired = try await journal.read { reader in
            try reader.rows(
                """
                SELECT collection, generation, retired, closed, swept FROM collection_keys WHERE retired IS NOT NULL
                ORDER BY retired LIMIT ?
                """,
                .init(Self.keysPerStep)
            ) { row in
                RetiredKey(
                    collection: row.int(0), generation: row.int(1), retired: Timestamp(microseconds: row.int(2)),
                    closed: row.int(3), swept: row.intOrNil(4).map { Timestamp(microseconds: $0) })
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
                try transaction.run(
                    "UPDATE collection_keys SET closed = 1 WHERE collection = ? AND generation = ?",
                    .init(key.collection), .init(key.generation))
            }
            return true
        }
        guard let swept = key.swept else {
            try await rewrapVersions(key)
            return true
        }
        guard swept <= settled else { return false }
        // The triggers let nothing in behind the sweep. Looking once more costs no writer anything, and what it would
        // find could not be read again.
        let left = try await journal.read { reader in
            try Self.sealedCounts(collection: key.collection, in: reader)[key.generation] ?? 0
        }
        guard left == 0 else {
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
        try await remove(key)
        return false
    }

    /// After so long a key that damaged rows hold back is looked at again: an hour.
    private static let damagedSeconds: Int64 = 3600

    // MARK: Versions and parts

    /// Rewraps the next uploads' parts, then the next versions' keys and parts, of one collection: `rowsPerStep`, and
    /// at most one object's parts more.
    private func rewrapVersions(_ key: RetiredKey) async throws {
        try await journal.database.write { [keyring] transaction in
            try transaction.lock(Self.keyLock(key.collection))
            let stored = try transaction.first(
                "SELECT position FROM collection_keys WHERE collection = ? AND generation = ? AND swept IS NULL",
                .init(key.collection), .init(key.generation)
            ) { $0.blobOrNil(0) ?? [0] }
            // Destroyed, or done by another node.
            guard let stored else { return }
            let keys = try keyring.keys(ofCollection: key.collection, in: transaction)
            // A byte for the phase, 0 uploads and 1 versions, and the last that was looked at: an upload's id, or a
            // version's number in 8 bytes, big-endian.
            var phase = stored.first ?? 0
            var after = Array(stored.dropFirst())
            var count = 0
            let rows =
                phase == 0
                ? try Self.uploads(of: key.collection, after: after, in: transaction)
                : try Self.versions(of: key.collection, after: after, in: transaction)
            for row in rows where count < Self.rowsPerStep {
                after = row.position
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
            if rows.isEmpty, phase == 0 {
                (phase, after) = (1, [])
            } else if rows.isEmpty {
                swept = .init(Timestamp.now.microseconds)
            }
            try transaction.run(
                """
                UPDATE collection_keys SET position = ?, swept = ?, rewrapped = rewrapped + ?
                WHERE collection = ? AND generation = ?
                """,
                .init([phase] + after), swept, .init(count), .init(key.collection), .init(key.generation))
        }
    }

    /// An upload, or a version with its number. Without a sealed key of its own it has parts, or is a marker.
    private struct Sealed {
        var position: [UInt8]
        var id: VersionID
        var number: Int64
        var sealed: [UInt8]?
    }

    private static func uploads(of collection: Int64, after: [UInt8], in reader: Reader) throws -> [Sealed] {
        try reader.rows(
            "SELECT id FROM uploads WHERE collection = ? AND id > ? ORDER BY id LIMIT ?", .init(collection),
            .init(after), .init(rowsPerStep)
        ) { Sealed(position: $0.blob(0), id: VersionID(stored: $0.blob(0)), number: 0, sealed: nil) }
    }

    private static func versions(of collection: Int64, after: [UInt8], in reader: Reader) throws -> [Sealed] {
        try reader.rows(
            """
            SELECT number, id, sealed_key FROM versions WHERE collection = ? AND number > ? AND kind = 0
            ORDER BY number LIMIT ?
            """,
            .init(collection), .init(after.reduce(Int64(0)) { $0 << 8 | Int64($1) }), .init(rowsPerStep)
        ) { row in
            let number = row.int(0)
            return Sealed(
                position: (0..<8).map { UInt8(truncatingIfNeeded: number >> Int64(56 - 8 * $0)) },
                id: VersionID(stored: row.blob(1)), number: number, sealed: row.blobOrNil(2))
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
                "collection_keys", "collection", key.collection, generation: key.generation, count: row.sealed.count,
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
                SELECT collection, generation, sealed_key FROM collection_keys WHERE space = ? AND space_generation = ?
                LIMIT ?
                """,
                .init(id), .init(generation), .init(Self.rowsPerStep)
            ) { (collection: $0.int(0), generation: $0.int(1), sealed: $0.blob(2)) }
            guard rows.isEmpty else {
                let opener = try keyring.master.unwrap(old.sealed, label: old.label)
                let space = try keyring.space(name, in: transaction)
                for row in rows {
                    let label = Keyring.label(row.collection, row.generation)
                    let key = try opener.unwrap(row.sealed, authenticating: label)
                    try transaction.run(
                        """
                        UPDATE collection_keys SET sealed_key = ?, space_generation = ?
                        WHERE collection = ? AND generation = ? AND sealed_key = ?
                        """,
                        .init(space.key.wrap(key, authenticating: label)), .init(space.generation),
                        .init(row.collection), .init(row.generation), .init(row.sealed))
                }
                return false
            }
            try Self.erase(
                "space_keys", "space", id, generation: generation, count: old.sealed.count, in: transaction)
            Self.recordRemoval(
                of: "space \(name)", label: old.label, generation: generation, sealed: old.sealed, collection: nil,
                &events)
            return true
        }
        if removed { _ = try await journal.database.checkpoint() }
        return !removed
    }

    // MARK: Removal

    /// Overwrites a wrapped key with random bytes of the same length, and deletes its row.
    static func erase(
        _ table: String, _ column: String, _ id: Int64, generation: Int64, count: Int, in transaction: Transaction
    ) throws {
        try transaction.run(
            "UPDATE \(table) SET sealed_key = ? WHERE \(column) = ? AND generation = ?", .init(randomBytes(count)),
            .init(id), .init(generation))
        try transaction.run(
            "DELETE FROM \(table) WHERE \(column) = ? AND generation = ?", .init(id), .init(generation))
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
