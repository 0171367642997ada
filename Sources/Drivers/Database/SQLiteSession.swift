import CSQLite

/// The transactions of one SQLite connection.
final class SQLiteSession: Session {
    let connection: SQLiteConnection
    var failure: DatabaseError?
    private(set) var hasWritten = false

    private let tids: SQLiteTIDs
    /// The horizon of the present snapshot.
    private var ended: Int64 = 0

    init(_ connection: SQLiteConnection, _ tids: SQLiteTIDs) {
        self.tids = tids
        self.connection = connection
    }

    /// Before each closure, and before its snapshot is taken.
    func begin() {
        failure = nil
        hasWritten = false
        ended = tids.ended
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
    func lock(_ name: String, isShared: Bool) throws {}

    /// There is one writer, so every row stays.
    func holding(_ hold: RowHold, _ sql: String) -> String { sql }

    func takeTID() throws -> Int64 {
        if let tid = tids.take() { return tid }
        return tids.reserve(above: try storedTID())
    }

    func horizon() throws -> Int64 { ended + 1 }
    func firstUnended() throws -> Int64 { ended + 1 }

    /// At the end of a commit group: what was reserved for it becomes part of it.
    func storeTID() throws {
        guard let bound = tids.unstored else { return }
        failure = nil
        _ = try execute("UPDATE database_state SET value = ? WHERE name = 'tid'", [.integer(bound)])
    }

    func committedTID() { tids.committed() }
    func forgetTID() { tids.rolledBack() }

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
        tids.begin(at: try storedTID())
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
