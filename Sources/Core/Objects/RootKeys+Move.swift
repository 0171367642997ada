import Database
package import Journal
package import Vault
import Wire

extension RootKeys {
    /// Wraps all root keys with another master key, in one transaction.
    ///
    /// - Returns: how many.
    /// - Throws: ``KeysError`` `.underWay` where something is still sealed by the old key itself; `VaultError` where a
    ///   root key does not open.
    package static func move(
        journal: Journal, from old: any MasterSource, to new: any MasterSource, columns: [SealedColumn]
    ) async throws -> Int {
        let rows = try await journal.read { reader in
            for column in columns {
                let left = try reader.scalar(
                    """
                    SELECT 1 FROM \(column.table)
                    WHERE substr(\(column.column), 1, 4) <> ? LIMIT 1
                    """, .init(Array(MasterKey.header(0).prefix(4))))
                guard left == nil else {
                    throw KeysError(
                        .underWay,
                        "some keys are still sealed by the old master key itself: let the node run for a moment")
                }
            }
            return try reader.rows("SELECT generation, sealed_key FROM root_keys ORDER BY generation LIMIT 1000") {
                (generation: $0.int(0), sealed: $0.blob(1))
            }
        }
        // All are opened before one is changed: with the wrong key nothing happens.
        let moved = try rows.map { row in
            let label = "root \(row.generation)"
            return (row.generation, row.sealed, try new.wrap(old.unwrap(row.sealed, label: label), label: label))
        }
        let (source, from) = (new.description, old.description)
        try await journal.write { transaction, events in
            for (generation, sealed, fresh) in moved {
                try transaction.run(
                    "UPDATE root_keys SET sealed_key = ?, source = ? WHERE generation = ? AND sealed_key = ?",
                    .init(fresh), .init(source), .init(generation), .init(sealed))
            }
            events.record(.masterKeyMoved, by: "system:operator", on: "master") {
                $0.member("from", from)
                $0.member("to", source)
            }
        }
        _ = try await journal.database.checkpoint()
        return moved.count
    }
}
