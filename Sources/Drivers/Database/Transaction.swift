/// How a row is held that was read in a transaction.
package enum RowHold: Sendable {
    case shared
    case exclusively
}

/// One writing transaction, for the length of one closure: everything a `Reader` can do, and changes.
///
/// The closure may be run more than once (PostgreSQL: deadlock, lost connection; SQLite: a neighbour in the commit
/// group filled the disk), so it must have no effects outside of the database.
package final class Transaction: Reader {
    private var taken: Int64?
    private var ordinals: Int64 = 0
    private var endings: [(Transaction) throws -> Void] = []

    /// Runs a statement, waits for it, and returns how many rows it changed.
    @discardableResult
    package func execute(_ sql: String, _ values: [SQLValue]) throws -> Int {
        try session.check(sql, values)
        return try session.execute(sql, values)
    }

    @discardableResult
    package func execute(_ sql: String, _ values: SQLValue...) throws -> Int {
        try execute(sql, values)
    }

    /// Runs a statement whose outcome the closure does not need. PostgreSQL gets it without being waited for, so
    /// its error may be thrown by a later call or by the commit; either way the transaction fails as a whole.
    package func run(_ sql: String, _ values: [SQLValue]) throws {
        try session.check(sql, values)
        try session.run(sql, values)
    }

    package func run(_ sql: String, _ values: SQLValue...) throws {
        try run(sql, values)
    }

    /// Holds `name` exclusively until this transaction ends. Among transactions that lock the same name, TID order
    /// is commit order.
    ///
    /// Locks come first: once the transaction has its id (because `tid` was asked for, or because it changed a row,
    /// which gives it one on PostgreSQL) a lock throws `.misuse`, since another holder with a later id could
    /// already have committed. Two transactions that lock several names in different orders may deadlock; one of
    /// them is then run again.
    ///
    /// - Parameter isShared: others may hold `name` so too, but nobody exclusively. It orders no TIDs among those who
    ///   share it.
    package func lock(_ name: String, isShared: Bool = false) throws {
        try session.check("lock", [])
        guard taken == nil, !session.hasWritten else {
            throw session.failed(
                DatabaseError(.misuse, "lock \"\(name)\" is taken too late: locks come before tid and before changes"))
        }
        try session.lock(name, isShared: isShared)
    }

    /// All rows, each through `map`, that stay as they are until this transaction ends: shared among those who want
    /// no more than that, or exclusively. Who asks for the other kind waits. What is read was committed last, also
    /// where that took waiting.
    ///
    /// On SQLite there is one writer, so every row stays anyway. On PostgreSQL the transaction has its id from now on:
    /// names are locked before.
    package func rows<T>(
        holding hold: RowHold, _ sql: String, _ values: SQLValue..., map: (borrowing Row) throws -> T
    ) throws -> [T] {
        try rows(session.holding(hold, sql), values, map: map)
    }

    /// Has something done when the closure has come to its end, as part of the transaction: what can only be known
    /// then.
    package func atEnd(_ body: @escaping (Transaction) throws -> Void) { endings.append(body) }

    func end() throws {
        for ending in endings { try ending(self) }
    }

    /// Counts up from 0 within this transaction, for what is numbered within its TID.
    package func nextOrdinal() -> Int64 {
        defer { ordinals += 1 }
        return ordinals
    }

    /// This transaction's id: 64 bit, unique, never given out again. Assigned when first asked for.
    ///
    /// On SQLite TIDs count up in commit order (a rolled-back transaction leaves a gap). On PostgreSQL they are in
    /// commit order among holders of one lock; a follower of all transactions reads up to `horizon()`.
    package var tid: Int64 {
        get throws {
            if let taken { return taken }
            try session.check("tid", [])
            let tid = try session.takeTID()
            taken = tid
            return tid
        }
    }
}
