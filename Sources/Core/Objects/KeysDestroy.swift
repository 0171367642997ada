import Ciphers
import Database
import Journal
import Wire

extension Objects {
    /// Destroys all keys of a collection: what it holds cannot be read any more, by anybody (crypto-erasure). Listing
    /// and deleting still work. There is no way back.
    ///
    /// The wrapped keys are overwritten and deleted in one transaction with the event that proves it; then SQLite's log
    /// is emptied, so that neither file holds a copy. Other nodes let go of the opened key within a second. Backups of
    /// the metadata from before still have the wrapped key: see docs/operating.md.
    ///
    /// - Throws: ``KeysError`` `.retained` where an object may not be deleted yet, `.destroyed`; ``ObjectsError``
    ///   `.noSuchCollection`.
    package func destroyKey(ofCollection name: String, by actor: String) async throws -> KeyDestruction {
        var destruction = try await journal.write { transaction, events in
            guard let id = try transaction.scalar("SELECT id FROM collections WHERE name = ?", .init(name)) else {
                throw ObjectsError.noSuchCollection(name)
            }
            try transaction.lock(Self.keyLock(id))
            guard try !Self.hasRetainedObjects(collection: id, in: transaction) else {
                throw KeysError(
                    .retained,
                    "collection '\(name)' holds objects that may not be deleted yet: its key is not destroyed")
            }
            let rows = try transaction.rows(
                "SELECT generation, sealed_key FROM collection_keys WHERE collection = ? ORDER BY generation", .init(id)
            ) { (generation: $0.int(0), sealed: $0.blob(1)) }
            guard !rows.isEmpty else {
                throw KeysError(.destroyed, "the key of collection '\(name)' was destroyed before")
            }
            let versions = try Self.versionCount(collection: id, in: transaction)
            try transaction.run(
                "UPDATE collections SET key_floor = ? WHERE id = ?", .init(CollectionState.destroyed), .init(id))
            for row in rows {
                try Self.erase(
                    "collection_keys", "collection", .init(id), generation: row.generation, count: row.sealed.count,
                    in: transaction)
            }
            let destruction = KeyDestruction(
                collection: name, keys: rows.map { ($0.generation, DigestAlgorithm.sha256.hash($0.sealed)) },
                versions: versions, isLogEmpty: false)
            events.record(.keyDestroyed, by: actor, on: "collection \(name)", collection: id) {
                destruction.write(to: &$0)
            }
            return destruction
        }
        keyring.forget()
        destruction.isLogEmpty = try await journal.database.checkpoint()
        return destruction
    }

    /// Checks that what an object holds can be read, before its bytes are promised.
    ///
    /// - Throws: ``ObjectsError``, for want of a key.
    package func requireKey(of object: OpenObject) async throws {
        _ = try await versionKeys(of: object.version, object.unlock)
    }

    /// Whether a collection holds versions that may not be removed yet: under a legal hold, or retained, in whichever
    /// mode.
    private static func hasRetainedObjects(collection: Int64, in reader: Reader) throws -> Bool {
        let held = try reader.scalar(
            "SELECT 1 FROM versions WHERE collection = ? AND legal_hold IS NOT NULL AND removed IS NULL LIMIT 1",
            .init(collection))
        let retained = try reader.scalar(
            "SELECT 1 FROM versions WHERE collection = ? AND lock_until > ? AND removed IS NULL LIMIT 1",
            .init(collection), .init(Timestamp.now.microseconds))
        return held != nil || retained != nil
    }
}
