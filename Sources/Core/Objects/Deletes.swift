import Blobs
package import BucketConfiguration
import Database
import Journal
package import Wire

/// What a deletion did to one key.
package struct Deletion: Sendable {
    /// The version that was removed for good, as clients name it, and whether it was a delete marker.
    package var removed: (name: String, isDeleteMarker: Bool)?
    /// The delete marker that now stands there.
    package var marker: ObjectVersion?
    /// Whether there was an object.
    package var existed = false
    /// Why it stays: it is locked, its condition does not hold, or the version's name is none. The other targets are
    /// not kept from being removed.
    package var failure: ObjectsError?
}

extension Objects {
    /// Removes objects in one transaction. Keys and versions that do not exist are no error.
    ///
    /// Without a version, a key in a collection with versioning gets a delete marker; with one, that version is
    /// removed for good, and the newest of those left is the current one.
    ///
    /// - Parameters:
    ///   - isSystem: whether these may be the node's own objects, below `systemPrefix`.
    ///   - bypassesGovernance: whether the caller may and wants to remove what is retained in governance mode.
    ///   - id: the transaction that is to do it, when it is committed.
    ///   - conditions: of targets, by their places in `targets`; each looks at what would be removed or hidden.
    /// - Returns: what was done, for each target.
    @discardableResult
    package func delete(
        collection name: String, _ targets: [(key: String, version: String?)], by actor: String,
        isSystem: Bool = false, bypassesGovernance: Bool = false, holding locks: Set<String> = [],
        in id: TransactionID? = nil, conditions: [Int: WriteCondition] = [:]
    ) async throws -> [Deletion] {
        for (key, _) in targets where key.hasPrefix(Self.systemPrefix) && !isSystem { try Self.check(key: key) }
        let collection = try await collection(name, isSystem: isSystem)
        guard !targets.isEmpty else { return [] }
        if let id {
            return try await journal.database.write { transaction in
                try transaction.lock(Self.lockName(id))
                return try targets.enumerated().map { place, target in
                    guard target.version == nil else { return Deletion(failure: .notInTransaction) }
                    return try Self.stageDeletion(
                        of: target.key, collection: collection.id, for: id, condition: conditions[place],
                        in: transaction)
                }
            }
        }
        return try await journal.write { transaction, events in
            try transaction.lock(Self.treeLockName(collection.id), isShared: true)
            // Always in the same order, so that two such transactions cannot wait for each other.
            for key in Set(targets.map(\.key)).sorted() {
                try transaction.lock(Self.lockName(collection.id, key))
            }
            let state = try CollectionState(of: collection.id, in: transaction)
            return try targets.enumerated().map { place, target in
                do {
                    try Self.checkWritable(
                        target.key, of: collection.id, state, isMember: false, by: actor, holding: locks,
                        in: transaction)
                } catch let error as ObjectsError {
                    return Deletion(failure: error)
                }
                let deletion =
                    if let version = target.version {
                        try Self.remove(
                            version, of: target.key, collection.id, state, conditions[place],
                            bypasses: bypassesGovernance, in: transaction)
                    } else {
                        try Self.delete(target.key, collection.id, state, conditions[place], in: transaction)
                    }
                Self.record(deletion, of: target.key, in: collection, by: actor, &events)
                return deletion
            }
        }
    }

    /// - Parameter rule: the lifecycle rule by which it was done, if one it was.
    static func record(
        _ deletion: Deletion, of key: String, in collection: Collection, by actor: String, rule: String? = nil,
        _ events: inout EventRecorder
    ) {
        guard deletion.failure == nil, deletion.existed || deletion.marker != nil || deletion.removed != nil else {
            return
        }
        events.record(.objectDeleted, by: actor, on: "\(collection.name)/\(key)", collection: collection.id) {
            if let removed = deletion.removed { $0.member("version", removed.name) }
            if let marker = deletion.marker { $0.member("marker", marker.name) }
            if let rule { $0.member("rule", rule) }
        }
    }

    static func delete(
        _ key: String, _ collection: Int64, _ state: CollectionState, _ condition: WriteCondition?,
        in transaction: Transaction
    ) throws -> Deletion {
        let latest = try latest(collection: collection, key: key, in: transaction)
        do {
            try condition?(latest.flatMap { $0.isDeleteMarker ? nil : $0 })
        } catch let error as ObjectsError {
            return Deletion(failure: error)
        }
        return try delete(latest, collection: collection, key: key, state, in: transaction)
    }

    static func delete(
        _ latest: ObjectVersion?, collection: Int64, key: String, _ state: CollectionState, in transaction: Transaction
    ) throws -> Deletion {
        let object = latest.flatMap { $0.isDeleteMarker ? nil : $0 }
        let marker = try hide(latest, collection: collection, key: key, state, in: transaction)
        if let object, marker == nil { try discardProperties(of: object, state, in: transaction) }
        return Deletion(marker: marker, existed: object != nil)
    }

