import Database
package import Journal
import Wire

extension EventKind {
    package static let transactionCommitted = EventKind("transaction.committed")
    package static let transactionAborted = EventKind("transaction.aborted")
    package static let transactionExpired = EventKind("transaction.expired")
}

// What a transaction writes is a row of `versions` like any other, but one that was never there: `removed` is 0, below
// every TID. So its bytes are looked after as all others are, and nobody sees it. Committing gives the rows their
// numbers in history. `base` is the number of what was current when the key was first written; where it is not current
// any more, somebody else was faster.
extension Objects {
    static let transactionMigrations = [
        Migration(
            module: "transactions", number: 1,
            [
                """
                CREATE TABLE transactions (
                    id BLOB PRIMARY KEY, owner TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL,
                    writes INTEGER NOT NULL, tid INTEGER)
                """,
                "CREATE INDEX transactions_by_end ON transactions (expires)",
                "CREATE INDEX transactions_open ON transactions (owner) WHERE tid IS NULL",
                // Without a `number` the key is to be deleted.
                """
                CREATE TABLE staged (
                    transaction_id BLOB NOT NULL REFERENCES transactions (id), collection INTEGER NOT NULL,
                    key TEXT NOT NULL, base INTEGER, number INTEGER, PRIMARY KEY (transaction_id, collection, key))
                    WITHOUT ROWID
                """,
            ])
    ]

    /// `removed` of what a transaction holds ready.
    static let neverThere: Int64 = 0

    /// Opens a transaction.
    ///
    /// - Parameter seconds: until it is given up, 1 to ``TransactionLimits/secondsMax``.
    /// - Throws: ``ObjectsError`` `.transactionLimit`.
    package func openTransaction(
        owner: String, seconds: Int64 = TransactionLimits.secondsDefault
    ) async throws -> ObjectTransaction {
        guard (1...TransactionLimits.secondsMax).contains(seconds) else {
            throw ObjectsError(
                .transactionLimit,
                "a transaction lives 1 to \(TransactionLimits.secondsMax) seconds, not \(seconds)")
        }
        let now = Timestamp.now
        let opened = ObjectTransaction(
            id: TransactionID(), owner: owner, created: now, expires: now.adding(seconds: seconds), writes: 0)
        try await journal.database.write { transaction in
            try transaction.lock("transactions of \(owner)")
            let count = try transaction.scalar(
                "SELECT count(*) FROM transactions WHERE owner = ? AND tid IS NULL", .init(owner))
            guard (count ?? 0) < TransactionLimits.openMax else {
                throw ObjectsError(
                    .transactionLimit,
                    "'\(owner)' has \(TransactionLimits.openMax) open transactions: commit or abort one")
            }
            try transaction.run(
                "INSERT INTO transactions (id, owner, created, expires, writes) VALUES (?, ?, ?, ?, 0)",
                .init(opened.id.bytes), .init(owner), .init(now.microseconds), .init(opened.expires.microseconds))
        }
        return opened
    }

    /// A transaction that is open, or was committed not long ago.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchTransaction`.
    package func transaction(_ id: TransactionID) async throws -> ObjectTransaction {
        try await journal.find { try Self.transaction(id, in: $0) }
    }

    /// Transactions of an account, the newest first; of everybody for nil.
    package func transactions(owner: String?, limit: Int = 100) async throws -> [ObjectTransaction] {
        let (condition, values): (String, [SQLValue]) = owner.map { (" WHERE owner = ?", [.init($0)]) } ?? ("", [])
        return try await journal.read { reader in
            try reader.rows(
                "SELECT \(Self.transactionColumns) FROM transactions\(condition) ORDER BY created DESC LIMIT ?",
                values + [.init(limit)], map: Self.transaction)
        }
    }

    private static let transactionColumns = "id, owner, created, expires, writes, tid"

    private static func transaction(_ row: borrowing Row) -> ObjectTransaction {
        ObjectTransaction(
            id: TransactionID(stored: row.blob(0)), owner: row.text(1), created: Timestamp(microseconds: row.int(2)),
            expires: Timestamp(microseconds: row.int(3)), writes: Int(row.int(4)), tid: row.intOrNil(5))
    }

    static func transaction(_ id: TransactionID, in reader: Reader) throws -> ObjectTransaction {
        let found = try reader.first(
            "SELECT \(transactionColumns) FROM transactions WHERE id = ?", .init(id.bytes), map: transaction)
        guard let found, found.tid != nil || found.expires > .now else {
            throw ObjectsError(
                .noSuchTransaction, "there is no transaction \(id.text): it was aborted, has expired, or never was")
        }
        return found
    }

