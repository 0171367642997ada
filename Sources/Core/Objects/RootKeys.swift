import Ciphers
import Database
package import Journal
package import Vault
import Wire

/// The generations of the root key: wrapped by the master key at its source, stored beside what they protect, opened
/// once by each node.
package final class RootKeys: Sendable {
    /// What seals and opens with them.
    package let master: MasterKey
    let journal: Journal
    private let source: any MasterSource
    /// Everything that `master` seals.
    let columns: [SealedColumn]

    /// Rows rewrapped in one step.
    private static let rowsPerStep = 200

    /// Opens the root key, or makes the first.
    ///
    /// - Parameter columns: of all parts of the node: what is not named is lost when a generation goes.
    /// - Throws: ``VaultError`` where a root key does not open with the source's master key.
    package static func open(
        journal: Journal, source: any MasterSource, columns: [SealedColumn]
    ) async throws -> RootKeys {
        let roots = RootKeys(journal: journal, source: source, columns: columns)
        let isEmpty = try await journal.read { try $0.scalar("SELECT 1 FROM root_keys LIMIT 1") == nil }
        if isEmpty { try await roots.insert(.first) }
        try await roots.refresh()
        return roots
    }

    private init(journal: Journal, source: any MasterSource, columns: [SealedColumn]) {
        self.journal = journal
        self.source = source
        self.columns = columns
        master = MasterKey(direct: source.direct)
    }

    /// For people: where the master key is. No secrets.
    package var sourceDescription: String { source.description }

    private static func label(_ generation: Int64) -> String { "root \(generation)" }

    /// Takes over what other nodes have changed: new generations are opened, removed ones forgotten.
    package func refresh() async throws {
        let rows = try await journal.read { reader in
            try reader.rows("SELECT generation, sealed_key, starts FROM root_keys ORDER BY generation LIMIT 1000") {
                (generation: $0.int(0), sealed: $0.blob(1), starts: Timestamp(microseconds: $0.int(2)))
            }
        }
        let known = Set(master.generations)
        for row in rows where !known.contains(row.generation) {
            master.add(
                generation: row.generation, starts: row.starts,
                key: try source.unwrap(row.sealed, label: Self.label(row.generation)))
            journal.note(.use(ofKey: "master", for: "open root key \(row.generation), \(source.description)"))
        }
        for generation in known.subtracting(rows.map(\.generation)) { master.remove(generation: generation) }
    }

    // MARK: Rotation

    /// Makes a new generation. It seals when every node has had time to load it; what was sealed before is then
    /// rewrapped by the Keykeeper.
    ///
    /// - Returns: its number.
    /// - Throws: ``KeysError`` `.underWay`; ``VaultError`` where the master key cannot be used.
    package func rotate(by actor: String, settleSeconds: Int64 = Objects.keySettleSeconds) async throws -> Int64 {
        let generation = try await insert(.rotation(by: actor, settleSeconds: settleSeconds))
        try await refresh()
        return generation
    }

    private enum Occasion {
        /// There is no root key; another node may be quicker.
        case first
        case rotation(by: String, settleSeconds: Int64)
    }

    @discardableResult
    private func insert(_ occasion: Occasion) async throws -> Int64 {
        let newest = try await journal.read { try $0.scalar("SELECT max(generation) FROM root_keys") ?? 0 }
        let next = newest + 1
        // Wrapped ahead of the transaction, which a token must not keep waiting.
        let sealed = try source.wrap(.random(), label: Self.label(next))
        let description = source.description
        journal.note(.use(ofKey: "master", for: "seal root key \(next), \(description)"))
        return try await journal.write { transaction, events in
            try transaction.lock(Self.lockName)
            let now = try transaction.first("SELECT max(generation), count(retired) FROM root_keys") {
                (newest: $0.int(0), retired: $0.int(1))
            }
            var settleSeconds: Int64 = 0
            switch occasion {
            case .first: if let now, now.newest > 0 { return now.newest }
            case .rotation(let actor, let seconds):
                guard let now, now.retired == 0, now.newest == newest else { throw KeysError.underWay("the master") }
                settleSeconds = seconds
                events.record(.keyRotated, by: actor, on: "master") { $0.member("generation", next) }
            }
            let moment = Timestamp.now
            try transaction.run(
                "UPDATE root_keys SET retired = ? WHERE retired IS NULL", .init(moment.microseconds))
            try transaction.run(
                "INSERT INTO root_keys (generation, sealed_key, source, created, starts) VALUES (?, ?, ?, ?, ?)",
                .init(next), .init(sealed), .init(description), .init(moment.microseconds),
                .init(moment.adding(seconds: settleSeconds).microseconds))
            return next
        }
    }

    private static let lockName = "root keys"

    /// Does a bounded piece of the work that a rotation has left, or the change from keys that sealed directly.
    ///
    /// - Returns: whether there is more to do at once.
    package func rewrapStep(settleSeconds: Int64 = Objects.keySettleSeconds) async throws -> Bool {
        try await refresh()
        let newest = try await journal.read { reader in
            try reader.first("SELECT generation, starts FROM root_keys ORDER BY generation DESC LIMIT 1") {
                (generation: $0.int(0), starts: Timestamp(microseconds: $0.int(1)))
            }
        }
        // Until every node seals with the newest, there is no end to what is to be rewrapped.
        guard let newest, newest.starts <= Timestamp.now, master.generation == newest.generation else { return false }
        for column in columns where try await rewrap(column, newest.generation) > 0 { return true }
        guard newest.starts.adding(seconds: settleSeconds) <= Timestamp.now else { return false }
        try await removeRetired(newest: newest.generation)
        return false
    }

    private func rewrap(_ column: SealedColumn, _ generation: Int64) async throws -> Int {
        let header = MasterKey.header(generation)
        // A read first: mostly there is nothing to do, and no writer is kept waiting for that.
        let rows = try await journal.read { reader in
            try reader.rows(
                """
                SELECT \(column.id), \(column.column) FROM \(column.table)
                WHERE substr(\(column.column), 1, \(MasterKey.headerCount)) <> ? LIMIT ?
                """,
                .init(header), .init(Self.rowsPerStep)
            ) { (id: $0.text(0), sealed: $0.blob(1)) }
        }
        guard !rows.isEmpty else { return 0 }
        let fresh = try rows.compactMap { row -> (id: String, old: [UInt8], new: [UInt8])? in
            let label = column.label(row.id)
            // What is damaged stays, and the generation that it may be under with it.
            guard var secret = try? master.open(row.sealed, label: label) else { return nil }
            defer { wipe(&secret) }
            return (row.id, row.sealed, try master.seal(secret, label: label))
        }
        return try await journal.database.write { transaction in
            for row in fresh {
                try transaction.run(
                    "UPDATE \(column.table) SET \(column.column) = ? WHERE \(column.id) = ? AND \(column.column) = ?",
                    .init(row.new), .init(row.id), .init(row.old))
            }
            return fresh.count
        }
    }

    /// Removes the generations before `newest` once nothing is sealed under them any more.
    private func removeRetired(newest: Int64) async throws {
        let isDue = try await journal.read { try $0.scalar("SELECT 1 FROM root_keys WHERE retired IS NOT NULL") != nil }
        guard isDue else { return }
        let removed = try await journal.write { [columns] transaction, events -> [Int64] in
            try transaction.lock(Self.lockName)
            for column in columns {
                let left = try transaction.scalar(
                    """
                    SELECT 1 FROM \(column.table)
                    WHERE substr(\(column.column), 1, \(MasterKey.headerCount)) <> ? LIMIT 1
                    """, .init(MasterKey.header(newest)))
                guard left == nil else { return [] }
            }
            let rows = try transaction.rows(
                "SELECT generation, sealed_key FROM root_keys WHERE retired IS NOT NULL AND generation < ?",
                .init(newest)
            ) { (generation: $0.int(0), sealed: $0.blob(1)) }
            for row in rows {
                try transaction.run(
                    "UPDATE root_keys SET sealed_key = ? WHERE generation = ?", .init(randomBytes(row.sealed.count)),
                    .init(row.generation))
                try transaction.run("DELETE FROM root_keys WHERE generation = ?", .init(row.generation))
                Objects.recordRemoval(
                    of: "master", label: Self.label(row.generation), generation: row.generation, sealed: row.sealed,
                    collection: nil, &events)
            }
            return rows.map(\.generation)
        }
        guard !removed.isEmpty else { return }
        for generation in removed { master.remove(generation: generation) }
        _ = try await journal.database.checkpoint()
    }

    /// The generations and how many keys and secrets are sealed under each.
    package func status() async throws -> KeyStatus {
        try await journal.read { [columns] reader in
            var generations = try reader.rows(
                "SELECT generation, created, retired FROM root_keys ORDER BY generation LIMIT 1000"
            ) { row in
                KeyGeneration(
                    generation: row.int(0), created: Timestamp(microseconds: row.int(1)),
                    retired: row.intOrNil(2).map { Timestamp(microseconds: $0) }, sealed: 0, rewrapped: 0)
            }
            for index in generations.indices {
                for column in columns {
                    generations[index].sealed +=
                        try reader.scalar(
                            """
                            SELECT count(*) FROM \(column.table)
                            WHERE substr(\(column.column), 1, \(MasterKey.headerCount)) = ?
                            """, .init(MasterKey.header(generations[index].generation))) ?? 0
                }
            }
            return KeyStatus(name: "master", generations: generations)
        }
    }
}

extension Objects {
    /// What of the objects' tables the master key has sealed.
    package static let sealedColumns = [
        SealedColumn(table: "space_keys", id: "label", column: "sealed_key") { $0 }
    ]
}
