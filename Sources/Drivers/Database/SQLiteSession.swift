import CSQLite

/// The transactions of one SQLite connection.
final class SQLiteSession: Session {
    let connection: SQLiteConnection
    var failure: DatabaseError?
    private(set) var hasWritten = false

    /// The highest TID given out by this connection; nil until the row was read in the present commit group.
    private var counter: Int64?
    /// Kept over failed groups, so that a number seen by any closure is not seen again by another.
    private var highest: Int64 = 0

    init(_ connection: SQLiteConnection) {
        self.connection = connection
    }

    /// Before each closure.
    func begin() {
        failure = nil
        hasWritten = false
    }

    func query(_ sql: String, _ values: [SQLValue], _ body: (borrowing Row) throws -> Void) throws {
        let statement = try prepared(sql, values)
        defer { statement.reset() }
        while try step(statement) {
            try body(Row(.sqlite(statement.pointer)))
        }
    }

    func execute(_ sql: String, _ values: [SQLValue]) throws -> Int {
        let statement = try prepared(sql, values)
        defer { statement.reset() }
        while try step(statement) {}
        return statement.isReadOnly ? 0 : Int(sqlite3_changes64(connection.handle))
    }

    func run(_ sql: String, _ values: [SQLValue]) throws {
        _ = try execute(sql, values)
    }

    func define(_ sql: String) throws {
        let statement = try recording { try SQLiteStatement(connection.handle, sql) }
        hasWritten = true
        while try step(statement) {}
    }

    /// There is one writer, so every name is held already.
    func lock(_ name: String) throws {}

    func takeTID() throws -> Int64 {
        let last = try counter ?? max(highest, storedTID())
        counter = last + 1
        highest = last + 1
        return last + 1
    }

    func horizon() throws -> Int64 { try storedTID() + 1 }

    /// At the end of a commit group: makes the counter part of it. The counter row is written once a group.
    func storeTID() throws {
        guard let counter else { return }
        self.counter = nil
        failure = nil
        _ = try execute("UPDATE database_state SET value = ? WHERE name = 'tid'", [.integer(counter)])
    }

    func forgetTID() { counter = nil }

    /// The counter's table, in a transaction of its own. Once for each connection that writes.
    func createState() throws {
        try connection.execute("BEGIN IMMEDIATE")
        do {
            try connection.execute(
                "CREATE TABLE IF NOT EXISTS database_state (name TEXT PRIMARY KEY, value INTEGER NOT NULL)")
            try connection.execute(
                "INSERT INTO database_state (name, value) VALUES ('tid', 0) ON CONFLICT (name) DO NOTHING")
            try connection.execute("COMMIT")
        } catch {
            if !connection.isIdle { try? connection.execute("ROLLBACK") }
            throw error
        }
    }

    private func storedTID() throws -> Int64 {
        var value: Int64 = 0
        try query("SELECT value FROM database_state WHERE name = 'tid'", []) { value = $0.int(0) }
        return value
    }

    private func prepared(_ sql: String, _ values: [SQLValue]) throws -> SQLiteStatement {
        let statement = try recording { try connection.statement(sql) }
        try checkCount(sql, expected: statement.placeholders, given: values.count)
        try recording { try statement.bind(values) }
        if !statement.isReadOnly { hasWritten = true }
        return statement
    }

    private func step(_ statement: SQLiteStatement) throws -> Bool {
        try recording { try statement.step() }
    }

    private func recording<T>(_ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch let error as DatabaseError {
            throw failed(error)
        }
    }
}
