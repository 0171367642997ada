import Database
import Wire

// The hierarchy of keys: docs/adr/0005. A key that was replaced is `retired`; its row goes when nothing is left under
// it.
extension Objects {
    static let keyMigrations = [
        Migration(
            module: "objects", number: 3,
            [
                // What the master key wraps. A generation seals from `starts` on, when every node has loaded it.
                """
                CREATE TABLE root_keys (
                    generation INTEGER PRIMARY KEY, sealed_key BLOB NOT NULL, source TEXT NOT NULL,
                    created INTEGER NOT NULL, starts INTEGER NOT NULL, retired INTEGER)
                """,
                // `label` is what the sealed key is authenticated with.
                """
                CREATE TABLE space_keys (
                    space INTEGER NOT NULL REFERENCES spaces (id) ON DELETE CASCADE, generation INTEGER NOT NULL,
                    label TEXT NOT NULL UNIQUE, sealed_key BLOB NOT NULL, created INTEGER NOT NULL, retired INTEGER,
                    PRIMARY KEY (space, generation))
                """,
                // `closed`: the collection's `key_floor` is above it. `position` is how far what it has sealed was
                // rewrapped, `swept` when the last of it was, and `fence` a TID of that moment.
                """
                CREATE TABLE collection_keys (
                    collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
                    generation INTEGER NOT NULL, space INTEGER NOT NULL, space_generation INTEGER NOT NULL,
                    sealed_key BLOB NOT NULL, created INTEGER NOT NULL, retired INTEGER, closed INTEGER NOT NULL,
                    position BLOB, swept INTEGER, fence INTEGER, rewrapped INTEGER NOT NULL,
                    PRIMARY KEY (collection, generation),
                    FOREIGN KEY (space, space_generation) REFERENCES space_keys (space, generation))
                """,
                "CREATE INDEX collection_keys_by_space ON collection_keys (space, space_generation)",
                "CREATE INDEX collection_keys_retired ON collection_keys (retired) WHERE retired IS NOT NULL",
                "CREATE INDEX versions_retained ON versions (collection, lock_until) WHERE lock_until IS NOT NULL",
                "CREATE INDEX versions_held ON versions (collection) WHERE legal_hold IS NOT NULL",
            ])
    ]
}

/// What a collection says of new rows, read in the transaction that makes them.
///
/// The floor is what keeps a row from coming in under a key that is about to go, however long its request took. The
/// transaction's TID is taken before the floor is read: so every transaction that has read an old floor has a TID below
/// any taken after the floor had risen, and below the horizon it has ended (docs/adr/0005).
struct WriteRules: Sendable {
    private var versioning: Versioning
    /// The oldest generation of the collection's key that a new data key may be sealed under.
    var keyFloor: Int64

    /// Whether somebody may hold a write lock in it.
    let hasWriteLocks: Bool
    /// Whether an object of it may have properties that clients gave it.
    let hasProperties: Bool

    /// Whether the folders above what changes are noted: see FolderTags.swift.
    let tracksFolders: Bool

    /// The floor of a collection whose key was destroyed.
    static let destroyed = Int64.max

    init(collection: Int64, in transaction: Transaction) throws {
        _ = try transaction.tid
        let row = try transaction.first(
            """
            SELECT versioning, key_floor, write_locked_until, has_properties, folders_since FROM collections WHERE id = ?
            """,
            .init(collection)
        ) { row in
            (
                versioning: row.text(0), keyFloor: row.int(1), lockedUntil: row.intOrNil(2),
                hasProperties: row.bool(3), tracksFolders: !row.isNull(4)
            )
        }
        guard let row else {
            throw ObjectsError(.noSuchCollection, "the collection does not exist any more")
        }
        versioning = Versioning(rawValue: row.versioning) ?? .off
        keyFloor = row.keyFloor
        hasWriteLocks = row.lockedUntil.map { $0 > Timestamp.now.microseconds } ?? false
        hasProperties = row.hasProperties
        tracksFolders = row.tracksFolders
    }

    /// What becomes of the versions of a key. What the node keeps for itself can be made again.
    func versioning(of key: String) -> Versioning { key.hasPrefix(Objects.systemPrefix) ? .off : versioning }

    /// - Throws: ``ObjectsError`` `.unavailable` for a data key that was sealed under a key that is being replaced,
    ///   `.keyDestroyed`.
    func check(sealedKey: [UInt8]) throws {
        guard keyFloor < Self.destroyed else { throw ObjectsError.keyDestroyed }
        guard CollectionKeys.generation(of: sealedKey) >= keyFloor else {
            throw ObjectsError(.unavailable, "the collection's key was replaced meanwhile: try again")
        }
    }
}
