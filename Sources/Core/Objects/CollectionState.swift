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
    /// The oldest generation of the collection's key that a new data key may be sealed under.
    private let keyFloor: Int64
    /// Counts for the quotas of the collection and its space; nil where there are none.
    private let usage: Usage?
    /// Notes the folders above what changes; nil where nobody asks for their tags.
    private let folders: FolderChanges?

    /// The floor of a collection whose key was destroyed.
    static let destroyed = Int64.max

    /// - Throws: ``ObjectsError`` `.noSuchCollection`.
    init(of collection: Int64, in transaction: Transaction) throws {
        _ = try transaction.tid
        // Held until the end, so that whoever sets a quota waits for those who have found none.
        guard let row = try transaction.rows(holding: .shared, Self.query, .init(collection), map: Self.columns).first
        else {
            throw Self.gone
        }
        self.init(
            row, usage: row.hasQuota ? Usage(of: collection, in: transaction) : nil,
            folders: row.tracksFolders ? FolderChanges(of: collection, in: transaction) : nil)
    }

    /// As it is for one who only reads.
    init(of collection: Int64, reading reader: Reader) throws {
        guard let row = try reader.first(Self.query, .init(collection), map: Self.columns) else { throw Self.gone }
        self.init(row, usage: nil, folders: nil)
    }

    private struct Columns {
        var versioning: String
        var lockedUntil: Int64?
        var hasProperties: Bool
        var keyFloor: Int64
        var hasQuota: Bool
        var tracksFolders: Bool
    }

    private static let query =
        """
        SELECT versioning, write_locked_until, has_properties, key_floor, quota, folders_since FROM collections
        WHERE id = ?
        """

    private static func columns(_ row: borrowing Row) -> Columns {
        Columns(
            versioning: row.text(0), lockedUntil: row.intOrNil(1), hasProperties: row.bool(2), keyFloor: row.int(3),
            hasQuota: row.bool(4), tracksFolders: !row.isNull(5))
    }

    private static let gone = ObjectsError(.noSuchCollection, "the collection does not exist any more")

    private init(_ row: Columns, usage: Usage?, folders: FolderChanges?) {
        versioning = Versioning(rawValue: row.versioning) ?? .off
        hasWriteLocks = row.lockedUntil.map { $0 > Timestamp.now.microseconds } ?? false
        hasProperties = row.hasProperties
        keyFloor = row.keyFloor
        self.usage = usage
        self.folders = folders
    }

    /// A version was made, or will not be seen any more: what quotas count, and tags of folders show.
    func made(_ version: ObjectVersion) {
        usage?.count(version, 1)
        folders?.note(version.key)
    }

    func removed(_ version: ObjectVersion) {
        usage?.count(version, -1)
        folders?.note(version.key)
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
