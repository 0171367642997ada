extension Tile {
    /// The tile that holds what the hash of a complete subtree is computed from, in a tree of `size` leaves.
    /// - Throws: `invalidArgument` if the subtree is not complete at that size.
    package static func holding(_ subtree: Subtree, size: UInt64) throws -> Tile {
        guard (0...63).contains(subtree.level), subtree.index < size >> UInt64(subtree.level) else {
            throw MerkleLogError(
                .invalidArgument,
                "subtree \(subtree.index) of level \(subtree.level) is not complete in a tree of size \(size)")
        }
        let level = subtree.level / height
        let first = subtree.index << UInt64(subtree.level % height)
        // The subtree is complete, so its first hash exists and so does the tile.
        guard let tile = at(.hashes(level: level), index: first / UInt64(fullWidth), size: size) else {
            throw MerkleLogError(.invalidArgument, "a tree of size \(size) has no tile for subtree \(subtree)")
        }
        return tile
    }

    /// The hash of a subtree of this tile, from the tile's bytes (32 for each hash).
    /// - Throws: `malformed` if the bytes are not those of a tile of this width, `invalidArgument` if the subtree's
    ///   hashes are not in this tile.
    package func hash(of subtree: Subtree, in bytes: [UInt8]) throws -> Hash {
        let hashes = try Self.decode(bytes, width: width)
        let spread = subtree.level % Self.height
        guard subtree.level >= 0, content == .hashes(level: subtree.level / Self.height),
            subtree.index <= UInt64.max >> UInt64(spread)
        else {
            throw MerkleLogError(.invalidArgument, "subtree \(subtree) does not belong to tile \(path)")
        }
        let first = subtree.index << UInt64(spread)
        let start = Int(first % UInt64(Self.fullWidth))
        let count = 1 << spread
        guard first / UInt64(Self.fullWidth) == index, start + count <= width else {
            throw MerkleLogError(.invalidArgument, "subtree \(subtree) does not lie in tile \(path)")
        }
        var row = Array(hashes[start..<start + count])
        while row.count > 1 {
            row = stride(from: 0, to: row.count, by: 2).map { .node(row[$0], row[$0 + 1]) }
        }
        return row[0]
    }

    /// The hashes of a tile's bytes.
    /// - Throws: `malformed` unless there are exactly `width` of them.
    package static func decode(_ bytes: [UInt8], width: Int) throws -> [Hash] {
        guard (1...fullWidth).contains(width), bytes.count == width * Hash.length else {
            throw MerkleLogError(.malformed, "a tile of width \(width) has 32 bytes a hash, not \(bytes.count) in all")
        }
        return bytes.withUnsafeBytes { all in
            (0..<width).compactMap { i in
                Hash(UnsafeRawBufferPointer(rebasing: all[i * Hash.length..<(i + 1) * Hash.length]))
            }
        }
    }

    /// The bytes of a tile: its hashes, one after the other.
    package static func encode(_ hashes: [Hash]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(hashes.count * Hash.length)
        for hash in hashes { hash.withUnsafeBytes { bytes.append(contentsOf: $0) } }
        return bytes
    }
}
