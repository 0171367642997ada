import Crypto
import Database
import Identity
import Journal
import Ledger
import MerkleLog
import Synchronization
import TestSupport
import Testing
import Wire

private let key = Curve25519.Signing.PrivateKey()

/// Another's log, as its witness sees it.
private struct OtherLog {
    let signer: NoteSigner
    var leaves: [Hash] = []

    init(_ name: String = "other.example/log") throws { signer = try NoteSigner(name: name, privateKey: key) }

    func read(_ level: Int, _ index: UInt64) throws -> Hash {
        var frontier = Frontier()
        _ = try frontier.append(Array(leaves[Int(index) << level..<(Int(index) + 1) << level]))
        return frontier.root
    }

    mutating func grow(to size: Int, word: String = "entry") {
        while leaves.count < size { leaves.append(.leaf(Array("\(word) \(leaves.count)".utf8))) }
    }

    func note() throws -> SignedNote {
        let size = UInt64(leaves.count)
        return try Checkpoint(
            origin: signer.verifierKey.name, size: size, root: MerkleTree.rootHash(size: size, read: read)
        ).signed(by: [signer])
    }

    func request(from old: Int) throws -> WitnessRequest {
        let proof =
            old <= leaves.count
            ? try MerkleTree.consistencyProof(from: UInt64(old), to: UInt64(leaves.count), read: read) : []
        return WitnessRequest(oldSize: UInt64(old), proof: proof, note: try note())
    }
}

extension Node {
    fileprivate func witness(_ logs: [VerifierKey]) async throws -> Witness {
        try await Witness.open(
            journal: journal, identity: Identity(journal: journal, master: master), name: "w.example/1", logs: logs)
    }
}

/// What a witness has against a request; nil if it has cosigned it.
private func refusal(_ witness: Witness, _ request: [UInt8]) async -> Witness.Refusal? {
    do {
        _ = try await witness.add(request)
        return nil
    } catch {
        return error as? Witness.Refusal
    }
}

extension OtherLog {
    fileprivate func body(from old: Int) throws -> [UInt8] { try request(from: old).encoded }
}

