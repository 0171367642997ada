import Database
import Journal
import Synchronization
import Wire

/// Tags of folders, which change with anything below them: for clients that look into a folder only where its tag has
/// changed. They cost each write a row for each folder above it, so a collection keeps them from the first time that it
/// is asked for one.
extension Objects {
    /// The tags of folders of one collection, by their paths.
    package func folderTags(collection name: String, paths: [String]) async throws -> [String: String] {
        guard !paths.isEmpty else { return [:] }
        let collection = try await collection(name).id
        let since = try await trackFolders(of: collection)
        let marks = Array(repeating: "?", count: paths.count).joined(separator: ", ")
        let changed = try await journal.find { reader in
            try reader.rows(
                "SELECT path, tid FROM folder_changes WHERE collection = ? AND path IN (\(marks))",
                [.init(collection)] + paths.map { SQLValue($0) }
            ) { ($0.text(0), $0.int(1)) }
        }
        let tids = Dictionary(changed, uniquingKeysWith: { $1 })
        return Dictionary(
            paths.map { ($0, String(tids[$0] ?? since, radix: 16)) }, uniquingKeysWith: { $1 })
    }

    /// - Returns: since which transaction.
    private func trackFolders(of collection: Int64) async throws -> Int64 {
        let known = try await journal.find { reader in
            try reader.scalar("SELECT folders_since FROM collections WHERE id = ?", .init(collection))
        }
        if let known { return known }
        return try await journal.database.write { transaction in
            // No write goes on meanwhile, so none is missed.
            try transaction.lock(Self.treeLockName(collection))
            let tid = try transaction.tid
            let known = try transaction.scalar("SELECT folders_since FROM collections WHERE id = ?", .init(collection))
            if let known { return known }
            try transaction.run("UPDATE collections SET folders_since = ? WHERE id = ?", .init(tid), .init(collection))
            return tid
        }
    }
}

/// The folders above what a transaction changes in one collection.
final class FolderChanges: Sendable {
    private let collection: Int64
    private let folders = Mutex<Set<String>>([])

    init(of collection: Int64, in transaction: Transaction) {
        self.collection = collection
        transaction.atEnd { [self] transaction in try settle(in: transaction) }
    }

    /// Something has changed at a key.
    func note(_ key: String) {
        guard !key.hasPrefix(Objects.systemPrefix) else { return }
        folders.withLock { folders in
            var path = Objects.parent(of: key)
            while folders.insert(path).inserted, !path.isEmpty { path = Objects.parent(of: path) }
        }
    }

    private func settle(in transaction: Transaction) throws {
        // Always in the same order, so that two such transactions cannot wait for each other.
        for path in folders.withLock({ $0.sorted() }) {
            try transaction.run(
                """
                INSERT INTO folder_changes (collection, path, tid) VALUES (?, ?, ?)
                ON CONFLICT (collection, path) DO UPDATE SET tid = excluded.tid
                """,
                .init(collection), .init(path), .init(transaction.tid))
        }
    }
}
