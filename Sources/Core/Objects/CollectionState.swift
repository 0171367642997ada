import Database
import Wire

/// What a write has to know of its collection, read in the transaction that writes.
///
/// The floor is what keeps a row from coming in under a key that is about to go, however long its request took. The
/// transaction's TID is taken before the floor is read: so every transaction that has read an old floor has a TID below
/// any taken after the floor had risen, and below the horizon it has ended (docs/adr/0005).
struct CollectionState: Sendable {
    private let versioning: Versioning
    /// Whether somebody may hold a write lock in it.
    let hasWriteLocks: Bool
    /// Whether an object of it may have properties that clients gave it.
    let hasProperties: Bool
    /// Whether the folders above what changes are noted: see FolderTags.swift.
    let tracksFolders: Bool
    /// The oldest generation of the collection's key that a new data key may be sealed under.
    private let keyFloor: Int64

    /// The floor of a collection whose key was destroyed.
    static let destroyed = Int64.max

    /// - Throws: ``ObjectsError`` `.noSuchCollection`.
    init(of collection: Int64, in transaction: Transaction) throws {
        _ = try transaction.tid
        try self.init(of: collection, reading: transaction)
    }

    /// As it is for one who only reads.
    init(of collection: Int64, reading reader: Reader) throws {
        let found = try reader.first(
            """
            SELECT versioning, write_locked_until, has_properties, folders_since, key_floor FROM collections WHERE id = ?
            """,
            .init(collection)
        ) { row in
            (
                versioning: row.text(0), lockedUntil: row.intOrNil(1), hasProperties: row.bool(2),
                tracksFolders: !row.isNull(3), keyFloor: row.int(4)
            )
        }
        guard let found else {
            throw ObjectsError(.noSuchCollection, "the collection does not exist any more")
        }
        versioning = Versioning(rawValue: found.versioning) ?? .off
        hasWriteLocks = found.lockedUntil.map { $0 > Timestamp.now.microseconds } ?? false
        hasProperties = found.hasProperties
        tracksFolders = found.tracksFolders
        keyFloor = found.keyFloor
    }

    func versioning(of key: String) -> Versioning {
        // What the node keeps for itself can be made again.
        key.hasPrefix(Objects.systemPrefix) ? .off : versioning
    }

    /// - Throws: ``ObjectsError`` `.unavailable` for a data key that was sealed under a key that is being replaced,
    ///   `.keyDestroyed`.
    func check(sealedKey: [UInt8]) throws {
        guard keyFloor < Self.destroyed else { throw ObjectsError.keyDestroyed }
        guard CollectionKeys.generation(of: sealedKey) >= keyFloor else {
            throw ObjectsError(.unavailable, "the collection's key was replaced meanwhile: try again")
        }
    }
}
