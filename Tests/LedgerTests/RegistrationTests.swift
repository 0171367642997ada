import Database
import Journal
import Ledger
import MerkleLog
import TestSupport
import Testing
import TraceFormat
import Wire

@Suite struct RegistrationTests {
    @Test("a registered trace is signed, found in every way, and proven", arguments: TestEngine.allCases)
    func registers(engine: TestEngine) async throws {
        try await engine.withLedger { ledger, node in
            let trace = try #require(try await ledger.traces(of: [draft(3)], by: "system:tracer").first)
            #expect(trace.signatureFaults().isEmpty)
            #expect(trace.product.contents?.count == 2)
            #expect(try await ledger.trace(id: trace.id) == trace)
            #expect(try await ledger.traces(name: "product-3") == [trace])
            #expect(try await ledger.traces(hash: Hex.decode(digest(3)) ?? []) == [trace])
            #expect(try await ledger.traces(hash: Hex.decode(digest(1_003_001)) ?? []) == [trace])
            #expect(try await ledger.traces(name: "product-4").isEmpty)
            #expect(try await ledger.traces(name: "a\0b").isEmpty)
            #expect(try await ledger.traces(hash: []).isEmpty)
            #expect(try await ledger.trace(id: .make()) == nil)
            #expect(try await ledger.proof(.make()) == nil)
            let proof = try #require(try await ledger.proof(trace.id))
            #expect(proof.entry == (try LogEntry(trace).bytes))
            let verifier = TraceVerifier(key: try VerifierKey(vkey: ledger.vkey))
            let evidence = TraceEvidence(trace: trace, proof: proof.bundle)
            let same = TraceSubject(name: "product-3", hashes: [.blake3: digest(3)])
            #expect(verifier.verify(same, by: [evidence]).outcome == .genuine)
            let other = TraceSubject(name: "product-3", hashes: [.blake3: digest(4)])
            #expect(verifier.verify(other, by: [evidence]).outcome == .altered)
            let events = try await node.journal.events(of: trace.id.text, limit: 10)
            #expect(events.map(\.kind) == [.traceRegistered])
            #expect(events.first?.collection == 7)
        }
    }

    @Test("registering the same again gives the same trace and grows nothing", arguments: TestEngine.allCases)
    func idempotent(engine: TestEngine) async throws {
        try await engine.withLedger { ledger, _ in
            let first = try await ledger.traces(of: [draft(1), draft(2)], by: "a")
            let checkpoint = try await ledger.checkpoint()
            #expect(try await ledger.traces(of: [draft(2), draft(1)], by: "b") == first.reversed())
            #expect(try await ledger.checkpoint() == checkpoint)
            // Another event, hash or product is another trace; one that comes twice in a batch is one.
            var changed = draft(1)
            changed.hash = digest(99)
            let more = try await ledger.traces(of: [draft(1, event: .delete), changed, changed], by: "a")
            #expect(Set(more.map(\.id)).count == 2)
            #expect(more[1] == more[2])
            #expect(try verified(try await ledger.checkpoint(), ledger.vkey).size == 4)
            // What is not the node's own is told apart by its name.
            var foreign = draft(5)
            foreign.collection = nil
            foreign.product = nil
            var named = foreign
            named.name = "another"
            let traces = try await ledger.traces(of: [foreign, named, foreign], by: "a")
            #expect(traces[0] == traces[2] && traces[0].id != traces[1].id)
        }
    }

    @Test("the document is stored text joined, and reads as the trace", arguments: TestEngine.allCases)
    func documents(engine: TestEngine) async throws {
        try await engine.withLedger { ledger, _ in
            var odd = draft(1)
            odd.name = "P <&> \"é\u{2028}\\ 😀"
            odd.contents = [.init(path: "a\nb\t\u{7}", hash: digest(1)), .init(path: "c", hash: digest(1))]
            odd.inputs = [.init(name: "in", hash: "")]
            odd.hashAlgorithm = .sha3
            var bare = draft(2)
            bare.contents = nil
            var empty = draft(3)
            empty.contents = []
            let traces = try await ledger.traces(of: [odd, bare, empty], by: "a")
            for trace in traces {
                #expect(trace.signatureFaults().isEmpty)
                let document = try #require(try await ledger.document(trace.id))
                #expect(try Trace.parse(document) == trace)
                #expect(try await ledger.proof(trace.id)?.entry == LogEntry(trace).bytes)
            }
            #expect(try await ledger.traces(name: odd.name) == [traces[0]])
        }
    }

