import Database
package import Journal
import Vault

extension RootKeys {
    /// Checks that every secret and key that is sealed under the root key opens.
    ///
    /// - Returns: how many there are.
    package func verify(_ found: FindingHandler) async throws -> Int {
        var count = 0
        for column in columns { count += try await verify(column, found) }
        return count
    }

    private func verify(_ column: SealedColumn, _ found: FindingHandler) async throws -> Int {
        var count = 0
        var after = ""
        while true {
            let page = try await journal.read { [after] reader in
                try reader.rows(
                    """
                    SELECT \(column.id), \(column.column) FROM \(column.table) WHERE \(column.id) > ?
                    ORDER BY \(column.id) LIMIT 1000
                    """, .init(after)
                ) { (id: $0.text(0), sealed: $0.blob(1)) }
            }
            for row in page {
                do {
                    var secret = try master.open(row.sealed, label: column.label(row.id))
                    wipe(&secret)
                } catch {
                    await found(Finding("keys", column.label(row.id), "\(error)"))
                }
            }
            count += page.count
            guard page.count == 1000, let last = page.last else { return count }
            after = last.id
        }
    }
}
