import CLibPQ

extension DatabaseError {
    /// From a failed result. Only the primary message is kept: the detail of a failed constraint holds values.
    static func postgres(_ result: OpaquePointer?, _ connection: OpaquePointer?, sql: String?) -> DatabaseError {
        // PG_DIAG_SQLSTATE and PG_DIAG_MESSAGE_PRIMARY.
        let state = result.flatMap { PQresultErrorField($0, Int32(UInt8(ascii: "C"))) }.map { String(cString: $0) }
        let primary = result.flatMap { PQresultErrorField($0, Int32(UInt8(ascii: "M"))) }.map { String(cString: $0) }
        guard let state else {
            // Without a SQLSTATE the error is libpq's own: the connection broke.
            return connectionLost(connection, sql: sql)
        }
        let isLost = state.hasPrefix("08") || state.hasPrefix("57P")
        let remedy: Remedy = isLost ? .reconnect : state == "40001" || state == "40P01" ? .rerun : .none
        // Messages of class 22 (data exceptions) quote the value.
        let text = state.hasPrefix("22") ? "a value does not fit its type or operation" : primary ?? "no message"
        return DatabaseError(code(state), "PostgreSQL error \(state): \(text)", sql: sql, remedy: remedy)
    }

    static func connectionLost(_ connection: OpaquePointer?, sql: String?) -> DatabaseError {
        let reason = connection.flatMap { PQerrorMessage($0) }.map { String(cString: $0) } ?? ""
        let line = reason.split(separator: "\n").first.map(String.init) ?? "no reason given"
        return DatabaseError(
            .unavailable, "the connection to PostgreSQL is lost: \(line)", sql: sql, remedy: .reconnect)
    }

    /// SQLSTATE classes: PostgreSQL manual, appendix A.
    private static func code(_ state: String) -> Code {
        switch state {
        case "23505": return .constraint(.unique)
        case "23503": return .constraint(.foreignKey)
        case "23514": return .constraint(.check)
        case "23502": return .constraint(.notNull)
        case "53100": return .full
        case "58030": return .io
        case "XX001", "XX002": return .corrupt
        default: break
        }
        switch state.prefix(2) {
        case "23": return .constraint(.other)
        case "08", "40", "53", "55", "57": return .unavailable
        case "0A", "22", "25", "42": return .misuse
        default: return .other
        }
    }
}