    @Test("lookups give at most 50, the latest first", arguments: TestEngine.allCases)
    func lookupLimit(engine: TestEngine) async throws {
        try await engine.withLedger { ledger, _ in
            let drafts = (0..<60).map { number in
                var draft = draft(number)
                draft.name = "same"
                draft.contents = [.init(path: "x", hash: digest(5_000_000))]
                return draft
            }
            let traces = try await ledger.traces(of: drafts, by: "a")
            let expected = Array(traces.reversed().prefix(50)).map(\.id)
            #expect(try await ledger.ids(name: "same") == expected)
            #expect(try await ledger.ids(hash: Hex.decode(digest(5_000_000)) ?? []) == expected)
        }
    }

    static let faults: [@Sendable (inout TraceDraft) -> Void] = [
        { $0.name = "" }, { $0.name = String(repeating: "x", count: 1025) }, { $0.name = "a\nb" }, { $0.size = -1 },
        { $0.size = 1 << 60 }, { $0.hash = "ABC" }, { $0.hash = digest(10).uppercased() }, { $0.origin = "" },
        { $0.hash += "00" }, { $0.product = "a\0" }, { $0.contents = [.init(path: "", hash: digest(1))] },
        { $0.contents = [.init(path: "a", hash: "")] },
    ]

    @Test("drafts that no trace can be made of register nothing", arguments: faults.indices)
    func invalid(index: Int) async throws {
        try await TestEngine.sqlite.withLedger { ledger, _ in
            var bad = draft(10)
            Self.faults[index](&bad)
            let drafts = [draft(1), bad]
            await #expect {
                try await ledger.register(drafts, by: "a")
            } throws: { error in
                (error as? LedgerError)?.code == .invalidDraft
            }
            let note = try await ledger.checkpoint()
            #expect(try verified(note, ledger.vkey).size == 0)
        }
    }

    @Test("a call may hold no draft, and not too many")
    func batchSizes() async throws {
        try await TestEngine.sqlite.withLedger { ledger, _ in
            let none = try await ledger.traces(of: [], by: "a")
            #expect(none.isEmpty)
            await #expect {
                try await ledger.register((0..<1001).map { draft($0) }, by: "a")
            } throws: { error in
                (error as? LedgerError)?.code == .tooMany
            }
        }
    }

    @Test("a transaction that fails leaves no trace, no tile and no checkpoint", arguments: TestEngine.allCases)
    func failure(engine: TestEngine) async throws {
        try await engine.withLedger { ledger, node in
            _ = try await ledger.register([draft(1)], by: "a")
            let before = try await ledger.checkpoint()
            // The history has the next size already, so the last statement of the registration fails.
            try await node.database.write {
                try $0.run("INSERT INTO log_checkpoints (size, time, checkpoint) VALUES (3, 0, ?)", .init([UInt8]()))
            }
            await #expect(throws: DatabaseError.self) { try await ledger.register([draft(2), draft(3)], by: "a") }
            #expect(try await ledger.checkpoint() == before)
            #expect(try await ledger.ids(name: "product-2").isEmpty)
            #expect(try await ledger.tile("tile/0/000.p/2") == nil)
            #expect(try await ledger.tile("tile/0/000.p/1") != nil)
            let after = try await ledger.register([draft(2)], by: "a")
            #expect(try await ledger.proof(after[0]) != nil)
        }
    }

    @Test("a ledger that is opened again has its keys, its name and its tree", arguments: TestEngine.allCases)
    func reopened(engine: TestEngine) async throws {
        try await engine.withNode { node in
            let first = try await node.ledger(origin: "first.example/log")
            let trace = try #require(try await first.traces(of: [draft(1)], by: "a").first)
            let second = try await node.ledger(origin: "renamed.example/log")
            #expect(second.vkey == first.vkey && second.origin == "first.example/log")
            let other = try #require(try await second.traces(of: [draft(2)], by: "a").first)
            #expect(other.signature.certificate == trace.signature.certificate)
            let third = try #require(try await first.traces(of: [draft(3)], by: "a").first)
            #expect(third.timestamp >= other.timestamp && other.timestamp >= trace.timestamp)
            #expect(try verified(try await second.checkpoint(), first.vkey).size == 3)
        }
    }

    @Test("names that no log can have are refused", arguments: ["", "a b", "a+b", "a\nb"])
    func origins(origin: String) async throws {
        try await TestEngine.sqlite.withNode { node in
            _ = await #expect(throws: MerkleLogError.self) { try await node.ledger(origin: origin) }
        }
    }
}
