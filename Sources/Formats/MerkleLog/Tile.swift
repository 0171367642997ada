/// The address of a tile or an entry bundle of a tiled log (C2SP tlog-tiles): up to 256 hashes of a level, or entries,
/// that stand side by side.
package struct Tile: Hashable, Sendable {
    package enum Content: Hashable, Sendable {
        /// Hashes of the tile level 0 to 63. Those of level l are the hashes of subtrees of 256^l leaves.
        case hashes(level: Int)
        /// The entries themselves.
        case entries
    }

    /// The hashes or entries of a full tile.
    package static let fullWidth = 256
    /// The tree levels that one tile level spans.
    package static let height = 8

    package var content: Content
    package var index: UInt64
    /// 1 to 256; less than 256 is a partial tile.
    package var width: Int

    /// - Throws: `invalidArgument` for a level outside 0...63 or a width outside 1...256.
    package init(_ content: Content, index: UInt64, width: Int = fullWidth) throws {
        if case .hashes(let level) = content, !(0...63).contains(level) {
            throw MerkleLogError(.invalidArgument, "tile level \(level) must be 0 to 63")
        }
        guard (1...Self.fullWidth).contains(width) else {
            throw MerkleLogError(.invalidArgument, "tile width \(width) must be 1 to 256")
        }
        self.init(unchecked: content, index, width)
    }

    private init(unchecked content: Content, _ index: UInt64, _ width: Int) {
        self.content = content
        self.index = index
        self.width = width
    }

    /// The tile `index` as it is in a tree of `size` leaves, full or partial; nil if it is empty there.
    package static func at(_ content: Content, index: UInt64, size: UInt64) -> Tile? {
        let count = itemCount(content, size: size)
        let full = count / UInt64(fullWidth)
        let rest = Int(count % UInt64(fullWidth))
        if index < full { return Tile(unchecked: content, index, fullWidth) }
        return index == full && rest > 0 ? Tile(unchecked: content, index, rest) : nil
    }

    /// The hashes of a tile level, or entries, that a tree of `size` leaves has.
    package static func itemCount(_ content: Content, size: UInt64) -> UInt64 {
        guard case .hashes(let level) = content, level > 0 else { return size }
        return level < 8 ? size >> UInt64(height * level) : 0
    }

    /// The tiles of one kind in a tree: `full` full ones, then, unless `partialWidth` is 0, a partial one.
    package struct Row: Hashable, Sendable {
        package var content: Content
        package var full: UInt64
        package var partialWidth: Int
    }

    /// The tiles that represent a tree of `size` leaves, by level from 0; the bundles have the counts of level 0.
    package static func layout(size: UInt64) -> [Row] {
        var rows: [Row] = []
        var level = 0
        while true {
            let count = itemCount(.hashes(level: level), size: size)
            guard count > 0 else { return rows }
            rows.append(
                Row(
                    content: .hashes(level: level), full: count / UInt64(fullWidth),
                    partialWidth: Int(count % UInt64(fullWidth))))
            level += 1
        }
    }
}
