import Ciphers
import Database
import Journal
import Synchronization
import Vault

/// The keys between the master key and the data: a space's key is sealed by the master key, a collection's by its
/// space's, an object's by its collection's. What is sealed is bound to the id that it is for.
final class Keyring: Sendable {
    private let journal: Journal
    private let master: MasterKey
    private let collections = Mutex<[Int64: AEADKey]>([:])

    /// Collections whose keys are kept unsealed in memory.
    private static let countMax = 10_000

    init(journal: Journal, master: MasterKey) {
        self.journal = journal
        self.master = master
    }

    /// The space that collections are made in unless another is named.
    static let mainSpace = "main"

    /// The id and key of a space, made if it is not there, in the transaction that needs it.
    func space(_ name: String, in transaction: Transaction) throws -> (id: Int64, key: AEADKey) {
        let row = try transaction.first("SELECT id, sealed_key FROM spaces WHERE name = ?", .init(name)) { row in
            (id: row.int(0), sealed: row.blob(1))
        }
        if let row { return (row.id, try master.unwrap(row.sealed, label: "space \(row.id)")) }
        let id = try transaction.tid
        let key = AEADKey.random()
        try transaction.run(
            "INSERT INTO spaces (id, name, sealed_key) VALUES (?, ?, ?)", .init(id), .init(name),
            .init(master.wrap(key, label: "space \(id)")))
        return (id, key)
    }

    /// Seals a new collection's key under its space's.
    func newCollectionKey(space: AEADKey, collection: Int64) throws -> [UInt8] {
        try space.wrap(.random(), authenticating: Self.label(collection))
    }

    private static func label(_ collection: Int64) -> [UInt8] { Array("collection \(collection)".utf8) }

    /// The key of a collection.
    func key(ofCollection id: Int64) async throws -> AEADKey {
        if let key = collections.withLock({ $0[id] }) { return key }
        let row = try await journal.find { reader in
            try reader.first(
                "SELECT c.sealed_key, s.sealed_key, s.id FROM collections c JOIN spaces s ON s.id = c.space WHERE c.id = ?",
                .init(id)
            ) { row in (sealed: row.blob(0), spaceSealed: row.blob(1), space: row.int(2)) }
        }
        guard let row else { throw ObjectsError(.noSuchCollection, "the collection does not exist any more") }
        let space = try master.unwrap(row.spaceSealed, label: "space \(row.space)")
        let key = try space.unwrap(row.sealed, authenticating: Self.label(id))
        collections.withLock { collections in
            if collections.count >= Self.countMax { collections = [:] }
            collections[id] = key
        }
        return key
    }
}

extension AEADKey {
    /// Seals a data key for the bytes of one version (`part` 0) or of one of its parts.
    func sealDataKey(_ key: AEADKey, version: VersionID, part: Int) throws -> [UInt8] {
        try wrap(key, authenticating: Self.binding(version, part))
    }

    func openDataKey(_ sealed: [UInt8], version: VersionID, part: Int) throws -> AEADKey {
        do {
            return try unwrap(sealed, authenticating: Self.binding(version, part))
        } catch {
            throw ObjectsError(.damaged, "the key of version \(version.text) does not open: its row was altered")
        }
    }

    private static func binding(_ version: VersionID, _ part: Int) -> [UInt8] {
        version.bytes + [UInt8(truncatingIfNeeded: part >> 8), UInt8(truncatingIfNeeded: part)]
    }
}