    /// Takes the current version of a key away, as a deletion that names no version does.
    ///
    /// - Returns: the delete marker that hides what is kept. Without versioning there is nothing that it could hide.
    static func hide(
        _ latest: ObjectVersion?, collection: Int64, key: String, _ state: CollectionState, in transaction: Transaction
    ) throws -> ObjectVersion? {
        let isNull = try displace(latest, collection: collection, key: key, state, in: transaction)
        guard state.versioning(of: key) != .off else { return nil }
        var marker = ObjectVersion(
            id: VersionID(), collection: collection, key: key, isDeleteMarker: true, isNull: isNull,
            created: .now, size: 0, etag: "", contentType: "", headers: [], partCount: 0, storage: .parts,
            object: latest?.object ?? 0)
        try insert(&marker, inline: nil, state, in: transaction)
        return marker
    }

    private static func remove(
        _ name: String, of key: String, _ collection: Int64, _ state: CollectionState, _ condition: WriteCondition?,
        bypasses: Bool, in transaction: Transaction
    ) throws -> Deletion {
        let found: ObjectVersion?
        do {
            found = try named(name, collection: collection, key: key, in: transaction)
            try condition?(found)
        } catch let error as ObjectsError {
            return Deletion(failure: error)
        }
        guard let found else { return Deletion() }
        do {
            try checkUnlocked(found, bypasses: bypasses)
        } catch let error as ObjectsError {
            return Deletion(failure: error)
        }
        try remove(found, state, in: transaction)
        if found.isCurrent {
            let heir = try transaction.scalar(
                """
                SELECT number FROM versions WHERE collection = ? AND key = ? AND current IS NULL AND removed IS NULL
                ORDER BY number DESC LIMIT 1
                """,
                .init(collection), .init(key))
            if let heir {
                try transaction.run(
                    "UPDATE versions SET current = 1, superseded = NULL WHERE number = ?", .init(heir))
            }
        }
        if state.hasProperties {
            let current = try latest(collection: collection, key: key, in: transaction)
            let past = try transaction.scalar(
                """
                SELECT 1 FROM versions
                WHERE collection = ? AND key = ? AND current IS NULL AND removed IS NULL AND object = ? LIMIT 1
                """,
                .init(collection), .init(key), .init(found.object))
            if current?.object != found.object, past == nil {
                try discardProperties(of: found, state, in: transaction)
            }
        }
        return Deletion(removed: (found.name, found.isDeleteMarker), existed: !found.isDeleteMarker)
    }
}

// What the Janitor calls.
extension Objects {
    /// Removes the rows of versions that were removed long enough ago; their blobs become garbage.
    ///
    /// - Returns: how many, at most `limit`.
    package func purgeRemoved(olderThan seconds: Int64, limit: Int = 500) async throws -> Int {
        let before = Timestamp.now.adding(seconds: -seconds).microseconds
        return try await journal.database.write { transaction in
            let rows = try transaction.rows(
                """
                SELECT number, collection, removed FROM versions WHERE removed IS NOT NULL AND removed_at <= ?
                ORDER BY removed_at LIMIT ?
                """,
                .init(before), .init(limit)
            ) { (number: $0.int(0), collection: $0.int(1), removed: $0.int(2)) }
            try Self.purge(rows, in: transaction)
            return rows.count
        }
    }

    /// Discards versions of a collection that only readers of the past could still see, before their time.
    ///
    /// - Returns: how many, at most `limit`.
    package func purgePast(of collection: Int64, limit: Int = 500) async throws -> Int {
        try await journal.database.write { transaction in
            // What an open transaction has written has a `removed` of 0.
            let rows = try transaction.rows(
                """
                SELECT number, collection, removed FROM versions
                WHERE collection = ? AND current IS NULL AND removed > 0 LIMIT ?
                """,
                .init(collection), .init(limit)
            ) { (number: $0.int(0), collection: $0.int(1), removed: $0.int(2)) }
            try Self.purge(rows, in: transaction)
            return rows.count
        }
    }

    private static func purge(
        _ rows: [(number: Int64, collection: Int64, removed: Int64)], in transaction: Transaction
    ) throws {
        for row in rows { try discard(row.number, in: transaction) }
        // From here on what was there before these were removed cannot be told any more.
        for (collection, removed) in Dictionary(rows.map { ($0.collection, $0.removed) }, uniquingKeysWith: max)
            .sorted(by: { $0.key < $1.key })
        {
            try transaction.run(
                """
                INSERT INTO horizons (collection, tid) SELECT id, CAST(? AS INTEGER) FROM collections WHERE id = ?
                ON CONFLICT (collection) DO UPDATE SET tid = excluded.tid WHERE horizons.tid < excluded.tid
                """,
                .init(removed), .init(collection))
        }
    }

