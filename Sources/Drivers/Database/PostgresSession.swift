import CLibPQ

/// The transactions of one PostgreSQL connection.
final class PostgresSession: Session {
    enum Mode: String {
        case read = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        /// Each statement sees what was committed before it, so that one after `lock` sees the last holder's changes.
        case write = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE"
    }

    let pipeline: PostgresPipeline
    var failure: DatabaseError?
    private(set) var hasWritten = false
    /// Nothing more can be done with the connection.
    private(set) var isBroken = false

    private var mode = Mode.read
    private var hasBegun = false
    private var tids: PostgresTIDs
    private var raisedCeiling: Int64?

    init(url: String) throws {
        pipeline = try PostgresPipeline(url: url)
        tids = try PostgresTIDs.settle(pipeline)
    }

    /// Before each closure. BEGIN travels with the first statement.
    func begin(_ mode: Mode) {
        self.mode = mode
        failure = nil
        hasWritten = false
        hasBegun = false
        raisedCeiling = nil
    }

    func query(_ sql: String, _ values: [SQLValue], _ body: (borrowing Row) throws -> Void) throws {
        if !Self.isReading(sql) { hasWritten = true }
        // The result is taken out of `recording` first: errors of `body` are the caller's and fail no transaction.
        let result = try recording { () -> PostgresResult? in
            try send(sql, values)
            return try pipeline.collect()
        }
        guard let result else { return }
        for row in 0..<PQntuples(result.pointer) {
            try body(Row(.postgres(result: result.pointer, row: row)))
        }
    }

    func execute(_ sql: String, _ values: [SQLValue]) throws -> Int {
        hasWritten = true
        return try recording {
            try send(sql, values)
            guard let result = try pipeline.collect(), let count = PQcmdTuples(result.pointer) else { return 0 }
            return Int(String(cString: count)) ?? 0
        }
    }

    func run(_ sql: String, _ values: [SQLValue]) throws {
        hasWritten = true
        try recording { try send(sql, values) }
    }

    func define(_ sql: String) throws {
        hasWritten = true
        try recording {
            try sendBegin()
            try pipeline.sendPlain(sql)
            _ = try pipeline.collect()
        }
    }

    func lock(_ name: String, isShared: Bool) throws {
        let statement = isShared ? PostgresTIDs.sharedLockStatement : PostgresTIDs.lockStatement
        try recording { try send(statement, [.integer(PostgresTIDs.lockKey(name))]) }
    }

    /// KEY SHARE is what every row that refers to the found one takes anyway.
    func holding(_ hold: RowHold, _ sql: String) -> String {
        hasWritten = true
        return sql + (hold == .shared ? " FOR KEY SHARE" : " FOR UPDATE")
    }

    func takeTID() throws -> Int64 {
        try recording {
            try send("SELECT pg_current_xact_id()", [])
            let tid = try integer() + tids.offset
            if tid > tids.ceiling {
                let ceiling = tid + PostgresTIDs.ceilingStep
                try send(PostgresTIDs.raiseStatement, [.integer(ceiling), .integer(ceiling)])
                raisedCeiling = ceiling
            }
            return tid
        }
    }

    func horizon() throws -> Int64 {
        try recording {
            try send("SELECT pg_snapshot_xmin(pg_current_snapshot())", [])
            return try integer() + tids.offset
        }
    }

    func firstUnended() throws -> Int64 {
        try recording {
            try send("SELECT pg_snapshot_xmax(pg_current_snapshot())", [])
            return try integer() + tids.offset
        }
    }

    /// Commits. A read's commit is sent and not waited for: its answer comes with the next read's first result.
    func commit() throws {
        guard hasBegun else { return }
        do {
            try pipeline.sendPlain("COMMIT")
            try pipeline.sendSync()
            if mode == .read { return }
            let result = try pipeline.collect()
            let tag = result.flatMap { PQcmdStatus($0.pointer) }.map { String(cString: $0) }
            // A COMMIT of a failed transaction succeeds as ROLLBACK.
            guard tag == "COMMIT" else { throw DatabaseError(.other, "PostgreSQL rolled the transaction back") }
        } catch let error as DatabaseError where error.remedy == .reconnect && mode == .write {
            isBroken = true
            throw failed(
                DatabaseError(.commitUnknown, "the connection broke during COMMIT, whose outcome is unknown: \(error)"))
        } catch let error as DatabaseError {
            throw failed(error)
        }
        if let raisedCeiling { tids.ceiling = raisedCeiling }
    }

    /// After a failure, of the closure or of a statement.
    func rollback() {
        guard hasBegun, !isBroken else { return }
        do {
            try pipeline.recover()
        } catch {
            isBroken = true
        }
    }

    private func send(_ sql: String, _ values: [SQLValue]) throws {
        try sendBegin()
        try pipeline.send(sql, values)
    }

    private func sendBegin() throws {
        guard !hasBegun else { return }
        try pipeline.sendPlain(mode.rawValue)
        hasBegun = true
    }

    private func integer() throws -> Int64 {
        guard let result = try pipeline.collect(), PQntuples(result.pointer) == 1 else {
            throw DatabaseError(.other, "PostgreSQL did not answer with one row")
        }
        return Row(.postgres(result: result.pointer, row: 0)).int(0)
    }

    private func recording<T>(_ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch let error as DatabaseError {
            if error.remedy == .reconnect { isBroken = true }
            throw failed(error)
        }
    }

    /// By its first word, which is enough for the lock rule; SQLite, which knows exactly, catches the rest in tests.
    private static func isReading(_ sql: String) -> Bool {
        let word = sql.drop { $0.isWhitespace }.prefix { $0.isLetter }.uppercased()
        return word == "SELECT" || word == "WITH" || word == "VALUES"
    }
}
