import Database
import Journal
package import MerkleLog
package import TraceFormat
import Wire

extension Ledger {
    /// The latest checkpoint that is given out (C2SP tlog-checkpoint): signed, and cosigned where witnesses are asked.
    package func checkpoint() async throws -> [UInt8] {
        try await journal.read { try LogHead.require($0).published.note }
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

    /// The proof that a trace is in the log, by the latest checkpoint that is given out; nil if there is no such trace,
    /// or its checkpoint still waits for witnesses.
    package func proof(_ id: TraceID) async throws -> TraceProof? {
        try await journal.read { reader in
            guard let (entry, bundle) = try Self.bundle(id, reader) else { return nil }
            return TraceProof(entry: entry.bytes, bundle: bundle.encoded)
        }
    }

    /// As ``proof(_:)``, in the form of a COSE receipt (RFC 9942).
    package func receipt(_ id: TraceID) async throws -> [UInt8]? {
        guard let (_, bundle) = try await journal.read({ try Self.bundle(id, $0) }) else { return nil }
        let checkpoint = try Checkpoint(text: SignedNote(bundle.checkpoint).text)
        journal.note(.use(ofKey: "receipt key", for: "sign receipt"))
        return try receiptSigner.receipt(
            .init(index: bundle.index, size: checkpoint.size, root: checkpoint.root, path: bundle.proof),
            issuer: origin, subject: "urn:uuid:\(id.text)", time: Timestamp.now.seconds)
    }

    /// What others verify receipts with: a COSE_KeySet (RFC 9052 §7), or the COSE_Key with an id alone.
    package func receiptKeys(_ keyID: [UInt8]? = nil) -> [UInt8]? {
        guard let keyID else { return receiptSigner.keySet }
        return keyID == receiptSigner.keyID ? receiptSigner.coseKey : nil
    }

    private static func bundle(_ id: TraceID, _ reader: Reader) throws -> (LogEntry, InclusionBundle)? {
        let row = try reader.first("\(EntryRow.select) WHERE id = ?", .init(id.bytes)) { try EntryRow($0) }
        guard let row else { return nil }
        let (size, checkpoint) = try LogHead.require(reader).published
        let index = UInt64(clamping: row.leaf)
        guard index < size else { return nil }
        let tiles = LogTileReader(reader, size: size)
        let hashes = try MerkleTree.inclusionProof(index: index, size: size, read: tiles.hash)
        return (row.entry, InclusionBundle(index: index, proof: hashes, checkpoint: checkpoint))
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
