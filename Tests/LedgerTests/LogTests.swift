import Database
import Ledger
import MerkleLog
import TestSupport
import Testing
import TraceFormat
import Wire

@Suite struct LogTests {
    @Test("concurrent batches of random sizes give one consistent tree", arguments: TestEngine.allCases)
    func concurrent(engine: TestEngine) async throws {
        try await engine.withNode { node in
            // Two ledgers on one database, as two nodes have them.
            let ledgers = [try await node.ledger(), try await node.ledger()]
            let ledger = ledgers[0]
            let traces = try await withThrowingTaskGroup(of: [Trace].self) { group in
                for task in 0..<8 {
                    group.addTask {
                        var traces: [Trace] = []
                        var next = task * 1000
                        let end = next + 125
                        while next < end {
                            let count = min(Int.random(in: 1...20), end - next)
                            // Some ask twice, as a worker does that was restarted.
                            let again = next > task * 1000 && Bool.random() ? 1 : 0
                            let drafts = (next - again..<next + count).map { draft($0) }
                            traces += try await ledgers[task % 2].traces(of: drafts).dropFirst(again)
                            next += count
                        }
                        return traces
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(Set(traces.map(\.id)).count == 1000)
            let note = try await ledger.checkpoint()
            let checkpoint = try verified(note, ledger.vkey)
            #expect(checkpoint.size == 1000)

            // The tree is that of its entries.
            let entries = try await entries(ledger, size: 1000)
            var frontier = Frontier()
            var roots: [UInt64: Hash] = [0: frontier.root]
            for entry in entries {
                _ = try frontier.append([.leaf(entry)])
                roots[frontier.size] = frontier.root
            }
            #expect(frontier.size == 1000 && frontier.root == checkpoint.root)

            // Each trace has a proof, and its entry is in the bundle.
            for trace in traces {
                let proof = try #require(try await ledger.proof(trace.id))
                let bundle = try InclusionBundle(proof.bundle)
                #expect(entries[Int(bundle.index)] == proof.entry)
                #expect(try LogEntry(trace).bytes == proof.entry)
                let state = try bundle.verify(
                    leaf: .leaf(proof.entry), origin: ledger.origin, keys: [VerifierKey(vkey: ledger.vkey)])
                #expect(state == checkpoint)
            }

            // Every checkpoint that was ever signed is a prefix of the next one and of the last.
            var sizes: [UInt64] = []
            for size in 0...UInt64(1000) {
                guard let note = try await ledger.checkpoint(size: size) else { continue }
                let state = try verified(note, ledger.vkey)
                #expect(state.size == size && state.root == roots[size])
                for (old, new) in [(sizes.last ?? 0, size), (size, 1000)] {
                    let proof = try await ledger.consistency(from: old, to: new)
                    try MerkleTree.verifyConsistency(
                        oldSize: old, oldRoot: try #require(roots[old]), newSize: new,
                        newRoot: try #require(roots[new]),
                        proof: proof)
                }
                sizes.append(size)
            }
            #expect(sizes.first == 0 && sizes.last == 1000 && sizes.count > 50)
            await #expect(throws: MerkleLogError.self) { try await ledger.consistency(from: 1, to: 1001) }
            await #expect(throws: MerkleLogError.self) { try await ledger.consistency(from: 3, to: 2) }

            // Times follow the order of the log.
            let times = try entries.map { try JSONValue(parsing: $0)["timestamp"]?.string ?? "" }
            let moments = times.compactMap { Timestamp(rfc3339: $0) }
            #expect(moments.count == 1000 && moments == moments.sorted())
        }
    }

    @Test("tiles have the hashes of the tree, at every width that it once had", arguments: TestEngine.allCases)
    func tiles(engine: TestEngine) async throws {
        try await engine.withLedger { ledger, _ in
            for start in stride(from: 0, to: 600, by: 100) {
                _ = try await ledger.register((start..<start + 100).map { draft($0, contents: 0) }, by: "a")
            }
            let leaves = try await entries(ledger, size: 600).map { Hash.leaf($0) }
            #expect(try await ledger.tile("tile/0/000") == Tile.encode(Array(leaves[0..<256])))
            #expect(try await ledger.tile("tile/0/001") == Tile.encode(Array(leaves[256..<512])))
            #expect(try await ledger.tile("tile/0/002.p/88") == Tile.encode(Array(leaves[512..<600])))
            #expect(try await ledger.tile("tile/0/002.p/1") == Tile.encode([leaves[512]]))
            #expect(try await ledger.tile("tile/0/000.p/200") == Tile.encode(Array(leaves[0..<200])))
            var left = Frontier()
            _ = try left.append(Array(leaves[0..<256]))
            var right = Frontier()
            _ = try right.append(Array(leaves[256..<512]))
            #expect(try await ledger.tile("tile/1/000.p/2") == Tile.encode([left.root, right.root]))
            for path in [
                "tile/0/002", "tile/0/002.p/89", "tile/0/003.p/1", "tile/1/000", "tile/1/000.p/3", "tile/2/000.p/1",
                "tile/63/000", "tile/entries/002", "tile/entries/002.p/89", "tile/entries/003.p/1",
                "tile/0/x036/x028/x797/x018/x963/967", "tile/entries/x036/x028/x797/x018/x963/967",
                "tile/entries/x018/x446/x744/x073/x709/x551/615", "tile/0/x018/x446/x744/x073/x709/x551/615",
            ] {
                #expect(try await ledger.tile(path) == nil, "\(path)")
            }
            for path in [
                "", "tile/0/2", "tile/64/000", "tile/0/000.p/0", "tile/0/000.p/256", "../tile/0/000", "checkpoint",
            ] {
                await #expect(throws: MerkleLogError.self) { try await ledger.tile(path) }
            }
        }
    }

    @Test("a damaged store is told, and nothing is appended to it", arguments: TestEngine.allCases)
    func damaged(engine: TestEngine) async throws {
        try await engine.withLedger { ledger, node in
            let trace = try #require(try await ledger.traces(of: [draft(1), draft(2)], by: "a").first)
            try await node.database.write {
                try $0.run("UPDATE log_tiles SET hashes = ?", .init([UInt8](repeating: 0, count: 32)))
            }
            await #expect { try await ledger.register([draft(3)], by: "a") } throws: {
                ($0 as? LedgerError)?.code == .damaged
            }
            await #expect { try await ledger.proof(trace.id) } throws: { ($0 as? LedgerError)?.code == .damaged }
            try await node.database.write { try $0.run("DELETE FROM log_head") }
            await #expect { try await ledger.checkpoint() } throws: { ($0 as? LedgerError)?.code == .damaged }
        }
    }
}
