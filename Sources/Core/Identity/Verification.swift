import Database
package import Journal
import Vault

extension Identity {
    /// Checks that every secret and key that is sealed under the master key opens.
    ///
    /// - Returns: how many there are.
    package func verify(_ found: FindingHandler) async throws -> Int {
        try await verify("access key", select: "SELECT id, sealed FROM access_keys WHERE id > ? ORDER BY id", found)
            + verify("node key", select: "SELECT name, sealed FROM node_keys WHERE name > ? ORDER BY name", found)
    }

    private func verify(_ kind: String, select: String, _ found: FindingHandler) async throws -> Int {
        var count = 0
        var after = ""
        while true {
            let page = try await journal.read { [after] reader in
                try reader.rows("\(select) LIMIT 1000", .init(after)) { (name: $0.text(0), sealed: $0.blob(1)) }
            }
            for key in page {
                let label = "\(kind) \(key.name)"
                do {
                    _ = try master.open(key.sealed, label: label)
                } catch {
                    await found(Finding("keys", label, "\(error)"))
                }
            }
            count += page.count
            guard page.count == 1000, let last = page.last else { return count }
            after = last.name
        }
    }
}
