extension Database {
    /// What the engine itself finds wrong with its files: at most some hundred lines, none if all is well.
    ///
    /// SQLite reads every page, and compares tables with their indexes and with what refers to them. PostgreSQL has
    /// no such command for everybody: there every row of every table is read, which fails on a page that is damaged
    /// where the cluster has checksums.
    package func verify() async throws -> [String] {
        switch engine {
        case .sqlite:
            return try await read { reader in
                let integrity = try reader.rows("PRAGMA integrity_check(100)") { $0.text(0) }
                guard integrity == ["ok"] else { return integrity }
                return try reader.rows("PRAGMA foreign_key_check") { row in
                    "row \(row.intOrNil(1) ?? 0) of \(row.text(0)) refers to one of \(row.text(2)) that is missing"
                }.prefix(100).map { $0 }
            }
        case .postgres:
            return try await read { reader in
                let tables = try reader.rows(
                    "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
                ) { $0.text(0) }
                for table in tables {
                    _ = try reader.scalar("SELECT count(*) FROM \"\(table)\" AS everything")
                }
                return []
            }
        }
    }

    /// The highest TID that may have been given out.
    package func highestTID() async throws -> Int64? {
        let name = engine == .sqlite ? "tid" : "tid_ceiling"
        return try await read { try $0.scalar("SELECT value FROM database_state WHERE name = ?", .init(name)) }
    }
}
