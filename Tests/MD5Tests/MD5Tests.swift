import Ciphers
import MD5
import Testing

private func input(_ count: Int, _ seed: Int = 0) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ seed) &* 131 >> 3) }
}

struct MD5Tests {
    @Test("the digests of RFC 1321 hold")
    func official() {
        let suite: [(String, [UInt8])] = [
            ("", [0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e]),
            ("abc", [0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f, 0xb0, 0xd6, 0x96, 0x3f, 0x7d, 0x28, 0xe1, 0x7f, 0x72]),
        ]
        for (text, digest) in suite {
            let md5 = MD5()
            Array(text.utf8).withUnsafeBytes { md5.update($0) }
            #expect(md5.finish() == digest)
        }
    }

    @Test("every length and every cut gives what libcrypto gives")
    func lengths() {
        for count in 0...300 {
            let bytes = input(count)
            let expected = DigestAlgorithm.md5.hash(bytes)
            for cut in Set([0, count / 3, count / 2, min(count, 64), count]) {
                let md5 = MD5()
                bytes.withUnsafeBytes {
                    md5.update(UnsafeRawBufferPointer(rebasing: $0[..<cut]))
                    md5.update(UnsafeRawBufferPointer(rebasing: $0[cut...]))
                }
                #expect(md5.finish() == expected, "\(count) bytes cut at \(cut)")
            }
        }
    }

    @Test("two at once give what each alone gives")
    func pairs() {
        for (firstCount, secondCount, blocksMax) in [
            (0, 64, 9), (64, 64, 9), (1000, 200, 9), (5000, 6400, 3), (63, 63, 1),
        ] {
            let (first, second) = (input(firstCount, 1), input(secondCount, 2))
            let (one, other) = (MD5(), MD5())
            first.withUnsafeBytes { firstBytes in
                second.withUnsafeBytes { secondBytes in
                    let count = MD5.update(one, firstBytes, other, secondBytes, blocksMax: blocksMax)
                    #expect(count == min(firstCount / 64, secondCount / 64, blocksMax) * 64)
                    one.update(UnsafeRawBufferPointer(rebasing: firstBytes[count...]))
                    other.update(UnsafeRawBufferPointer(rebasing: secondBytes[count...]))
                }
            }
            #expect(one.finish() == DigestAlgorithm.md5.hash(first))
            #expect(other.finish() == DigestAlgorithm.md5.hash(second))
        }
    }

    @Test("a digest with a block begun is not paired")
    func begun() {
        let (one, other) = (MD5(), MD5())
        let bytes = input(128)
        bytes.withUnsafeBytes {
            one.update(UnsafeRawBufferPointer(rebasing: $0[..<1]))
            #expect(MD5.update(one, $0, other, $0, blocksMax: 9) == 0)
            #expect(MD5.update(other, $0, other, $0, blocksMax: 9) == 0)
        }
    }
}