@Suite struct WitnessTests {
    @Test("a witness cosigns what only grew, and nothing else", arguments: TestEngine.allCases)
    func cosigns(engine: TestEngine) async throws {
        try await engine.withNode { node in
            var log = try OtherLog()
            let witness = try await node.witness([log.signer.verifierKey])
            let vkey = try VerifierKey(vkey: witness.vkey)
            let digest = Array(SHA256.hash(data: Array("other.example/log".utf8)))
            #expect(try await witness.checkpoint(originDigest: digest) == nil)

            for (old, size) in [(0, 5), (5, 5), (5, 9), (9, 300)] {
                log.grow(to: size)
                let request = try log.request(from: old)
                let line = try await witness.add(request.encoded)
                var note = request.note
                for signature in try SignedNote.signatures(line) { try note.add(signature) }
                #expect(try note.verify(with: [vkey]) == [vkey])
                let kept = try SignedNote(try #require(try await witness.checkpoint(originDigest: digest)))
                #expect(try kept.verify(with: [vkey, log.signer.verifierKey]).count == 2)
                #expect(try Checkpoint(text: kept.text).size == UInt64(size))
            }
            // It knows what it has cosigned when it is opened again.
            let again = try await node.witness([log.signer.verifierKey])
            #expect(again.vkey == witness.vkey)
            #expect(try await refusal(again, log.body(from: 0)) == .conflict(latest: 300))
            log.grow(to: 400)
            #expect(try await refusal(again, log.body(from: 9)) == .conflict(latest: 300))
            #expect(try await refusal(again, log.body(from: 401))?.isMalformed == true)

            var forked = try OtherLog()
            forked.grow(to: 400, word: "other")
            #expect(try await refusal(again, forked.body(from: 300))?.isInconsistent == true)
            forked = try OtherLog()
            forked.grow(to: 300, word: "other")
            #expect(try await refusal(again, forked.body(from: 300))?.isInconsistent == true)
            var bare = try log.request(from: 300)
            bare = WitnessRequest(oldSize: 300, proof: [], note: bare.note)
            #expect(await refusal(again, bare.encoded)?.isInconsistent == true)
            #expect(await refusal(again, Array("nonsense".utf8))?.isMalformed == true)
            _ = try await again.add(log.request(from: 300).encoded)
        }
    }

    @Test("a witness knows its logs and their keys")
    func strangers() async throws {
        try await TestEngine.sqlite.withNode { node in
            var log = try OtherLog()
            log.grow(to: 3)
            let request = try log.request(from: 0).encoded
            let stranger = try await node.witness([])
            #expect(await refusal(stranger, request)?.isUnknown == true)
            let other = try NoteSigner(name: "other.example/log", privateKey: .init()).verifierKey
            let mistaken = try await node.witness([other])
            #expect(await refusal(mistaken, request)?.isForbidden == true)
            // The first checkpoint needs no proof, and may have none.
            let proof = WitnessRequest(oldSize: 0, proof: [.emptyTree], note: try log.note())
            let witness = try await node.witness([log.signer.verifierKey])
            #expect(await refusal(witness, proof.encoded)?.isInconsistent == true)
        }
    }

    @Test("of two requests at once that begin at one size, one is cosigned", arguments: TestEngine.allCases)
    func race(engine: TestEngine) async throws {
        try await engine.withNode { node in
            let signer = try OtherLog().signer.verifierKey
            let witnesses = [try await node.witness([signer]), try await node.witness([signer])]
            let cosigned = try await withThrowingTaskGroup(of: Bool.self) { group in
                for task in 0..<8 {
                    group.addTask {
                        var log = try OtherLog()
                        log.grow(to: 10 + task, word: "fork \(task)")
                        return try await refusal(witnesses[task % 2], log.body(from: 0)) == nil
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(cosigned.count(where: { $0 }) == 1)
        }
    }

    @Test(
        "a checkpoint is given out when a quorum has cosigned it, the one before until then",
        arguments: TestEngine.allCases)
    func publication(engine: TestEngine) async throws {
        try await engine.withNode { node in
            try await TestEngine.sqlite.withNode { other in
                let plain = try await node.ledger()
                let first = try await plain.register([draft(0)], by: "a")[0]
                let witness = try await other.witness([VerifierKey(vkey: plain.vkey)])
                let policy = try LogPolicy(
                    Array("witness w \(witness.vkey) http://w.example/sub\nquorum w\n".utf8))
                let ledger = try await node.ledger(policy: policy)
                let before = try await ledger.checkpoint()
                #expect(try await ledger.proof(first) != nil)

                let second = try await ledger.register([draft(1), draft(2)], by: "a")[1]
                #expect(try await ledger.checkpoint() == before)
                #expect(try await ledger.proof(second) == nil)
                #expect(try await ledger.entry(second) != nil)

                struct Unreachable: Error {}
                let failed = try #require(try await ledger.askWitnesses { _, _ in throw Unreachable() })
                #expect(!failed.isPublished && failed.problems.count == 1 && failed.problems[0].hasPrefix("w: "))
                #expect(try await ledger.checkpoint() == before)
                let refused = try await ledger.askWitnesses { _, _ in (status: 200, body: Array("x\n".utf8)) }
                #expect(refused?.isPublished == false)

                let calls = Mutex<[Int]>([])
                let call: WitnessCall = { url, body in
                    #expect(url == "http://w.example/sub/add-checkpoint")
                    let answer: (status: Int, body: [UInt8])
                    do {
                        answer = (200, try await witness.add(body))
                    } catch Witness.Refusal.conflict(let latest) {
                        answer = (409, Array("\(latest)\n".utf8))
                    }
                    calls.withLock { $0.append(answer.status) }
                    return answer
                }
                let round = try #require(try await ledger.askWitnesses(call))
                #expect(round.isPublished && round.size == 3 && round.problems.isEmpty)
                #expect(try await ledger.askWitnesses(call) == nil)
                let note = try SignedNote(try await ledger.checkpoint())
                let verified = try policy.verify(note, log: VerifierKey(vkey: ledger.vkey))
                #expect(verified.checkpoint.size == 3 && verified.witnesses.map(\.name) == ["w"])
                let proof = try #require(try await ledger.proof(second))
                _ = try InclusionBundle(proof.bundle).verify(
                    leaf: .leaf(proof.entry), origin: ledger.origin, keys: [VerifierKey(vkey: ledger.vkey)],
                    policy: policy)

                // What the node remembers of the witness may be lost.
                _ = try await ledger.register([draft(3)], by: "a")
                try await node.database.write { try $0.run("DELETE FROM log_witnesses") }
                #expect(try await ledger.askWitnesses(call)?.isPublished == true)
                #expect(calls.withLock { $0 } == [200, 409, 200])
                #expect(try await node.findings().isEmpty)

                // A log that was set back below what its witness knows gets no cosignature.
                let ahead = try await ledger.register([draft(4)], by: "a")
                #expect(ahead.count == 1)
                let setBack = try #require(
                    try await ledger.askWitnesses { _, _ in (status: 409, body: Array("9\n".utf8)) })
                #expect(!setBack.isPublished && setBack.problems[0].contains("set back"))

                // Without witnesses everything is given out.
                let without = try await node.ledger()
                #expect(try await latest(without).size == 5)
            }
        }
    }

    private func latest(_ ledger: Ledger) async throws -> Checkpoint {
        try LedgerTests.verified(try await ledger.checkpoint(), ledger.vkey)
    }
}

extension Witness.Refusal {
    fileprivate var isMalformed: Bool { if case .malformed = self { true } else { false } }
    fileprivate var isUnknown: Bool { if case .unknownLog = self { true } else { false } }
    fileprivate var isForbidden: Bool { if case .forbidden = self { true } else { false } }
    fileprivate var isInconsistent: Bool { if case .inconsistent = self { true } else { false } }
}
