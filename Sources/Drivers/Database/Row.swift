import CLibPQ
import CSQLite

/// One row of a result, readable during the call it is handed to; it cannot be copied out of it.
///
/// Columns count from 0. A value of another type is converted as SQLite does it (NULL to 0 and "", text to the number
/// it begins with on SQLite, or 0 if it is none on PostgreSQL); a column that does not exist reads as NULL.
/// On PostgreSQL integers, booleans, floats, numeric, text, name and bytea are understood; cast other types.
@usableFromInline package struct Row: ~Copyable {
    enum Source {
        case sqlite(OpaquePointer)
        case postgres(result: OpaquePointer, row: Int32)
    }

    let source: Source

    init(_ source: Source) {
        self.source = source
    }

    package func isNull(_ column: Int) -> Bool {
        let index = Int32(clamping: column)
        switch source {
        case .sqlite(let statement):
            return sqlite3_column_type(statement, index) == SQLITE_NULL
        case .postgres(let result, let row):
            guard index >= 0, index < PQnfields(result) else { return true }
            return PQgetisnull(result, row, index) != 0
        }
    }

    package func int(_ column: Int) -> Int64 {
        switch source {
        case .sqlite(let statement): sqlite3_column_int64(statement, Int32(clamping: column))
        case .postgres: postgresValue(column)?.integer ?? 0
        }
    }

    package func double(_ column: Int) -> Double {
        switch source {
        case .sqlite(let statement): sqlite3_column_double(statement, Int32(clamping: column))
        case .postgres: postgresValue(column)?.real ?? 0
        }
    }

    package func bool(_ column: Int) -> Bool { int(column) != 0 }

    /// Bytes that are not UTF-8 come out with replacement characters.
    package func text(_ column: Int) -> String {
        if case .postgres = source { return postgresValue(column)?.text ?? "" }
        return String(decoding: bytes(column), as: UTF8.self)
    }

    package func blob(_ column: Int) -> [UInt8] { Array(bytes(column)) }

    /// Calls `body` with the bytes of a text or blob where they lie, without a copy. They are gone when it returns.
    @inlinable
    package func withBytes<T>(_ column: Int, _ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T {
        try body(bytes(column))
    }

    package func intOrNil(_ column: Int) -> Int64? { isNull(column) ? nil : int(column) }
    package func doubleOrNil(_ column: Int) -> Double? { isNull(column) ? nil : double(column) }
    package func boolOrNil(_ column: Int) -> Bool? { isNull(column) ? nil : bool(column) }
    package func textOrNil(_ column: Int) -> String? { isNull(column) ? nil : text(column) }
    package func blobOrNil(_ column: Int) -> [UInt8]? { isNull(column) ? nil : blob(column) }

    @usableFromInline
    func bytes(_ column: Int) -> UnsafeRawBufferPointer {
        switch source {
        case .sqlite(let statement):
            let index = Int32(clamping: column)
            // The pointer is asked for first: reading it may convert a number to text, which settles the count.
            let start =
                sqlite3_column_type(statement, index) == SQLITE_BLOB
                ? sqlite3_column_blob(statement, index)
                : UnsafeRawPointer(sqlite3_column_text(statement, index))
            guard let start else { return UnsafeRawBufferPointer(start: nil, count: 0) }
            return UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, index)))
        case .postgres:
            return postgresValue(column)?.bytes ?? UnsafeRawBufferPointer(start: nil, count: 0)
        }
    }

    private func postgresValue(_ column: Int) -> PostgresValue? {
        guard case .postgres(let result, let row) = source else { return nil }
        let index = Int32(clamping: column)
        guard index >= 0, index < PQnfields(result), PQgetisnull(result, row, index) == 0,
            let start = PQgetvalue(result, row, index)
        else { return nil }
        let count = Int(PQgetlength(result, row, index))
        return PostgresValue(
            type: PQftype(result, index), bytes: UnsafeRawBufferPointer(start: UnsafeRawPointer(start), count: count))
    }
}
