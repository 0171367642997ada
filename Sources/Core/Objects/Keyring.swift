import Ciphers
import Database
import Journal
import Vault
import Wire

/// The keys between the master key and the data: a space's key is sealed by the master key, a collection's by its
/// space's, an object's by its collection's. What is sealed is bound to the id that it is for.
///
/// Spaces and collections have generations of keys: the newest seals, older ones only open (docs/adr/0005).
final class Keyring: Sendable {
    private let journal: Journal
    let master: MasterKey
    /// For a second: then a generation that another node has made seals here too, and one that was destroyed is gone.
    private let collections = RecentReads<CollectionKeys>()

    init(journal: Journal, master: MasterKey) {
        self.journal = journal
        self.master = master
    }

    /// The space that collections are made in unless another is named.
    static let mainSpace = "main"

    /// A space's newest key, opened.
    struct SpaceKey {
        var id: Int64
        var generation: Int64
        var key: AEADKey
    }

    /// The newest key of a space, made if the space is not there, in the transaction that needs it. The caller holds
    /// the lock `space NAME`.
    func space(_ name: String, in transaction: Transaction) throws -> SpaceKey {
        let row = try transaction.first(
            """
            SELECT k.space, k.generation, k.sealed_key, k.label FROM spaces s JOIN space_keys k ON k.space = s.id
            WHERE s.name = ? AND k.retired IS NULL ORDER BY k.generation DESC
            """,
            .init(name)
        ) { row in (id: row.int(0), generation: row.int(1), sealed: row.blob(2), label: row.text(3)) }
        if let row {
            return SpaceKey(
                id: row.id, generation: row.generation, key: try master.unwrap(row.sealed, label: row.label))
        }
        let id = try transaction.tid
        try transaction.run(
            "INSERT INTO spaces (id, name) VALUES (?, ?)", .init(id), .init(name))
        return try addKey(space: id, generation: 1, in: transaction)
    }

    /// Makes a key for a space and stores it.
    func addKey(space: Int64, generation: Int64, in transaction: Transaction) throws -> SpaceKey {
        let key = AEADKey.random()
        let label = generation == 1 ? "space \(space)" : "space \(space) generation \(generation)"
        try transaction.run(
            "INSERT INTO space_keys (space, generation, label, sealed_key, created) VALUES (?, ?, ?, ?, ?)",
            .init(space), .init(generation), .init(label), .init(master.wrap(key, label: label)),
            .init(Timestamp.now.microseconds))
        return SpaceKey(id: space, generation: generation, key: key)
    }

    /// Makes a key for a collection and stores it, sealed by its space's.
    func addKey(collection: Int64, generation: Int64, space: SpaceKey, in transaction: Transaction) throws {
        try transaction.run(
            """
            INSERT INTO collection_keys
            (collection, generation, space, space_generation, sealed_key, created, closed, rewrapped)
            VALUES (?, ?, ?, ?, ?, ?, 0, 0)
            """,
            .init(collection), .init(generation), .init(space.id), .init(space.generation),
            .init(space.key.wrap(.random(), authenticating: Self.label(collection, generation))),
            .init(Timestamp.now.microseconds))
    }

    /// What a collection's key is authenticated with when it is sealed.
    static func label(_ collection: Int64, _ generation: Int64) -> [UInt8] {
        Array((generation == 1 ? "collection \(collection)" : "collection \(collection) generation \(generation)").utf8)
    }

    /// The keys of a collection.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchCollection`, `.keyDestroyed`.
    func key(ofCollection id: Int64) async throws -> CollectionKeys {
        if let keys = collections[String(id)] { return keys }
        let keys = try await journal.find { try self.keys(ofCollection: id, in: $0) }
        collections[String(id)] = keys
        return keys
    }

