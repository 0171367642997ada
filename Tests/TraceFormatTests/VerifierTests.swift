import BLAKE3
import MerkleLog
import Testing
import TraceFormat
import Wire

@Suite struct VerifierTests {
    let signer: Signer
    let product = Trace.Product(
        name: "P.SAFE", size: 10, hash: digest(1),
        contents: [.init(path: "a.txt", hash: digest(2)), .init(path: "b.txt", hash: digest(3))])

    init() throws { signer = try Signer() }

    private var verifier: TraceVerifier { TraceVerifier(key: signer.log.verifierKey) }

    private func subject(_ name: String, _ hash: Int, contents: [Trace.Content] = []) -> TraceSubject {
        TraceSubject(name: name, hashes: [.blake3: digest(hash)], contents: contents)
    }

    @Test("a product and a file of it are genuine, by their digests alone")
    func genuine() throws {
        let evidence = try signer.evidence([try signer.trace(product)])
        for (name, hash) in [("P.SAFE", 1), ("renamed", 1), ("a.txt", 2), ("anything", 3)] {
            let verdict = verifier.verify(subject(name, hash), by: evidence)
            #expect(verdict.outcome == .genuine)
            #expect(verdict.trace?.product == product)
            #expect(verdict.checkpoint?.size == 1)
        }
        let upper = TraceSubject(name: "x", hashes: [.blake3: digest(1).uppercased()])
        #expect(verifier.verify(upper, by: evidence).outcome == .genuine)
    }

    @Test("another digest under a traced name is altered, and the files that differ are told")
    func altered() throws {
        let evidence = try signer.evidence([try signer.trace(product)])
        for name in ["P.SAFE", "a.txt", "P.SAFE/b.txt"] {
            #expect(verifier.verify(subject(name, 7), by: evidence).outcome == .altered)
        }
        let verdict = verifier.verify(
            subject(
                "P.SAFE", 7, contents: [.init(path: "a.txt", hash: digest(8)), .init(path: "c.txt", hash: digest(9))]),
            by: evidence)
        #expect(verdict.reasons.contains("the file 'a.txt' is altered"))
        #expect(verdict.reasons.contains("the file 'b.txt' is missing"))
        #expect(verdict.reasons.contains("the file 'c.txt' is not in the trace"))
    }

    @Test("a file of which no trace speaks is unknown")
    func unknown() throws {
        let evidence = try signer.evidence([try signer.trace(product)])
        #expect(verifier.verify(subject("Q.SAFE", 7), by: evidence).outcome == .unknown)
        #expect(verifier.verify(subject("P.SAFE", 1), by: []).outcome == .unknown)
        // A name that only ends alike is another file.
        #expect(verifier.verify(subject("other/a.txt", 7), by: evidence).outcome == .unknown)
        let other = TraceSubject(name: "P.SAFE", hashes: [.sha256: digest(1)])
        #expect(verifier.verify(other, by: evidence).outcome == .unknown)
    }

    @Test("a version that was released later is genuine beside the one before it")
    func versions() throws {
        var second = product
        second.hash = digest(5)
        let evidence = try signer.evidence([try signer.trace(product), try signer.trace(second)])
        #expect(verifier.verify(subject("P.SAFE", 1), by: evidence).outcome == .genuine)
        #expect(verifier.verify(subject("P.SAFE", 5), by: evidence).outcome == .genuine)
        #expect(verifier.verify(subject("P.SAFE", 6), by: evidence).outcome == .altered)
    }

    @Test("an OBSOLETE trace that holds up is told; one that does not is not believed")
    func obsolete() throws {
        var notice = try signer.trace(product, event: .obsolete)
        notice.obsolescence = "replaced by N0511"
        let evidence = try signer.evidence([try signer.trace(product), notice])
        let verdict = verifier.verify(subject("P.SAFE", 1), by: evidence)
        #expect(verdict.outcome == .genuine && verdict.trace?.event == .create)
        #expect(verdict.reasons.contains { $0.contains("obsolete") && $0.contains("'replaced by N0511'") })
        var forged = evidence
        forged[1].trace.signature = Trace.Signature(signature: "", algorithm: "", certificate: "", message: "")
        #expect(!verifier.verify(subject("P.SAFE", 1), by: forged).reasons.contains { $0.contains("obsolete") })
    }

