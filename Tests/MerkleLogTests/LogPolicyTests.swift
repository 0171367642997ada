import Crypto
import MerkleLog
import TestSupport
import Testing

private func key(_ seed: Int) throws -> Curve25519.Signing.PrivateKey {
    try .init(rawRepresentation: (0..<32).map { UInt8(truncatingIfNeeded: seed + $0) })
}

private func cosigner(_ name: String) throws -> Cosigner {
    try Cosigner(name: "\(name).example/witness", privateKey: key(name.utf8.reduce(0) { $0 * 31 + Int($1) }))
}

/// A log's checkpoint with the cosignatures of witnesses of these names.
private func note(by names: [String]) throws -> SignedNote {
    let log = try NoteSigner(name: "log.example", privateKey: key(200))
    var note = try Checkpoint(origin: "log.example", size: 9, root: .filled(9)).signed(by: [log])
    for name in names { try note.add(cosigner(name).cosign(note, time: 1_700_000_000)) }
    return note
}

private func policy(_ text: String) throws -> LogPolicy {
    var lines = ["log \(try NoteSigner(name: "log.example", privateKey: key(200)).verifierKey.vkey)"]
    for name in ["X1", "X2", "X3", "Y1", "Y2", "Y3"] {
        lines.append("witness \(name) \(try cosigner(name).verifierKey.vkey) https://\(name).example/")
    }
    return try LogPolicy(Array((lines.joined(separator: "\n") + "\n" + text).utf8))
}

struct LogPolicyTests {
    /// The example of the specification.
    private let example = """
        # Two of ours, and one of theirs
        group X-witnesses 2 X1 X2 X3
        \tgroup Y-witnesses any  Y1 Y2 Y3

        group X-and-Y all X-witnesses Y-witnesses
        quorum X-and-Y

        """

    @Test(
        "a quorum of groups is met by enough of each",
        arguments: [
            ([], false), (["X1", "Y1"], false), (["X1", "X2"], false), (["X1", "X2", "X3"], false),
            (["X1", "X3", "Y2"], true), (["X1", "X2", "X3", "Y1", "Y2", "Y3"], true), (["Y1", "Y2", "Y3"], false),
        ])
    func groups(names: [String], isMet: Bool) throws {
        let policy = try policy(example)
        #expect(policy.witnesses.map(\.name) == ["X1", "X2", "X3", "Y1", "Y2", "Y3"])
        #expect(policy.witnesses.first?.url == "https://X1.example/")
        let note = try SignedNote(note(by: names).encoded)
        #expect(try Set(policy.cosigners(of: note).map(\.name)) == Set(names))
        if isMet {
            let verified = try policy.verify(note)
            #expect(verified.checkpoint.size == 9 && verified.log.name == "log.example")
            #expect(Set(verified.witnesses.map(\.name)) == Set(names))
        } else {
            #expect(code { try policy.verify(note) } == .belowQuorum)
        }
    }

    @Test("the quorum may be one witness, or nobody; strangers do not count")
    func single() throws {
        #expect(try policy("quorum X2\n").verify(note(by: ["X1", "X2"])).witnesses.count == 2)
        #expect(code { try policy("quorum X2\n").verify(note(by: ["X1", "Z1"])) } == .belowQuorum)
        let none = try policy("quorum none")
        #expect(!none.wantsWitnesses)
        #expect(try none.verify(note(by: [])).witnesses.isEmpty)
        let empty = try LogPolicy(Array("quorum none\n".utf8))
        #expect(code { try empty.verify(note(by: ["X1"])) } == .unsigned)
    }

    @Test("a cosignature binds the time and the whole text")
    func cosignature() throws {
        let witness = try cosigner("X1")
        let note = try note(by: ["X1"])
        let signature = try #require(note.signatures(by: [witness.verifierKey]).first)
        #expect(Cosignature(signature.bytes)?.time == 1_700_000_000)
        #expect(witness.verifierKey.vkey.contains("+B"))
        #expect(try VerifierKey(vkey: witness.verifierKey.vkey) == witness.verifierKey)
        for byte in [0, 7, 8, 71] {
            var bytes = signature.bytes
            bytes[byte] ^= 1
            #expect(!witness.verifierKey.verifies(bytes, of: note.text))
        }
        #expect(!witness.verifierKey.verifies(signature.bytes, of: note.text + "x\n"))
        // A cosignature says nothing for the log, and a log's signature is no witness.
        let asLog = try VerifierKey(name: "X1.example/witness", publicKey: witness.verifierKey.publicKey)
        #expect(asLog.id != witness.verifierKey.id)
        #expect(note.signatures(by: [asLog]).isEmpty)
    }

    @Test(
        "a policy that cannot be meant is refused",
        arguments: [
            "", "quorum", "quorum X9\n", "quorum X1\nquorum X1\n", "quorum none\nnonsense\n", "quorum none\u{0}\n",
            "quorum none\r\n", "group none any X1\nquorum none\n", "group X1 any X2\nquorum none\n",
            "group a 3 X1 X2\nquorum a\n", "group a 0 X1 X2\nquorum a\n", "group a 01 X1 X2\nquorum a\n",
            "group a any X1\ngroup b any X1\nquorum b\n", "group a any X1 X1\nquorum a\n", "group a any a\nquorum a\n",
            "group a any\nquorum a\n", "log nonsense\nquorum none\n", "witness w nonsense\nquorum none\n",
            "witness w \((try? cosigner("X1").verifierKey.vkey) ?? "")\nquorum none\n",
            "log \((try? cosigner("W").verifierKey.vkey) ?? "")\nquorum none\n",
        ])
    func malformed(text: String) {
        #expect(code { try policy(text) } == .malformed)
    }

    @Test("no mutation of a policy or a request crashes its reader", arguments: 0..<4)
    func fuzz(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let request = WitnessRequest(oldSize: 7, proof: [.filled(1), .filled(2)], note: try note(by: ["X1"]))
        #expect(try WitnessRequest(request.encoded) == request)
        for _ in 0..<500 {
            _ = try? LogPolicy(mutated(Array(example.utf8), using: &random))
            let bytes = mutated(request.encoded, using: &random)
            if let read = try? WitnessRequest(bytes) { #expect(read.encoded == bytes) }
        }
    }

    @Test(
        "a malformed request of a log is refused",
        arguments: [
            "", "\n\n", "old 1\n", "old 01\n\nx\n", "old -1\n\nx\n", "new 1\n\nx\n", "old 1\nAA==\n\nx\n",
            "old 1\n" + String(repeating: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", count: 64) + "\nx\n",
        ])
    func malformedRequests(text: String) {
        #expect(code { try WitnessRequest(Array(text.utf8)) } == .malformed)
    }
}
