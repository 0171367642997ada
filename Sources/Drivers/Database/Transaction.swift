/// One writing transaction, for the length of one closure: everything a `Reader` can do, and changes.
///
/// The closure may be run more than once (PostgreSQL: deadlock, lost connection; SQLite: a neighbour in the commit
/// group filled the disk), so it must have no effects outside of the database.
package final class Transaction: Reader {
    private var taken: Int64?
    private var ordinals: Int64 = 0

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