    /// A transaction that is still open, which the database's transaction then has for itself.
    static func openTransaction(_ id: TransactionID, in transaction: Transaction) throws -> ObjectTransaction {
        let found = try self.transaction(id, in: transaction)
        guard found.tid == nil else {
            throw ObjectsError(.transactionEnded, "the transaction \(id.text) was committed already")
        }
        return found
    }

    static func lockName(_ id: TransactionID) -> String { "transaction \(id.text)" }

    /// What a transaction is to write, in the order of collections and keys.
    ///
    /// - Parameter after: where the page begins: behind this collection, by its row id, and key.
    package func stagedWrites(
        of id: TransactionID, after: (collection: Int64, key: String)? = nil, limit: Int = 1000
    ) async throws -> (writes: [StagedWrite], next: (collection: Int64, key: String)?) {
        try await journal.read { reader in
            let rows = try reader.rows(
                """
                SELECT s.collection, s.key, s.number, c.name FROM staged s LEFT JOIN collections c ON c.id = s.collection
                WHERE s.transaction_id = ? AND (s.collection, s.key) > (?, ?) ORDER BY s.collection, s.key LIMIT ?
                """,
                .init(id.bytes), .init(after?.collection ?? 0), .init(after?.key ?? ""), .init(limit + 1)
            ) { (collection: $0.int(0), key: $0.text(1), number: $0.intOrNil(2), name: $0.textOrNil(3)) }
            let writes = try rows.prefix(limit).map { row in
                StagedWrite(
                    collection: row.name ?? "", key: row.key,
                    version: try row.number.flatMap { try Self.version(number: $0, in: reader) })
            }
            return (writes, rows.count > limit ? rows.prefix(limit).last.map { ($0.collection, $0.key) } : nil)
        }
    }

    static func version(number: Int64, in reader: Reader) throws -> ObjectVersion? {
        try reader.first("SELECT \(columns) FROM versions WHERE number = ?", .init(number), map: version)
    }

    // MARK: The end

    /// Makes everything that a transaction has written visible at once, as one TID. Done once more, it changes nothing.
    ///
    /// - Returns: the TID.
    /// - Throws: ``TransactionConflict``; ``ObjectsError`` `.noSuchTransaction`, or why one of the writes is refused.
    ///   The transaction is open then as before.
    package func commit(_ id: TransactionID, by actor: String) async throws -> Int64 {
        try await journal.write { transaction, events in
            try transaction.lock(Self.lockName(id))
            let found = try Self.transaction(id, in: transaction)
            if let tid = found.tid { return tid }
            let rows = try Self.stagedRows(of: id, in: transaction)
            let collections = Set(rows.map(\.collection)).sorted()
            // One lock for all of a collection's keys: ten thousand would be more than an engine has room for.
            for collection in collections { try transaction.lock(Self.treeLockName(collection)) }
            try Self.checkBases(of: id, in: transaction)
            let tid = try transaction.tid
            let now = Timestamp.now
            var places: [Int64: (collection: Collection, state: CollectionState)] = [:]
            for id in collections { places[id] = try Self.place(id, in: transaction) }
            for row in rows {
                guard let place = places[row.collection] else { continue }
                try Self.commit(row, place.collection, place.state, at: now, by: actor, in: transaction, &events)
            }
            try transaction.run("DELETE FROM staged WHERE transaction_id = ?", .init(id.bytes))
            try transaction.run(
                "UPDATE transactions SET tid = ?, expires = ? WHERE id = ?", .init(tid),
                .init(now.adding(seconds: TransactionLimits.rememberedSeconds).microseconds), .init(id.bytes))
            events.record(.transactionCommitted, by: actor, on: id.text) { $0.member("writes", rows.count) }
            return tid
        }
    }

    private static func checkBases(of id: TransactionID, in transaction: Transaction) throws {
        let limit = TransactionLimits.conflictsMax
        let conflicts = try transaction.rows(
            """
            SELECT c.name, s.key FROM staged s LEFT JOIN collections c ON c.id = s.collection
            LEFT JOIN versions v ON v.collection = s.collection AND v.key = s.key AND v.current = 1
            LEFT JOIN versions w ON w.number = s.number
            WHERE s.transaction_id = ? AND (c.id IS NULL OR COALESCE(v.number, 0) <> COALESCE(s.base, 0)
            OR (s.number IS NOT NULL AND w.number IS NULL)) ORDER BY s.collection, s.key LIMIT ?
            """,
            .init(id.bytes), .init(limit + 1)
        ) { (collection: $0.text(0), key: $0.text(1)) }
        guard conflicts.isEmpty else {
            throw TransactionConflict(keys: Array(conflicts.prefix(limit)), hasMore: conflicts.count > limit)
        }
    }