    /// Removes a version's row. Blobs that nothing else refers to become garbage.
    static func discard(_ number: Int64, in transaction: Transaction) throws {
        let row = try transaction.first(
            "SELECT id, blob, store, part_count FROM versions WHERE number = ?", .init(number)
        ) { row in
            (id: row.blob(0), place: try row.isNull(1) ? nil : place(row, 1), hasParts: row.int(3) > 0)
        }
        guard let row else { return }
        // A version that was moved has another row, which goes on using its parts.
        let isMoved =
            try row.hasParts
            && transaction.scalar(
                "SELECT 1 FROM versions WHERE id = ? AND number <> ? AND part_count > 0 LIMIT 1", .init(row.id),
                .init(number)) != nil
        var places = row.place.map { [$0] } ?? []
        if !isMoved {
            places += try transaction.rows("SELECT blob, store FROM parts WHERE version = ?", .init(row.id)) {
                try place($0, 0)
            }
            try transaction.run("DELETE FROM parts WHERE version = ?", .init(row.id))
        }
        try transaction.run("DELETE FROM versions WHERE number = ?", .init(number))
        try release(places, in: transaction)
    }

    /// A blob and, in the next column, its store.
    private static func place(_ row: borrowing Row, _ column: Int) throws -> BlobPlace {
        BlobPlace(
            id: try BlobID(bytes: row.blob(column)), storageClass: StorageClass(stored: row.textOrNil(column + 1)))
    }

    /// Removes every version of a collection.
    static func discardAll(collection: Int64, in transaction: Transaction) throws {
        // Each condition has its index; without one all versions of all collections would be looked at.
        for condition in ["current = 1", "current IS NULL"] {
            let numbers = try transaction.rows(
                "SELECT number FROM versions WHERE collection = ? AND \(condition)", .init(collection)
            ) { $0.int(0) }
            for number in numbers { try discard(number, in: transaction) }
        }
    }

    /// Deletes garbage that is older than `seconds` from the blob stores. What is in a store that the node does not
    /// have now stays.
    ///
    /// - Returns: how many blobs, at most `limit`.
    package func collectGarbage(olderThan seconds: Int64, limit: Int = 500) async throws -> Int {
        let before = Timestamp.now.adding(seconds: -seconds).microseconds
        let stores = storageClasses.map { SQLValue($0.rawValue) }
        let marks = Array(repeating: "?", count: stores.count).joined(separator: ", ")
        let found = try await journal.read { reader in
            try reader.rows(
                """
                SELECT blob, store, EXISTS (SELECT 1 FROM versions WHERE versions.blob = garbage.blob)
                OR EXISTS (SELECT 1 FROM parts WHERE parts.blob = garbage.blob)
                FROM garbage WHERE since <= ? AND (store IS NULL OR store IN (\(marks))) ORDER BY since LIMIT ?
                """,
                [.init(before)] + stores + [.init(limit)]
            ) { (place: try Self.place($0, 0), isNamed: $0.bool(2)) }
        }
        for (place, isNamed) in found {
            // First the bytes, then the row: a crash between the two deletes once more. A copy may have come to name
            // the blob while its last row went.
            if !isNamed { try await store(of: place.storageClass).delete(place.id) }
            try await journal.database.write { try $0.run("DELETE FROM garbage WHERE blob = ?", .init(place.id.bytes)) }
        }
        return found.count
    }

    /// Deletes blobs that no row names: what a crash between bytes and row left. Only blobs made before `moment` are
    /// looked at, since a younger one may be about to get its row.
    ///
    /// - Returns: how many were deleted.
    package func sweepOrphans(
        in storageClass: StorageClass = .standard, madeBefore moment: Timestamp
    ) async throws -> Int {
        let store = try store(of: storageClass)
        var deleted = 0
        var after: BlobID?
        while true {
            let page = try await store.list(after: after, limit: 1000)
            guard let last = page.last else { return deleted }
            after = last.id
            for info in page where info.modified < moment {
                if try await !isNamed(info.id) {
                    try await store.delete(info.id)
                    deleted += 1
                }
            }
        }
    }

    /// Whether any row names a blob, be it as garbage.
    func isNamed(_ blob: BlobID) async throws -> Bool {
        let id = blob.bytes
        return try await journal.read { reader in
            try reader.scalar(
                """
                SELECT 1 WHERE EXISTS (SELECT 1 FROM versions WHERE blob = ?)
                OR EXISTS (SELECT 1 FROM parts WHERE blob = ?) OR EXISTS (SELECT 1 FROM garbage WHERE blob = ?)
                """,
                .init(id), .init(id), .init(id)) != nil
        }
    }
}
