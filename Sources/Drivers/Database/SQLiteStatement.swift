import CSQLite

/// A prepared statement: exactly one, so that both engines accept the same strings.
final class SQLiteStatement {
    let pointer: OpaquePointer
    let sql: String
    let placeholders: Int
    let isReadOnly: Bool
    private(set) var isBusy = false
    private let handle: OpaquePointer

    init(_ handle: OpaquePointer, _ sql: String) throws {
        var sql = sql
        var prepared: OpaquePointer?
        let (code, rest) = sql.withUTF8 { bytes -> (Int32, Int) in
            guard bytes.count < Int32.max else { return (SQLITE_TOOBIG, 0) }
            return bytes.withMemoryRebound(to: CChar.self) { text in
                guard let start = text.baseAddress else { return (SQLITE_OK, 0) }
                var tail: UnsafePointer<CChar>?
                let code = sqlite3_prepare_v3(
                    handle, start, Int32(text.count), UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, &tail)
                return (code, tail.map { text.count - start.distance(to: $0) } ?? 0)
            }
        }
        guard code == SQLITE_OK else { throw DatabaseError.sqlite(code, handle, sql: sql) }
        guard let prepared else { throw DatabaseError(.misuse, "the statement is empty", sql: sql) }
        let remainder = sql.utf8.suffix(rest)
        guard remainder.allSatisfy({ $0 == UInt8(ascii: ";") || $0 <= UInt8(ascii: " ") }) else {
            sqlite3_finalize(prepared)
            throw DatabaseError(.misuse, "more than one statement in one string; pass them one by one", sql: sql)
        }
        pointer = prepared
        self.sql = sql
        self.handle = handle
        placeholders = Int(sqlite3_bind_parameter_count(prepared))
        isReadOnly = sqlite3_stmt_readonly(prepared) != 0
    }

    deinit {
        sqlite3_finalize(pointer)
    }

    func bind(_ values: [SQLValue]) throws {
        var index: Int32 = 1
        for value in values {
            let code = Self.bind(pointer, index, value)
            guard code == SQLITE_OK else {
                sqlite3_clear_bindings(pointer)
                throw DatabaseError.sqlite(code, handle, sql: sql)
            }
            index += 1
        }
    }

    /// True if a row is there to be read, false at the end.
    func step() throws -> Bool {
        isBusy = true
        switch sqlite3_step(pointer) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code: throw DatabaseError.sqlite(code, handle, sql: sql)
        }
    }

    func reset() {
        sqlite3_reset(pointer)
        sqlite3_clear_bindings(pointer)
        isBusy = false
    }

    /// Tells SQLite to copy the bytes before the call returns (SQLITE_TRANSIENT, a cast macro in C).
    private static let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    private static func bind(_ statement: OpaquePointer, _ index: Int32, _ value: SQLValue) -> Int32 {
        switch value {
        case .null:
            return sqlite3_bind_null(statement, index)
        case .integer(let number):
            return sqlite3_bind_int64(statement, index, number)
        case .real(let number):
            return sqlite3_bind_double(statement, index, number)
        case .text(var text):
            return text.withUTF8 { bytes in
                guard let start = bytes.baseAddress else { return sqlite3_bind_text(statement, index, "", 0, copied) }
                return start.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
                    sqlite3_bind_text64(statement, index, $0, UInt64(bytes.count), copied, UInt8(SQLITE_UTF8))
                }
            }
        case .blob(let blob):
            // A null pointer would bind NULL rather than no bytes.
            if blob.isEmpty { return sqlite3_bind_zeroblob(statement, index, 0) }
            return blob.withUnsafeBytes {
                sqlite3_bind_blob64(statement, index, $0.baseAddress, UInt64($0.count), copied)
            }
        }
    }
}