    private static func place(
        _ id: Int64, in transaction: Transaction
    ) throws -> (collection: Collection, state: CollectionState) {
        let found = try transaction.first(
            "SELECT \(collectionColumns) FROM collections WHERE id = ?", .init(id), map: collection)
        guard let found else { throw ObjectsError(.noSuchCollection, "the collection does not exist any more") }
        return (found, try CollectionState(of: id, in: transaction))
    }

    private static func commit(
        _ row: StagedRow, _ collection: Collection, _ state: CollectionState, at now: Timestamp, by actor: String,
        in transaction: Transaction, _ events: inout EventRecorder
    ) throws {
        let latest = try latest(collection: collection.id, key: row.key, in: transaction)
        let object = latest.flatMap { $0.isDeleteMarker ? nil : $0 }
        try checkWritable(
            row.key, of: collection.id, state, isMember: row.number != nil && object != nil, by: actor, holding: [],
            in: transaction)
        guard let number = row.number else {
            let deletion = try delete(latest, collection: collection.id, key: row.key, state, in: transaction)
            record(deletion, of: row.key, in: collection, by: actor, &events)
            return
        }
        guard var version = try version(number: number, in: transaction) else {
            throw ObjectsError(.damaged, "what the transaction has of '\(row.key.prefix(200))' is missing")
        }
        version.object = object?.object ?? version.object
        version.isNull = try displace(latest, collection: collection.id, key: row.key, state, in: transaction)
        state.made(version)
        try transaction.run(
            """
            UPDATE versions SET number = ?, current = 1, removed = NULL, is_null = ?, object = ?, created = ?
            WHERE number = ?
            """,
            .init(nextNumber(in: transaction)), .init(version.isNull), .init(version.object), .init(now.microseconds),
            .init(number))
        record(
            version, in: collection, by: actor, as: version.partCount > 0 ? .completeUpload : .put, &events)
    }

    /// Ends a transaction without any of its writes. One that is not there any more is no error.
    ///
    /// - Throws: ``ObjectsError`` `.transactionEnded` for one that was committed.
    package func abort(_ id: TransactionID, by actor: String) async throws {
        try await journal.write { transaction, events in
            try transaction.lock(Self.lockName(id))
            let found = try transaction.first(
                "SELECT tid FROM transactions WHERE id = ?", .init(id.bytes)
            ) { $0.intOrNil(0) }
            guard let found else { return }
            guard found == nil else {
                throw ObjectsError(.transactionEnded, "the transaction \(id.text) was committed already")
            }
            try Self.end(id, in: transaction)
            events.record(.transactionAborted, by: actor, on: id.text)
        }
    }

    /// What the Janitor calls: gives up transactions whose time is over, and forgets those that were committed long
    /// ago.
    ///
    /// - Returns: how many, at most `limit`.
    package func expireTransactions(limit: Int = 50) async throws -> Int {
        let due = try await journal.read { reader in
            try reader.rows(
                "SELECT id FROM transactions WHERE expires <= ? ORDER BY expires LIMIT ?",
                .init(Timestamp.now.microseconds), .init(limit)
            ) { TransactionID(stored: $0.blob(0)) }
        }
        for id in due {
            try await journal.write { transaction, events in
                try transaction.lock(Self.lockName(id))
                let found = try transaction.first(
                    "SELECT owner, tid FROM transactions WHERE id = ? AND expires <= ?", .init(id.bytes),
                    .init(Timestamp.now.microseconds)
                ) { (owner: $0.text(0), tid: $0.intOrNil(1)) }
                guard let found else { return }
                try Self.end(id, in: transaction)
                if found.tid == nil { events.record(.transactionExpired, by: found.owner, on: id.text) }
            }
        }
        return due.count
    }

    private static func end(_ id: TransactionID, in transaction: Transaction) throws {
        // From here on they are as any other version that was removed: the Janitor takes them away.
        try transaction.run(
            """
            UPDATE versions SET removed_at = ? WHERE removed = ?
            AND number IN (SELECT number FROM staged WHERE transaction_id = ? AND number IS NOT NULL)
            """,
            .init(Timestamp.now.microseconds), .init(neverThere), .init(id.bytes))
        try transaction.run("DELETE FROM staged WHERE transaction_id = ?", .init(id.bytes))
        try transaction.run("DELETE FROM transactions WHERE id = ?", .init(id.bytes))
    }
}
