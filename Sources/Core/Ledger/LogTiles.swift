import Database
import MerkleLog

extension Ledger {
    /// Adds hashes of subtrees that have become complete to the tiles that hold them.
    static func store(_ hashes: [Frontier.StoredHash], in transaction: Transaction) throws {
        struct Place: Hashable {
            let level: Int
            let number: UInt64
        }
        let width = UInt64(Tile.fullWidth)
        var added: [Place: (first: Int, hashes: [Hash])] = [:]
        // Of the levels between, verifiers compute the hashes from the tile.
        for stored in hashes where stored.subtree.level % Tile.height == 0 {
            let place = Place(level: stored.subtree.level / Tile.height, number: stored.subtree.index / width)
            added[place, default: (Int(stored.subtree.index % width), [])].hashes.append(stored.hash)
        }
        for (place, new) in added {
            let key: [SQLValue] = [.init(place.level), .init(Int64(place.number))]
            let bytes = Tile.encode(new.hashes)
            guard new.first > 0 else {
                try transaction.run(
                    "INSERT INTO log_tiles (level, number, hashes) VALUES (?, ?, ?)", key + [.init(bytes)])
                continue
            }
            let old = try transaction.first("SELECT hashes FROM log_tiles WHERE level = ? AND number = ?", key) {
                $0.blob(0)
            }
            guard let old, old.count == new.first * Hash.length else {
                throw LedgerError(
                    .damaged,
                    """
                    tile \(place.number) of level \(place.level) should have \(new.first) hashes of \(Hash.length) \
                    bytes and has \(old?.count ?? 0) bytes
                    """
                )
            }
            try transaction.run(
                "UPDATE log_tiles SET hashes = ? WHERE level = ? AND number = ?", [.init(old + bytes)] + key)
        }
    }
}

/// Reads hashes of the stored tree within one snapshot, each tile once.
final class LogTileReader {
    private let reader: Reader
    private let size: UInt64
    private var tiles: [Tile: [UInt8]] = [:]

    /// - Parameter size: of the tree as it is, or as it once was.
    init(_ reader: Reader, size: UInt64) {
        self.reader = reader
        self.size = size
    }

    /// The hash of a complete subtree.
    func hash(_ level: Int, _ index: UInt64) throws -> Hash {
        let subtree = Subtree(level: level, index: index)
        let tile = try Tile.holding(subtree, size: size)
        if let bytes = tiles[tile] { return try tile.hash(of: subtree, in: bytes) }
        guard let bytes = try Self.bytes(of: tile, in: reader) else {
            throw LedgerError(.damaged, "\(tile.path) is missing from the stored log")
        }
        tiles[tile] = bytes
        return try tile.hash(of: subtree, in: bytes)
    }

    /// The bytes of a tile of hashes, also of one that has grown since; nil if the log does not have it (yet).
    static func bytes(of tile: Tile, in reader: Reader) throws -> [UInt8]? {
        guard case .hashes(let level) = tile.content, let number = Int64(exactly: tile.index) else { return nil }
        let stored = try reader.first(
            "SELECT hashes FROM log_tiles WHERE level = ? AND number = ?", .init(level), .init(number)
        ) { $0.blob(0) }
        guard let stored, stored.count >= tile.width * Hash.length else { return nil }
        return Array(stored.prefix(tile.width * Hash.length))
    }
}