    @Test("a trace without a believable signature or proof decides nothing")
    func disbelieved() throws {
        let good = try signer.evidence([
            try signer.trace(product), try signer.trace(Trace.Product(name: "Q", size: 1, hash: digest(4))),
        ])
        var cases: [(TraceEvidence, TraceFault.Code)] = []
        var item = good[0]
        item.proof = nil
        cases.append((item, .notInLog))
        item.proof = good[1].proof
        cases.append((item, .notInLog))
        item.proof = Array("nonsense".utf8)
        cases.append((item, .notInLog))
        item = good[0]
        item.trace.timestamp = item.trace.timestamp.adding(seconds: 1)
        cases.append((item, .notInLog))
        item = good[0]
        item.trace.product.contents?[0].hash = digest(77)
        cases.append((item, .messageDiffers))
        item = good[0]
        item.trace.signature.signature = good[1].trace.signature.signature
        cases.append((item, .invalidSignature))
        item = good[0]
        item.trace.signature.algorithm = "RSA-SHA256"
        cases.append((item, .unreadableSignature))
        item.trace.signature.algorithm = "none"
        cases.append((item, .unreadableSignature))
        item = good[0]
        item.trace.signature.certificate = "AAAA"
        cases.append((item, .unreadableSignature))
        item = good[0]
        item.trace.signature = Trace.Signature(signature: "", algorithm: "", certificate: "", message: "")
        cases.append((item, .unsigned))
        for (item, code) in cases {
            #expect(verifier.check(item).faults.contains { $0.code == code })
            let verdict = verifier.verify(subject("P.SAFE", 1), by: [item])
            #expect(verdict.outcome == .unknown && verdict.trace == nil)
            #expect(verdict.reasons.contains { $0.contains("not believed") })
            #expect(verifier.verify(subject("P.SAFE", 6), by: [item]).outcome == .unknown)
        }
    }

    @Test("another log's key does not vouch, even under the same name")
    func foreignLog() throws {
        let evidence = try signer.evidence([try signer.trace(product)])
        let foreign = TraceVerifier(key: try Signer().log.verifierKey)
        #expect(foreign.verify(subject("P.SAFE", 1), by: evidence).outcome == .unknown)
    }

    @Test(
        "a trace signed before or after its certificate's time is not believed",
        arguments: [-2 * 86400, 31 * 86400] as [Int64])
    func validity(offset: Int64) throws {
        let evidence = try signer.evidence([try signer.trace(product, at: Timestamp.now.adding(seconds: offset))])
        #expect(verifier.check(evidence[0]).faults.map(\.code) == [.certificateNotValid])
        #expect(verifier.verify(subject("P.SAFE", 1), by: evidence).outcome == .unknown)
    }

    @Test("a flipped bit anywhere in a proof is noticed")
    func flippedProof() throws {
        let traces = try (0..<5).map { try signer.trace(Trace.Product(name: "P\($0)", size: 1, hash: digest($0))) }
        let item = try signer.evidence(traces)[2]
        let proof = item.proof ?? []
        for bit in stride(from: 0, to: proof.count * 8, by: 3) {
            var changed = item
            changed.proof?[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(verifier.check(changed).checkpoint == nil)
        }
    }
}

@Suite struct ProductDigestTests {
    @Test("a folder's digest is that of the lines which b3sum prints, by the order of bytes")
    func folder() {
        let files = ["b", "a/é", "a", "Z", "a/e\u{301}", "a.b"].enumerated().map {
            Trace.Content(path: $1, hash: digest($0))
        }
        let order = ["Z", "a", "a.b", "a/e\u{301}", "a/é", "b"]
        let lines = order.map { path in
            let hash = files.first { Array($0.path.utf8) == Array(path.utf8) }?.hash ?? ""
            return "\(hash)  \(path)\n"
        }
        let expected = Hex.encode(BLAKE3.hash(Array(lines.joined().utf8)))
        #expect(ProductDigest.folder(files) == expected)
        #expect(ProductDigest.folder(files.reversed()) == expected)
    }

    @Test("paths with newlines and backslashes cannot be taken for other lines")
    func escapes() {
        let one = ProductDigest.folder([.init(path: "a\n\(digest(2))  b", hash: digest(1))])
        let two = ProductDigest.folder([.init(path: "a", hash: digest(1)), .init(path: "b", hash: digest(2))])
        #expect(one != two)
        let line = "\\\(digest(1))  a\\\\b\\nc\n"
        #expect(
            ProductDigest.folder([.init(path: "a\\b\nc", hash: digest(1))]) == Hex.encode(BLAKE3.hash(Array(line.utf8)))
        )
    }

    @Test("a hundred thousand files are hashed in pieces to the same digest")
    func many() {
        let files = (0..<100_000).map { Trace.Content(path: "d/\(100_000 + $0)", hash: digest($0)) }
        let lines = files.map { "\($0.hash)  \($0.path)\n" }.joined()
        #expect(ProductDigest.folder(files.shuffled()) == Hex.encode(BLAKE3.hash(Array(lines.utf8))))
    }
}
