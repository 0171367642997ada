import Database
import Journal
import Wire

/// A row of `staged`.
struct StagedRow: Sendable {
    var collection: Int64
    var key: String
    var base: Int64?
    var number: Int64?

    static let columns = "collection, key, base, number"

    init(_ row: borrowing Row) {
        (collection, key, base, number) = (row.int(0), row.text(1), row.intOrNil(2), row.intOrNil(3))
    }
}

// How a write waits for its transaction.
extension Objects {
    static func stagedRows(of id: TransactionID, in reader: Reader) throws -> [StagedRow] {
        try reader.rows(
            "SELECT \(StagedRow.columns) FROM staged WHERE transaction_id = ? ORDER BY collection, key",
            .init(id.bytes)
        ) { StagedRow($0) }
    }

    static func stagedRow(
        of id: TransactionID, collection: Int64, key: String, in reader: Reader
    ) throws -> StagedRow? {
        try reader.first(
            "SELECT \(StagedRow.columns) FROM staged WHERE transaction_id = ? AND collection = ? AND key = ?",
            .init(id.bytes), .init(collection), .init(key)
        ) { StagedRow($0) }
    }

    /// Keeps a version for a transaction.
    ///
    /// - Parameters:
    ///   - condition: looks at what the transaction has made of the key, or else at what is there.
    ///   - alongside: what else has to be written.
    /// - Throws: ``ObjectsError`` `.noSuchTransaction`, `.transactionEnded`, `.transactionLimit`, or what the closures
    ///   throw.
    static func stage(
        _ version: ObjectVersion, inline: [UInt8]?, for id: TransactionID, condition: WriteCondition,
        alongside: (Transaction, CollectionState) throws -> Void = { _, _ in }, in transaction: Transaction
    ) throws -> ObjectVersion {
        try transaction.lock(lockName(id))
        let place = try StagedPlace(id, collection: version.collection, key: version.key, in: transaction)
        try condition(place.object)
        let state = try CollectionState(of: version.collection, in: transaction)
        try alongside(transaction, state)
        var version = version
        // As it would be now; what is so at the commit counts.
        version.isNull = state.versioning(of: version.key) != .enabled
        version.object = place.object?.object ?? 0
        try insert(&version, inline: inline, state, isStaged: true, in: transaction)
        try place.take(version.number, in: transaction)
        return version
    }

    /// Notes for a transaction, whose lock is held, that a key is to be deleted.
    static func stageDeletion(
        of key: String, collection: Int64, for id: TransactionID, condition: WriteCondition?,
        in transaction: Transaction
    ) throws -> Deletion {
        let place = try StagedPlace(id, collection: collection, key: key, in: transaction)
        do {
            try condition?(place.object)
        } catch let error as ObjectsError {
            return Deletion(failure: error)
        }
        try place.take(nil, in: transaction)
        return Deletion(existed: place.object != nil)
    }

    /// Takes a write out of a transaction again: the key is then as if the transaction had never named it.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchTransaction`, `.transactionEnded`, `.noSuchKey`.
    package func unstage(_ key: String, in name: String, from id: TransactionID) async throws {
        let collection = try await collection(name)
        try await journal.database.write { transaction in
            try transaction.lock(Self.lockName(id))
            _ = try Self.openTransaction(id, in: transaction)
            let row = try Self.stagedRow(of: id, collection: collection.id, key: key, in: transaction)
            guard let row else {
                throw ObjectsError(.noSuchKey, "the transaction does not write '\(key.prefix(200))'")
            }
            if let number = row.number { try Self.giveUp(number, in: transaction) }
            try transaction.run(
                "DELETE FROM staged WHERE transaction_id = ? AND collection = ? AND key = ?", .init(id.bytes),
                .init(collection.id), .init(key))
            try transaction.run("UPDATE transactions SET writes = writes - 1 WHERE id = ?", .init(id.bytes))
        }
    }

    /// A version that a transaction held ready and does not need any more: the Janitor takes it away.
    static func giveUp(_ number: Int64, in transaction: Transaction) throws {
        try transaction.run(
            "UPDATE versions SET removed_at = ? WHERE number = ? AND removed = ?", .init(Timestamp.now.microseconds),
            .init(number), .init(neverThere))
    }
}

/// What a transaction has of a key, and what is there without it. The transaction's lock is held.
struct StagedPlace {
    private let id: TransactionID
    private let collection: Int64
    private let key: String
    private let earlier: StagedRow?
    private let latest: Int64?
    /// The object that the transaction sees.
    let object: ObjectVersion?

    init(_ id: TransactionID, collection: Int64, key: String, in transaction: Transaction) throws {
        let found = try Objects.openTransaction(id, in: transaction)
        (self.id, self.collection, self.key) = (id, collection, key)
        earlier = try Objects.stagedRow(of: id, collection: collection, key: key, in: transaction)
        guard earlier != nil || found.writes < TransactionLimits.writesMax else {
            throw ObjectsError(
                .transactionLimit, "a transaction writes at most \(TransactionLimits.writesMax) keys: commit it first")
        }
        if let earlier {
            latest = nil
            object = try earlier.number.flatMap { try Objects.version(number: $0, in: transaction) }
        } else {
            let current = try Objects.latest(collection: collection, key: key, in: transaction)
            latest = current?.number
            object = current.flatMap { $0.isDeleteMarker ? nil : $0 }
        }
    }

    /// - Parameter number: of the version that the key is to stand for; nil to delete it.
    func take(_ number: Int64?, in transaction: Transaction) throws {
        guard let earlier else {
            try transaction.run(
                "INSERT INTO staged (transaction_id, collection, key, base, number) VALUES (?, ?, ?, ?, ?)",
                .init(id.bytes), .init(collection), .init(key), .init(latest), .init(number))
            try transaction.run("UPDATE transactions SET writes = writes + 1 WHERE id = ?", .init(id.bytes))
            return
        }
        try transaction.run(
            "UPDATE staged SET number = ? WHERE transaction_id = ? AND collection = ? AND key = ?", .init(number),
            .init(id.bytes), .init(collection), .init(key))
        if let former = earlier.number { try Objects.giveUp(former, in: transaction) }
    }
}
