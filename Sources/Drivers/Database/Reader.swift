/// One consistent view of the database, for the length of one closure. It must not be kept beyond it.
///
/// A statement that fails fails the whole transaction: later calls throw the same error again.
@usableFromInline package class Reader {
    let session: any Session

    init(_ session: any Session) {
        self.session = session
    }

    /// Runs a statement and hands each row to `body`. A row is valid only during that call.
    ///
    /// PostgreSQL holds the complete answer in memory, so a statement over many rows needs a LIMIT.
    /// Throws `DatabaseError`, or whatever `body` throws.
    @usableFromInline
    package final func query(
        _ sql: String, _ values: [SQLValue], body: (borrowing Row) throws -> Void
    ) throws {
        try session.check(sql, values)
        try session.query(sql, values, body)
    }

    @usableFromInline
    package final func query(
        _ sql: String, _ values: SQLValue..., body: (borrowing Row) throws -> Void
    ) throws {
        try query(sql, values, body: body)
    }

    /// Hands each row to `body` until that answers false: later rows are not looked for.
    package final func scan(
        _ sql: String, _ values: [SQLValue], body: (borrowing Row) throws -> Bool
    ) throws {
        struct Enough: Error {}
        do {
            try query(sql, values) { row in
                guard try body(row) else { throw Enough() }
            }
        } catch is Enough {}
    }

    /// All rows, each through `map`, in order.
    @inlinable
    package final func rows<T>(
        _ sql: String, _ values: [SQLValue], map: (borrowing Row) throws -> T
    ) throws -> [T] {
        var result: [T] = []
        try query(sql, values) { row in result.append(try map(row)) }
        return result
    }

    @inlinable
    package final func rows<T>(
        _ sql: String, _ values: SQLValue..., map: (borrowing Row) throws -> T
    ) throws -> [T] {
        try rows(sql, values, map: map)
    }

    /// The first row through `map`, or nil if there is none. Later rows are not looked at.
    @inlinable
    package final func first<T>(
        _ sql: String, _ values: [SQLValue], map: (borrowing Row) throws -> T
    ) throws -> T? {
        var result: T?
        try query(sql, values) { row in
            if result == nil { result = try map(row) }
        }
        return result
    }

    @inlinable
    package final func first<T>(
        _ sql: String, _ values: SQLValue..., map: (borrowing Row) throws -> T
    ) throws -> T? {
        try first(sql, values, map: map)
    }

    /// The integer in the first column of the first row; nil if there is no row or the value is NULL.
    package final func scalar(_ sql: String, _ values: [SQLValue]) throws -> Int64? {
        try first(sql, values) { $0.intOrNil(0) } ?? nil
    }

    package final func scalar(_ sql: String, _ values: SQLValue...) throws -> Int64? {
        try scalar(sql, values)
    }

    /// The first transaction id that may not be read yet by a follower of the journal.
    ///
    /// Every transaction with a TID below the horizon has ended, and its rows, if it committed, are in this snapshot.
    /// A follower that reads `tid < horizon` in TID order from its cursor therefore never skips an event whose
    /// transaction commits late. On PostgreSQL this is `pg_snapshot_xmin` of the snapshot plus the offset, so a
    /// writing transaction that stays open, in any database of the cluster, holds it back. On SQLite it is the last
    /// TID + 1 of the commits before this snapshot; they have to be of this process.
    package final func horizon() throws -> Int64 {
        try session.check("horizon", [])
        return try session.horizon()
    }

    /// The first transaction id above all that had ended when this snapshot was taken; never below ``horizon()``.
    ///
    /// Between the two are ended and running transactions. One at or above it is running or has not begun.
    package final func firstUnended() throws -> Int64 {
        try session.check("first unended", [])
        return try session.firstUnended()
    }
}
