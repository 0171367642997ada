/// Where a log's tiles are read from: a monitoring prefix over HTTP, or anything that has them.
package protocol LogSource: Sendable {
    /// The bytes of a tile or bundle; nil if the log does not have it.
    func bytes(of tile: Tile) async throws -> [UInt8]?
}

/// What is wrong with a log, and where.
package struct LogFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// A tile's path, an entry or a checkpoint.
    package let place: String
    package let problem: String

    package init(_ place: String, _ problem: String) {
        self.place = place
        self.problem = problem
    }

    package var description: String { "\(place): \(problem)" }
}

/// Reads a log's entries and compares all that it says of them: the hashes of its tiles, and at last the root that it
/// has signed. What a log adds between two checkpoints shows both that it only grew and that its tiles are whole.
package struct LogReplay<Source: LogSource>: Sendable {
    private let source: Source
    private let target: Checkpoint
    private var frontier: Frontier
    /// The tile of each level above the lowest at which the replay has arrived.
    private var upper: [Int: (tile: Tile, hashes: [Hash])] = [:]

    /// Bundles that are fetched at once.
    private static var atOnce: UInt64 { 8 }

    /// How many entries were read, with those that were known before.
    package var size: UInt64 { frontier.size }

    /// From the first entry on.
    package init(_ source: Source, to target: Checkpoint) {
        self.source = source
        self.target = target
        frontier = Frontier()
    }

    /// From where a checkpoint stood that was verified before.
    /// - Throws: ``LogFault`` if the log is not that checkpoint's any more; what the source throws.
    package init(_ source: Source, from known: Checkpoint, to target: Checkpoint) async throws {
        self.init(source, to: target)
        guard known.size <= target.size else {
            throw LogFault("checkpoint", "the log has gone back from size \(known.size) to \(target.size)")
        }
        guard known.size < target.size || known.root == target.root else {
            throw LogFault("checkpoint", "the log has two trees of size \(known.size): it is a fork")
        }
        var tiles: [Tile: [UInt8]] = [:]
        for subtree in Subtree.edge(size: known.size) {
            let tile = try Tile.holding(subtree, size: target.size)
            if tiles[tile] == nil { tiles[tile] = Tile.encode(try await hashes(of: tile)) }
        }
        let fetched = tiles
        frontier = try Frontier(size: known.size) { level, index in
            let subtree = Subtree(level: level, index: index)
            let tile = try Tile.holding(subtree, size: target.size)
            return try tile.hash(of: subtree, in: fetched[tile] ?? [])
        }
        guard frontier.root == known.root else {
            throw LogFault(
                "tree of size \(known.size)",
                "the tiles make another tree than the one that was signed before: what was in the log was changed")
        }
    }

    /// Reads the next entries, at most 2048.
    /// - Returns: the entries; nil when all were read and their root is the one that was signed.
    /// - Throws: ``LogFault`` for the first place that is wrong; what the source throws.
    package mutating func next() async throws -> [[UInt8]]? {
        guard frontier.size < target.size else {
            guard frontier.root == target.root else {
                throw LogFault(
                    "checkpoint",
                    "the \(target.size) entries have the root \(frontier.root.base64), and the log has "
                        + "signed \(target.root.base64)")
            }
            return nil
        }
        let width = UInt64(Tile.fullWidth)
        let first = frontier.size / width
        let last = min(first + Self.atOnce - 1, (target.size - 1) / width)
        let parts = try await withThrowingTaskGroup(of: (UInt64, [[UInt8]], [Hash]).self) { [self] group in
            for index in first...last {
                guard let bundle = Tile.at(.entries, index: index, size: target.size),
                    let tile = Tile.at(.hashes(level: 0), index: index, size: target.size)
                else { continue }
                group.addTask { (index, try await entries(of: bundle), try await hashes(of: tile)) }
            }
            var parts: [(UInt64, [[UInt8]], [Hash])] = []
            for try await part in group { parts.append(part) }
            return parts.sorted { $0.0 < $1.0 }
        }
        var new: [[UInt8]] = []
        for (index, entries, hashes) in parts {
            let leaves = entries.map { Hash.leaf($0) }
            for (offset, (leaf, hash)) in zip(leaves, hashes).enumerated() where leaf != hash {
                throw LogFault(
                    "entry \(index * width + UInt64(offset))",
                    "the tile of level 0 has another hash than the entry: one of them was altered")
            }
            let known = Int(frontier.size - index * width)
            for stored in try frontier.append(Array(leaves.dropFirst(known))) {
                guard stored.subtree.level > 0, stored.subtree.level % Tile.height == 0 else { continue }
                try await compare(stored)
            }
            new += entries.dropFirst(known)
        }
        return new
    }

    /// Compares the hash of a subtree that has become complete with the one in its tile.
    private mutating func compare(_ stored: Frontier.StoredHash) async throws {
        let level = stored.subtree.level / Tile.height
        let tile = try Tile.holding(stored.subtree, size: target.size)
        if upper[level]?.tile != tile { upper[level] = (tile, try await hashes(of: tile)) }
        let offset = Int(stored.subtree.index % UInt64(Tile.fullWidth))
        guard upper[level]?.hashes[offset] == stored.hash else {
            throw LogFault(
                tile.path, "its hash \(offset) is not that of the \(1 << stored.subtree.level) entries below it")
        }
    }

    private func hashes(of tile: Tile) async throws -> [Hash] {
        try await read(tile) { try Tile.decode($0, width: $1) }
    }

    private func entries(of bundle: Tile) async throws -> [[UInt8]] {
        try await read(bundle) { try EntryBundle.decode($0, width: $1).map { Array($0) } }
    }

    /// Reads a tile; a partial one that the log does not keep any more is the beginning of the full one.
    private func read<T>(_ tile: Tile, decode: ([UInt8], Int) throws -> [T]) async throws -> [T] {
        for candidate in [tile, try Tile(tile.content, index: tile.index)] {
            guard let bytes = try await source.bytes(of: candidate) else { continue }
            do {
                return Array(try decode(bytes, candidate.width).prefix(tile.width))
            } catch let error as MerkleLogError {
                throw LogFault(candidate.path, error.message)
            }
        }
        throw LogFault(tile.path, "the log does not have it")
    }
}
