/// One connection of an engine during one transaction: what `Reader` and `Transaction` stand on.
///
/// A statement that fails makes the whole transaction fail, on both engines: `failure` keeps the first error, every
/// later statement throws it again, and the transaction is rolled back even if the closure caught the error.
/// PostgreSQL behaves so by itself; SQLite is held to the same, so that code tested on one engine holds on the other.
protocol Session: AnyObject {
    var failure: DatabaseError? { get set }
    /// Whether this transaction has changed something, and so may hold its transaction id already.
    var hasWritten: Bool { get }

    func query(_ sql: String, _ values: [SQLValue], _ body: (borrowing Row) throws -> Void) throws
    func execute(_ sql: String, _ values: [SQLValue]) throws -> Int
    func run(_ sql: String, _ values: [SQLValue]) throws
    /// Runs one statement of a migration, outside of the statement cache.
    func define(_ sql: String) throws
    func lock(_ name: String, isShared: Bool) throws
    /// The statement, so that the rows that it finds stay as they are until the transaction ends.
    func holding(_ hold: RowHold, _ sql: String) -> String
    func takeTID() throws -> Int64
    func horizon() throws -> Int64
    func firstUnended() throws -> Int64
}

extension Session {
    /// Records the first error of the transaction and returns it.
    func failed(_ error: DatabaseError) -> DatabaseError {
        if failure == nil { failure = error }
        return error
    }

    func check(_ sql: String, _ values: [SQLValue]) throws {
        if let failure { throw failure }
        for (index, value) in values.enumerated() {
            if let fault = value.fault {
                throw failed(DatabaseError(.misuse, "value \(index + 1): \(fault)", sql: sql))
            }
        }
    }

    func checkCount(_ sql: String, expected: Int, given: Int) throws {
        if expected != given {
            throw failed(
                DatabaseError(.misuse, "the statement has \(expected) placeholders but got \(given) values", sql: sql))
        }
    }
}
