/// A numbered step of a module's schema, applied once.
///
/// `module` and `number` identify it for good: a step that was ever released is not edited, a later one corrects it.
/// Statements use SQLite's type names (INTEGER, REAL, TEXT, BLOB), one statement a string. On PostgreSQL they become
/// `BIGINT`, `DOUBLE PRECISION`, `TEXT COLLATE "C"` (text sorts by its UTF-8 bytes, as in SQLite) and `BYTEA`, and
/// `WITHOUT ROWID` is left out.
package struct Migration: Sendable {
    package let module: String
    package let number: Int
    package let statements: [String]
    /// Statements for PostgreSQL in its own words, instead of `statements`.
    package let postgres: [String]?

    package init(module: String, number: Int, _ statements: [String], postgres: [String]? = nil) {
        self.module = module
        self.number = number
        self.statements = statements
        self.postgres = postgres
    }

    func statements(for engine: Engine) -> [String] {
        switch engine {
        case .sqlite: statements
        case .postgres: postgres ?? statements.map { Dialect.postgres($0, isDefinition: true).sql }
        }
    }
}

extension Database {
    /// Brings the schema up to date: each migration in a transaction of its own, in the order given. All nodes that
    /// start at once queue up behind one lock, and look again once they hold it.
    func migrate(_ migrations: [Migration]) async throws {
        var seen = Set<String>()
        for migration in migrations where !seen.insert("\(migration.module) \(migration.number)").inserted {
            throw DatabaseError(
                .misuse, "migration \(migration.module) \(migration.number) is given twice; numbers are unique")
        }
        try await write { transaction in
            try transaction.lock(Self.migrationLock)
            let table = """
                CREATE TABLE IF NOT EXISTS database_migrations (
                    module TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (module, number))
                """
            try transaction.session.define(
                self.engine == .postgres ? Dialect.postgres(table, isDefinition: true).sql : table)
        }
        let applied = try await read { reader in
            Set(try reader.rows("SELECT module, number FROM database_migrations") { "\($0.text(0)) \($0.int(1))" })
        }
        for migration in migrations where !applied.contains("\(migration.module) \(migration.number)") {
            try await apply(migration)
        }
    }

    private static var migrationLock: String { "database migrations" }

    private func apply(_ migration: Migration) async throws {
        try await write { transaction in
            try transaction.lock(Self.migrationLock)
            let identity: [SQLValue] = [.init(migration.module), .init(migration.number)]
            let isApplied = try transaction.scalar(
                "SELECT 1 FROM database_migrations WHERE module = ? AND number = ?", identity)
            guard isApplied == nil else { return }
            for statement in migration.statements(for: self.engine) {
                try transaction.session.define(statement)
            }
            try transaction.run("INSERT INTO database_migrations (module, number) VALUES (?, ?)", identity)
        }
    }
}
