import Ciphers
import TestSupport
import Testing

struct DigestTests {
    // FIPS 180-4 and FIPS 202 example values, RFC 1321 A.5.
    @Test(
        "the digests of abc are the published ones",
        arguments: [
            (DigestAlgorithm.md5, "900150983cd24fb0d6963f7d28e17f72"),
            (.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                .sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                    + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
            ),
            (.sha3_256, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
        ])
    func abc(_ algorithm: DigestAlgorithm, _ expected: String) {
        #expect(algorithm.hash(ascii("abc")) == hex(expected))
        #expect(algorithm.byteCount == expected.count / 2)
    }

    @Test("the digest of nothing is the published one")
    func empty() {
        #expect(DigestAlgorithm.md5.hash([]) == hex("d41d8cd98f00b204e9800998ecf8427e"))
        #expect(
            DigestAlgorithm.sha256.hash([]) == hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"))
    }

    @Test("pieces give the digest of the whole", arguments: DigestAlgorithm.allCases)
    func pieces(_ algorithm: DigestAlgorithm) {
        var random = SeededGenerator(seed: 1)
        let bytes = random.bytes(100_000)
        let digest = Digest(algorithm)
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + Int.random(in: 0...5000, using: &random))
            digest.update(Array(bytes[start..<end]))
            start = end
        }
        #expect(digest.finish() == algorithm.hash(bytes))
    }

    @Test("after finish a digest begins anew", arguments: DigestAlgorithm.allCases)
    func again(_ algorithm: DigestAlgorithm) {
        let digest = Digest(algorithm)
        digest.update(ascii("first"))
        _ = digest.finish()
        digest.update(ascii("abc"))
        #expect(digest.finish() == algorithm.hash(ascii("abc")))
        #expect(digest.finish() == algorithm.hash([]))
    }

    @Test("a digest moves between tasks")
    func moves() async {
        let digest = Digest(.sha256)
        for piece in ["a", "b", "c"] {
            await Task.detached { digest.update(ascii(piece)) }.value
        }
        #expect(digest.finish() == DigestAlgorithm.sha256.hash(ascii("abc")))
    }
}
