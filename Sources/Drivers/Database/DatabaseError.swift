/// What went wrong in the metadata store. It names the statement, never the values bound to it.
package struct DatabaseError: Error, CustomStringConvertible {
    package enum Code: Hashable, Sendable {
        /// The engine cannot be reached or is too busy; trying again later may help.
        case unavailable
        /// The change would break a rule of the schema.
        case constraint(Constraint)
        /// No room is left where the engine stores its data.
        case full
        /// Reading or writing the engine's files failed.
        case io
        /// The stored data is damaged, or the file is not a database.
        case corrupt
        /// The statement, its values or the order of calls is wrong: a fault of the calling code.
        case misuse
        /// The caller's task was cancelled before its closure began.
        case cancelled
        /// The database was closed.
        case closed
        /// The connection broke while the commit was under way: it may have happened or not.
        case commitUnknown
        case other
    }

    package enum Constraint: Hashable, Sendable {
        case unique, foreignKey, check, notNull, other
    }

    /// What the driver may do about it by itself.
    enum Remedy {
        case none
        /// The whole transaction can be run again (deadlock, serialization failure).
        case rerun
        /// The connection is gone: connect again first.
        case reconnect
    }

    package let code: Code
    package let message: String
    package let sql: String?
    let remedy: Remedy

    init(_ code: Code, _ message: String, sql: String? = nil, remedy: Remedy = .none) {
        self.code = code
        self.message = message
        self.sql = sql
        self.remedy = remedy
    }

    package var description: String {
        guard let sql else { return message }
        return "\(message) [in: \(sql)]"
    }
}
