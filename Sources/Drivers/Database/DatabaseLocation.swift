/// Where the metadata lives, and so which engine keeps it.
package enum DatabaseLocation: Sendable, Equatable {
    case sqlite(path: String)
    case postgres(url: String)

    /// Reads `sqlite:/path`, `/path`, `postgres://…` or `postgresql://…`.
    ///
    /// Throws `DatabaseError` with `.misuse` for anything else. The text is not repeated in the message, because a URL
    /// may hold a password.
    package init(_ text: String) throws {
        if text.contains("\0") {
            throw DatabaseError(.misuse, "a database location may not contain a NUL byte")
        }
        if text.hasPrefix("postgres://") || text.hasPrefix("postgresql://") {
            self = .postgres(url: text)
            return
        }
        let path = text.hasPrefix("sqlite:") ? String(text.dropFirst("sqlite:".count)) : text
        guard path.hasPrefix("/"), !path.hasSuffix("/") else {
            throw DatabaseError(
                .misuse, "a database location is an absolute path, sqlite:/path or postgres://user@host/name")
        }
        self = .sqlite(path: path)
    }
}

/// The two engines; callers need the difference only where SQL has no common form.
package enum Engine: Sendable, Hashable {
    case sqlite, postgres
}
