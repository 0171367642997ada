import Crypto
import Database
package import Identity
package import Journal
import MerkleLog
import TraceFormat
import Wire

extension Ledger {
    /// Checks the log against the traces that it was made from: every trace's signature, every stored hash of the tree,
    /// and that each checkpoint ever signed is one of this tree.
    ///
    /// - Parameters:
    ///   - progress: told how many traces were read, and how many there are.
    ///   - found: told of each thing that is not as it should be, in the order of the log.
    /// - Returns: the size of the log.
    package static func verify(
        journal: Journal, identity: Identity, progress: (_ done: Int, _ of: Int) -> Void = { _, _ in },
        _ found: FindingHandler
    ) async throws -> Int {
        // A node that never ran to its end at the first start has none yet.
        guard let head = try await journal.read({ try LogHead.read($0) }) else { return 0 }
        var frontier = Frontier()
        var isWhole = true
        while true {
            let first = Int64(frontier.size)
            let page = try await journal.read { reader in
                try reader.rows("\(EntryRow.select) WHERE leaf >= ? ORDER BY leaf LIMIT 256", .init(first)) {
                    try EntryRow($0)
                }
            }
            var leaves: [Hash] = []
            for row in page {
                guard row.leaf == first + Int64(leaves.count) else {
                    await found(Finding("log", "leaf \(first + Int64(leaves.count))", "its trace is missing"))
                    isWhole = false
                    break
                }
                leaves.append(.leaf(row.entry.bytes))
                for fault in try await faults(of: row, in: journal) {
                    await found(Finding("log", "trace \(row.entry.id.text)", fault))
                }
            }
            for problem in try await differences(try frontier.append(leaves), in: journal) {
                await found(Finding("log", "tree", problem))
            }
            progress(Int(frontier.size), Int(head.frontier.size))
            if page.count < 256 || !isWhole { break }
        }
        guard isWhole else { return Int(head.frontier.size) }
        if frontier != head.frontier {
            await found(
                Finding(
                    "log", "state",
                    "the log says that it has \(head.frontier.size) traces, and its \(frontier.size) make another tree"
                ))
        }
        try await verifyCheckpoints(head, journal, identity, found)
        return Int(head.frontier.size)
    }

    private static func faults(of row: EntryRow, in journal: Journal) async throws -> [String] {
        do {
            let document = try await journal.read { reader in
                try reader.first("\(TraceRow.select) WHERE leaf = ?", .init(row.leaf)) { try TraceRow($0).document }
            }
            guard let document else { return ["its certificate is missing"] }
            let trace = try Trace.parse(document)
            let isSame = try LogEntry(trace).bytes == row.entry.bytes
            // That nobody signed it, or a stranger, is what the log says of it. OpenPGP's were verified when they came.
            let faults = trace.signatureFaults().filter {
                ![.unsigned, .unknownSigner, .revokedSigner, .notVerified].contains($0.code)
            }
            return faults.map { "\($0)" } + (isSame ? [] : ["its entry in the log tells other things"])
        } catch let error as DatabaseError {
            throw error
        } catch {
            return ["\(error)"]
        }
    }

    /// Where the stored tiles have other hashes than the traces give.
    private static func differences(_ hashes: [Frontier.StoredHash], in journal: Journal) async throws -> [String] {
        try await journal.read { reader in
            var tiles: [String: [UInt8]] = [:]
            var problems: [String] = []
            for stored in hashes where stored.subtree.level % Tile.height == 0 {
                let (level, index) = (stored.subtree.level / Tile.height, stored.subtree.index)
                let number = index / UInt64(Tile.fullWidth)
                let name = "tile \(number) of level \(level)"
                let bytes =
                    try tiles[name] ?? reader.first(
                        "SELECT hashes FROM log_tiles WHERE level = ? AND number = ?", .init(level),
                        .init(Int64(number))
                    ) { $0.blob(0) } ?? []
                tiles[name] = bytes
                let start = Int(index % UInt64(Tile.fullWidth)) * Hash.length
                let expected = Tile.encode([stored.hash])
                if bytes.count < start + Hash.length || !bytes[start..<start + Hash.length].elementsEqual(expected) {
                    problems.append("\(name) has another hash, or none, for \(index)")
                }
            }
            return problems
        }
    }

    private static func verifyCheckpoints(
        _ head: LogHead, _ journal: Journal, _ identity: Identity, _ found: FindingHandler
    ) async throws {
        let stored = try await identity.nodeKey("log") {
            throw LedgerError(.damaged, "the key of the log is missing from the database")
        }
        let key = try NoteSigner(
            name: head.origin, privateKey: Curve25519.Signing.PrivateKey(rawRepresentation: stored.key)
        ).verifierKey
        func check(_ note: [UInt8], size: UInt64) async throws {
            do {
                let signed = try SignedNote(note)
                _ = try signed.verify(with: [key])
                let checkpoint = try Checkpoint(text: signed.text)
                let root = try await journal.read { reader in
                    try MerkleTree.rootHash(size: size, read: LogTileReader(reader, size: size).hash)
                }
                if checkpoint.size != size || checkpoint.root != root || checkpoint.origin != head.origin {
                    throw LedgerError(.damaged, "it is of another tree")
                }
            } catch let error as DatabaseError {
                throw error
            } catch {
                await found(Finding("log", "checkpoint of size \(size)", "\(error)"))
            }
        }
        try await check(head.checkpoint, size: head.frontier.size)
        try await check(head.published.note, size: head.published.size)
        var after: Int64 = -1
        while true {
            let page = try await journal.read { [after] reader in
                try reader.rows(
                    "SELECT size, checkpoint FROM log_checkpoints WHERE size > ? ORDER BY size LIMIT 1000",
                    .init(after)
                ) { (size: $0.int(0), note: $0.blob(1)) }
            }
            for checkpoint in page { try await check(checkpoint.note, size: UInt64(clamping: checkpoint.size)) }
            guard page.count == 1000, let last = page.last else { return }
            after = last.size
        }
    }
}
