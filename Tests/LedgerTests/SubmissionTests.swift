import Certificates
import Crypto
import Database
import Identity
import Journal
import Ledger
import MerkleLog
import TestSupport
import Testing
import TraceFormat
import Wire

@Suite struct SubmissionTests {
    private func handIn(_ batch: [TraceSubmission], to ledger: Ledger, origin: String = "ada@test") async throws
        -> [TraceID]
    {
        let examined = try await ledger.examine(batch).map { try $0.get() }
        return try await ledger.register(examined, by: "ada", origin: origin).map(\.id)
    }

    @Test("signed, by a stranger, and unsigned are told apart; all are in the log", arguments: TestEngine.allCases)
    func statuses(engine: TestEngine) async throws {
        try await engine.withNode { node in
            let ledger = try await node.ledger(trust: TestTrust(authority: node.authority))
            let known = try Submitter(authority: node.authority)
            let stranger = try Submitter(authority: nil)
            let ids = try await handIn(
                [known.submission(1), stranger.submission(2), unsigned(3)], to: ledger)
            var traces: [Trace] = []
            for id in ids { traces.append(try #require(try await ledger.trace(id: id))) }
            #expect(traces.map(\.signatureStatus) == [.trusted, .unknown, .unsigned])
            #expect(traces.map { $0.signatureFaults().map(\.code) } == [[], [.unknownSigner], [.unsigned]])
            for (number, trace) in traces.enumerated() {
                #expect(trace.product == submittedProduct(number + 1) && trace.origin == "ada@test")
                #expect(trace.hashAlgorithm == .sha256)
                let proof = try #require(try await ledger.proof(trace.id))
                #expect(proof.entry == (try LogEntry(trace).bytes))
                #expect(!String(decoding: proof.entry, as: UTF8.self).contains("ada@"))
                #expect(try await ledger.traces(hash: Hex.decode(digest(6001 + number)) ?? []) == [trace])
                let events = try await node.journal.events(of: trace.id.text, limit: 10)
                #expect(events.map(\.kind) == [.traceRegistered] && events.first?.actor == "ada")
            }
            let findings = try await node.findings()
            #expect(findings.isEmpty, "\(findings)")
        }
    }

    @Test("what is not signed as it says is refused, and the rest is not")
    func invalid() async throws {
        try await TestEngine.sqlite.withNode { node in
            let revoked = try Submitter(authority: node.authority)
            let trust = TestTrust(
                authority: node.authority, revoked: [Array(SHA256.hash(data: revoked.certificate))])
            let ledger = try await node.ledger(trust: trust)
            let known = try Submitter(authority: node.authority)
            var tampered = try known.submission(1)
            tampered.product.size += 1
            var resigned = try known.submission(2)
            resigned.signature.certificate = Base64.encode(try Submitter(authority: node.authority).certificate)
            var noBase64 = try known.submission(3)
            noBase64.signature.certificate = "?"
            var otherAlgorithm = try known.submission(4)
            otherAlgorithm.signature.algorithm = "RSA-SHA256"
            var half = unsigned(5)
            half.signature.message = "{}"
            let results = try await ledger.examine(
                [tampered, resigned, noBase64, otherAlgorithm, half, revoked.submission(6), known.submission(7)])
            for (result, words) in zip(
                results, ["another size", "not one of the message", "Base64", "not one for", "certificate", "revoked"])
            {
                let error = #expect(throws: LedgerError.self) { try result.get() }
                #expect(error?.code == .invalidSignature && error?.message.contains(words) == true, "\(words)")
            }
            #expect(try results[6].get().status == .trusted)
        }
    }

    @Test("a message of another form is kept as it was signed", arguments: TestEngine.allCases)
    func foreignMessages(engine: TestEngine) async throws {
        try await engine.withNode { node in
            let ledger = try await node.ledger(trust: TestTrust(authority: node.authority))
            let product = submittedProduct(1)
            let message = """
                {"event": "CREATE", "name": "\(product.name)", "size": 77, "hash": "\(product.hash)", "note": "é",
                 "contents": [{"path": "given-1.SAFE/a", "hash": "\(digest(6001))"}]}
                """
            let given = try Submitter(authority: node.authority).submission(1, message: message)
            let id = try #require(try await handIn([given], to: ledger).first)
            let trace = try #require(try await ledger.trace(id: id))
            #expect(trace.product == product && trace.signature == given.signature)
            #expect(trace.signatureFaults().isEmpty)
            #expect(try await node.findings().isEmpty)
        }
    }

    @Test("hashes in upper case are the same hashes", arguments: TestEngine.allCases)
    func upperCase(engine: TestEngine) async throws {
        try await engine.withNode { node in
            let ledger = try await node.ledger(trust: TestTrust(authority: node.authority))
            var given = unsigned(1)
            given.product.hash = String(repeating: "AB", count: 32)
            let id = try #require(try await handIn([given], to: ledger).first)
            let trace = try #require(try await ledger.trace(id: id))
            #expect(trace.product.hash == given.product.hash)
            #expect(try await ledger.proof(id)?.entry == LogEntry(trace).bytes)
            #expect(try await ledger.ids(hash: Array(repeating: 0xAB, count: 32)) == [id])
            #expect(try await node.findings().isEmpty)
        }
    }

    @Test("handing in the same again gives the same trace; somebody else's is another", arguments: TestEngine.allCases)
    func idempotent(engine: TestEngine) async throws {
        try await engine.withNode { node in
            let ledger = try await node.ledger(trust: TestTrust(authority: node.authority))
            let given = try Submitter(authority: node.authority).submission(1)
            let first = try await handIn([given], to: ledger)
            let examined = try await ledger.examine([given, unsigned(1)]).map { try $0.get() }
            let again = try await ledger.register(examined, by: "ada", origin: "ada@test")
            #expect(again.map(\.isNew) == [false, true] && again[0].id == first[0])
            #expect(try await handIn([given], to: ledger, origin: "bob@test") != first)
            #expect(try verified(try await ledger.checkpoint(), ledger.vkey).size == 3)
        }
    }

    @Test("a file is validated by what trusted people have signed", arguments: TestEngine.allCases)
    func validation(engine: TestEngine) async throws {
        try await engine.withNode { node in
            let ledger = try await node.ledger(trust: TestTrust(authority: node.authority))
            let known = try Submitter(authority: node.authority)
            let stranger = try Submitter(authority: nil)
            let product = submittedProduct(1)
            let hash = try #require(Hex.decode(product.hash))
            let content = try #require(Hex.decode(digest(6001)))
            func status(_ hash: [UInt8]) async throws -> SignatureStatus? {
                let found = try await ledger.validate(name: product.name, hash: hash)
                guard case .traced(_, _, let status) = found else { return nil }
                return status
            }
            #expect(try await ledger.validate(name: product.name, hash: hash) == .unknown)
            _ = try await handIn([unsigned(1)], to: ledger)
            #expect(try await status(hash) == .unsigned)
            _ = try await handIn([stranger.submission(1)], to: ledger)
            #expect(try await status(hash) == .unknown)
            _ = try await handIn([known.submission(1)], to: ledger)
            #expect(try await status(hash) == .trusted)
            #expect(try await status(content) == .trusted)
            #expect(try await ledger.validate(name: "another", hash: hash) == .unknown)
            // Neither what nobody signed nor what a stranger signed blocks anything.
            _ = try await handIn([unsigned(1, event: .obsolete)], to: ledger)
            _ = try await handIn([stranger.submission(1, event: .obsolete)], to: ledger)
            #expect(try await status(hash) == .trusted)
            #expect(try await ledger.obsoleteIDs().isEmpty)
            let obsolete = try await handIn([known.submission(1, event: .obsolete)], to: ledger)
            for hash in [hash, content] {
                let found = try await ledger.validate(name: product.name, hash: hash)
                guard case .obsolete(let id, _, let reason) = found else {
                    Issue.record("\(found)")
                    continue
                }
                #expect(id == obsolete[0] && reason == "replaced by another")
            }
            #expect(try await ledger.obsoleteIDs() == obsolete)
        }
    }

    @Test("obsolete products are listed by name, time and page", arguments: TestEngine.allCases)
    func obsolete(engine: TestEngine) async throws {
        try await engine.withNode { node in
            let ledger = try await node.ledger(trust: TestTrust(authority: node.authority))
            let known = try Submitter(authority: node.authority)
            let ids = try await handIn((0..<60).map { try known.submission($0, event: .obsolete) }, to: ledger)
            #expect(try await ledger.obsoleteIDs() == Array(ids.prefix(50)))
            #expect(try await ledger.obsoleteIDs(after: ids[49]) == Array(ids.suffix(10)))
            #expect(try await ledger.obsoleteIDs(prefix: "given-7.") == [ids[7]])
            #expect(try await ledger.obsoleteIDs(prefix: "iven").isEmpty)
            let time = try #require(try await ledger.trace(id: ids[0])).timestamp
            #expect(try await ledger.obsoleteIDs(end: time).isEmpty)
            #expect(try await ledger.obsoleteIDs(start: time, after: ids[58]) == [ids[59]])
        }
    }

    @Test("many at once make one log, in which each is", arguments: TestEngine.allCases)
    func concurrent(engine: TestEngine) async throws {
        try await engine.withNode { node in
            let ledger = try await node.ledger(trust: TestTrust(authority: node.authority))
            let known = try Submitter(authority: node.authority)
            let ids = try await withThrowingTaskGroup(of: [TraceID].self) { group in
                for batch in 0..<8 {
                    group.addTask {
                        try await handIn((0..<20).map { try known.submission(batch * 20 + $0) }, to: ledger)
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(Set(ids).count == 160)
            #expect(try verified(try await ledger.checkpoint(), ledger.vkey).size == 160)
            #expect(try await node.findings().isEmpty)
        }
    }
}
