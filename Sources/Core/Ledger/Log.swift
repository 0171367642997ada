import Database
import Journal
package import MerkleLog
package import TraceFormat

extension Ledger {
    /// The latest signed checkpoint (C2SP tlog-checkpoint).
    package func checkpoint() async throws -> [UInt8] {
        try await journal.read { try LogHead.require($0).checkpoint }
    }

    /// The signed checkpoint of a size that the log once had at the end of a transaction; nil for another size.
    package func checkpoint(size: UInt64) async throws -> [UInt8]? {
        guard let size = Int64(exactly: size) else { return nil }
        return try await journal.read { reader in
            try reader.first("SELECT checkpoint FROM log_checkpoints WHERE size = ?", .init(size)) { $0.blob(0) }
        }
    }

    /// The bytes of a tile or entry bundle (C2SP tlog-tiles); nil if the log does not have it (yet).
    ///
    /// - Parameter path: such as `tile/0/x001/234` or `tile/entries/000.p/7`.
    /// - Throws: `MerkleLogError` `.malformed` for another form.
    package func tile(_ path: String) async throws -> [UInt8]? {
        let tile = try Tile(path: path)
        return try await journal.read { reader in
            guard case .entries = tile.content else { return try LogTileReader.bytes(of: tile, in: reader) }
            let width = UInt64(Tile.fullWidth)
            guard tile.index <= UInt64(Int64.max) / width - 1 else { return nil }
            let first = Int64(tile.index * width)
            let entries = try reader.rows(
                "\(EntryRow.select) WHERE leaf >= ? AND leaf < ? ORDER BY leaf", .init(first),
                .init(first + Int64(tile.width))
            ) { try EntryRow($0).entry.bytes }
            return entries.count == tile.width ? try EntryBundle.encode(entries) : nil
        }
    }

    /// The proof that a trace is in the log, by the latest checkpoint; nil if there is no such trace.
    package func proof(_ id: TraceID) async throws -> TraceProof? {
        try await journal.read { reader in
            guard
                let row = try reader.first(
                    "\(EntryRow.select) WHERE id = ?", .init(id.bytes), map: { try EntryRow($0) })
            else {
                return nil
            }
            let head = try LogHead.require(reader)
            let tiles = LogTileReader(reader, size: head.frontier.size)
            let index = UInt64(clamping: row.leaf)
            let hashes = try MerkleTree.inclusionProof(index: index, size: head.frontier.size, read: tiles.hash)
            let bundle = InclusionBundle(index: index, proof: hashes, checkpoint: head.checkpoint)
            return TraceProof(entry: row.entry.bytes, bundle: bundle.encoded)
        }
    }

    /// The log's entry of a trace; nil if there is no such trace.
    package func entry(_ id: TraceID) async throws -> [UInt8]? {
        try await journal.read { reader in
            try reader.first("\(EntryRow.select) WHERE id = ?", .init(id.bytes)) { try EntryRow($0).entry.bytes }
        }
    }

    /// The proof that the log only grew between two sizes (RFC 6962 §2.1.2).
    ///
    /// - Throws: `MerkleLogError` `.invalidArgument` for sizes that the log has not reached, or in the wrong order.
    package func consistency(from oldSize: UInt64, to newSize: UInt64) async throws -> [Hash] {
        try await journal.read { reader in
            let size = try LogHead.require(reader).frontier.size
            guard newSize <= size else {
                throw MerkleLogError(.invalidArgument, "the log has size \(size), not yet \(newSize)")
            }
            let tiles = LogTileReader(reader, size: newSize)
            return try MerkleTree.consistencyProof(from: oldSize, to: newSize, read: tiles.hash)
        }
    }
}