    /// The keys of a collection as they are now.
    func keys(ofCollection id: Int64, in reader: Reader) throws -> CollectionKeys {
        var keys: [Int64: AEADKey] = [:]
        var current: Int64 = 0
        let rows = try reader.rows(
            """
            SELECT k.generation, k.retired IS NULL, k.sealed_key, s.label, s.sealed_key FROM collection_keys k
            JOIN space_keys s ON s.space = k.space AND s.generation = k.space_generation WHERE k.collection = ?
            """,
            .init(id)
        ) { row in
            (
                generation: row.int(0), isCurrent: row.bool(1), sealed: row.blob(2), label: row.text(3),
                spaceSealed: row.blob(4)
            )
        }
        for row in rows {
            let space = try master.unwrap(row.spaceSealed, label: row.label)
            do {
                keys[row.generation] = try space.unwrap(row.sealed, authenticating: Self.label(id, row.generation))
            } catch {
                throw ObjectsError(.damaged, "key \(row.generation) of collection \(id) does not open")
            }
            if row.isCurrent { current = max(current, row.generation) }
        }
        guard !keys.isEmpty else {
            guard try reader.scalar("SELECT 1 FROM collections WHERE id = ?", .init(id)) != nil else {
                throw ObjectsError(.noSuchCollection, "the collection does not exist any more")
            }
            throw ObjectsError.keyDestroyed
        }
        return CollectionKeys(collection: id, keys: keys, current: current)
    }

    /// Lets go of what was opened.
    func forget() { collections.clear() }
}

/// The opened keys of one collection.
///
/// A sealed data key is 4 bytes with the number of the generation, big-endian, and 60 bytes that `AEADKey.wrap` made.
struct CollectionKeys: Sendable {
    let collection: Int64
    fileprivate let keys: [Int64: AEADKey]
    /// The generation that seals.
    let current: Int64

    static let wrappedCount = AEADKey.byteCount + AEADKey.overhead

    /// The generation that a data key is sealed under; 0 for what is no sealed data key.
    static func generation(of sealed: [UInt8]) -> Int64 {
        sealed.count == wrappedCount + 4 ? sealed[..<4].reduce(0) { $0 << 8 | Int64($1) } : 0
    }

    /// What a data key that was sealed under a generation begins with.
    static func prefix(_ generation: Int64) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: generation >> Int64(24 - 8 * $0)) }
    }

    /// Seals a data key for the bytes of one version (`part` 0) or of one of its parts.
    func sealDataKey(_ key: AEADKey, version: VersionID, part: Int) throws -> [UInt8] {
        guard let sealing = keys[current] else {
            throw ObjectsError(.unavailable, "the collection's key is just being replaced: try again")
        }
        return Self.prefix(current) + (try sealing.wrap(key, authenticating: Self.binding(version, part)))
    }

    /// The same data key of a whole version, sealed under the newest key.
    func renewed(_ sealed: [UInt8], version: VersionID) throws -> [UInt8] {
        guard Self.generation(of: sealed) != current else { return sealed }
        return try sealDataKey(openDataKey(sealed, version: version, part: 0), version: version, part: 0)
    }

    /// - Throws: ``ObjectsError`` `.unavailable` where the key that it is sealed under is not among these, which passes
    ///   by itself, `.damaged`.
    func openDataKey(_ sealed: [UInt8], version: VersionID, part: Int) throws -> AEADKey {
        let generation = Self.generation(of: sealed)
        guard let key = keys[generation] else {
            guard generation > 0 else {
                throw ObjectsError(.damaged, "the key of version \(version.text) is not one")
            }
            throw ObjectsError(
                .unavailable, "key \(generation) of the collection is not there: it was replaced just now; try again")
        }
        do {
            return try key.unwrap(Array(sealed.suffix(Self.wrappedCount)), authenticating: Self.binding(version, part))
        } catch {
            throw ObjectsError(.damaged, "the key of version \(version.text) does not open: its row was altered")
        }
    }

    /// What a data key is bound to.
    static func binding(_ version: VersionID, _ part: Int) -> [UInt8] {
        version.bytes + [UInt8(truncatingIfNeeded: part >> 8), UInt8(truncatingIfNeeded: part)]
    }
}
