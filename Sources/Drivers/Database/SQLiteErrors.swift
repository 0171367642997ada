import CSQLite

extension DatabaseError {
    /// From an extended result code (https://www.sqlite.org/rescode.html) and the connection's message, which names
    /// tables and columns but no values.
    static func sqlite(_ code: Int32, _ handle: OpaquePointer?, sql: String? = nil) -> DatabaseError {
        let text = handle.flatMap { sqlite3_errmsg($0) } ?? sqlite3_errstr(code)
        let message = text.map { String(cString: $0) } ?? "unknown error"
        return DatabaseError(self.code(code), "SQLite error \(code): \(message)", sql: sql)
    }

    private static func code(_ code: Int32) -> Code {
        switch code {
        // SQLITE_CONSTRAINT_UNIQUE, _PRIMARYKEY, _ROWID, _FOREIGNKEY, _CHECK, _NOTNULL: macros Swift cannot import.
        case 2067, 1555, 2579: return .constraint(.unique)
        case 787: return .constraint(.foreignKey)
        case 275: return .constraint(.check)
        case 1299: return .constraint(.notNull)
        default: break
        }
        switch code & 0xFF {
        case SQLITE_CONSTRAINT: return .constraint(.other)
        case SQLITE_FULL: return .full
        case SQLITE_IOERR: return .io
        case SQLITE_CORRUPT, SQLITE_NOTADB: return .corrupt
        case SQLITE_BUSY, SQLITE_LOCKED, SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_AUTH: return .unavailable
        // A read connection has query_only set, so this is a change attempted in `read`.
        case SQLITE_READONLY: return .misuse
        case SQLITE_ERROR, SQLITE_MISUSE, SQLITE_RANGE, SQLITE_TOOBIG, SQLITE_MISMATCH: return .misuse
        default: return .other
        }
    }
}
