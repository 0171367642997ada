import Crypto
import MerkleLog
import TestSupport
import Testing

private struct Log {
    static let origin = "log.example/traces"
    let tree = PlainTree(size: 70)
    let signer: NoteSigner
    let note: [UInt8]

    init() throws {
        signer = try NoteSigner(
            name: Self.origin, privateKey: .init(rawRepresentation: [UInt8](repeating: 9, count: 32)))
        note = try Checkpoint(origin: Self.origin, size: 70, root: tree.root(size: 70)).signed(by: [signer]).encoded
    }

    func bundle(_ index: Int, extra: [UInt8]? = nil) throws -> InclusionBundle {
        let proof = try MerkleTree.inclusionProof(index: UInt64(index), size: 70, read: tree.read)
        return InclusionBundle(extra: extra, index: UInt64(index), proof: proof, checkpoint: note)
    }

    func verify(_ bundle: InclusionBundle, leaf: Int) throws -> Checkpoint {
        try bundle.verify(leaf: tree.leaves[leaf], origin: Self.origin, keys: [signer.verifierKey])
    }
}

struct InclusionBundleTests {
    @Test("a bundle is written as the specification has it")
    func text() throws {
        let hash = Hash.filled(0)
        let bundle = InclusionBundle(extra: [1, 2], index: 7, proof: [hash], checkpoint: Array("x\n".utf8))
        #expect(
            String(decoding: bundle.encoded, as: UTF8.self) == """
                c2sp.org/tlog-proof@v1
                extra AQI=
                index 7
                AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=

                x

                """)
        #expect(try InclusionBundle(bundle.encoded) == bundle)
    }

    @Test("a bundle of each entry is read back and verifies, for that entry only")
    func roundTrip() throws {
        let log = try Log()
        for index in 0..<70 {
            let extra: [UInt8]? = index % 3 == 0 ? Array(repeating: 3, count: index) : nil
            let bundle = try log.bundle(index, extra: extra)
            let read = try InclusionBundle(bundle.encoded)
            #expect(read == bundle)
            #expect(try log.verify(read, leaf: index).size == 70)
            #expect(code { try log.verify(read, leaf: (index + 1) % 70) } == .invalidProof)
        }
    }

    @Test("another origin, another key and an altered checkpoint fail")
    func untrusted() throws {
        let log = try Log()
        let bundle = try log.bundle(5)
        let leaf = log.tree.leaves[5]
        let key = log.signer.verifierKey
        #expect(code { try bundle.verify(leaf: leaf, origin: "other.example", keys: [key]) } == .invalidProof)
        #expect(code { try bundle.verify(leaf: leaf, origin: Log.origin, keys: []) } == .unsigned)
        let altered = log.note.map { $0 == UInt8(ascii: "7") ? UInt8(ascii: "8") : $0 }
        let forged = InclusionBundle(index: 5, proof: bundle.proof, checkpoint: altered)
        #expect(code { try forged.verify(leaf: leaf, origin: Log.origin, keys: [key]) } != nil)
    }

    @Test(
        "malformed bundles are refused",
        arguments: [
            "", "\n\n", "c2sp.org/tlog-proof@v1\n\nx\n", "c2sp.org/tlog-proof@v2\nindex 1\n\nx\n",
            "c2sp.org/tlog-proof@v1\nindex 01\n\nx\n", "c2sp.org/tlog-proof@v1\nindex -1\n\nx\n",
            "c2sp.org/tlog-proof@v1\nindex\n\nx\n", "c2sp.org/tlog-proof@v1\nextra AQI\nindex 1\n\nx\n",
            "c2sp.org/tlog-proof@v1\nindex 1\nextra AQI=\n\nx\n", "c2sp.org/tlog-proof@v1\nindex 1\nAQI=\n\nx\n",
            "c2sp.org/tlog-proof@v1\r\nindex 1\n\nx\n", "c2sp.org/tlog-proof@v1\nindex 1\nx\n",
            "c2sp.org/tlog-proof@v1\nindex 1\n"
                + String(repeating: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", count: 65) + "\nx\n",
        ])
    func malformed(text: String) {
        #expect(code { try InclusionBundle(Array(text.utf8)) } == .malformed)
    }

    @Test("a bundle beyond the longest is refused")
    func limit() {
        #expect(code { try InclusionBundle([UInt8](repeating: 10, count: InclusionBundle.maxLength + 1)) } == .tooLarge)
    }

    @Test("no mutation of a bundle proves another index or a larger tree", arguments: 0..<8)
    func fuzz(seed: Int) throws {
        let log = try Log()
        var random = SeededGenerator(seed: UInt64(seed))
        let bytes = try log.bundle(41, extra: [1, 2, 3]).encoded
        for _ in 0..<400 {
            let input = mutated(bytes, using: &random)
            guard let bundle = try? InclusionBundle(input) else { continue }
            #expect(bundle.encoded == input)
            if let checkpoint = try? log.verify(bundle, leaf: 41) {
                #expect(bundle.index == 41)
                #expect(checkpoint.size == 70)
            }
        }
    }
}
