import TestSupport
import Testing

@testable import BLAKE3

private func input(_ length: Int) -> [UInt8] { (0..<length).map { UInt8($0 % 251) } }

private func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef")
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
}

private func digest(of bytes: [UInt8], cutAt cuts: [Int], kernel: BLAKE3.Kernel = .fastest) -> String {
    let hasher = BLAKE3(kernel: kernel)
    var start = 0
    for end in cuts + [bytes.count] {
        bytes.withUnsafeBytes { hasher.update(UnsafeRawBufferPointer(rebasing: $0[start..<end])) }
        start = end
    }
    return hex(hasher.finish())
}

struct BLAKE3Tests {
    @Test("the official vectors hold", arguments: vectors)
    func official(length: Int, expected: String) {
        #expect(hex(BLAKE3.hash(input(length))) == expected)
    }

    @Test("the digests at group and run borders equal the reference", arguments: borderVectors)
    func borders(length: Int, expected: String) {
        #expect(hex(BLAKE3.hash(input(length))) == expected)
    }

    @Test("every kernel this processor runs agrees", arguments: BLAKE3.Kernel.allCases)
    func kernels(kernel: BLAKE3.Kernel) {
        guard kernel.isAvailable else { return }
        for (length, expected) in vectors + borderVectors.prefix(9) {
            #expect(digest(of: input(length), cutAt: [], kernel: kernel) == expected, "length \(length)")
        }
    }

    @Test("however the input is cut into updates, the digest is the same", arguments: 0..<40)
    func cuts(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let length = Int.random(in: 1...200_000, using: &random)
        let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
        let whole = hex(BLAKE3.hash(bytes))
        let borders = [1, 64, 1023, 1024, 1025, 16383, 16384, 16385, 32768, 65536].filter { $0 <= length }
        for _ in 0..<4 {
            let count = Int.random(in: 0...12, using: &random)
            var cuts = (0..<count).map { _ in Int.random(in: 0...length, using: &random) }
            if let border = borders.randomElement(using: &random) { cuts.append(border) }
            #expect(digest(of: bytes, cutAt: cuts.sorted()) == whole, "length \(length), cuts \(cuts.sorted())")
        }
    }

    @Test("finish can be called at any time and does not disturb what follows")
    func finishMidway() {
        let hasher = BLAKE3()
        let bytes = input(102_400)
        var start = 0
        for (length, expected) in vectors {
            bytes.withUnsafeBytes { hasher.update(UnsafeRawBufferPointer(rebasing: $0[start..<length])) }
            start = length
            #expect(hex(hasher.finish()) == expected)
        }
    }

    @Test("a flipped bit anywhere changes the digest")
    func flips() {
        var bytes = input(20_000)
        let whole = BLAKE3.hash(bytes)
        var random = SeededGenerator(seed: 7)
        for _ in 0..<50 {
            let at = Int.random(in: 0..<bytes.count, using: &random)
            bytes[at] ^= 4
            #expect(BLAKE3.hash(bytes) != whole)
            bytes[at] ^= 4
        }
        #expect(BLAKE3.hash(bytes) == whole)
    }

    @Test("one hash can be continued on other threads")
    func threads() async {
        let hasher = BLAKE3()
        let bytes = input(102_400)
        for start in stride(from: 0, to: bytes.count, by: 10_000) {
            let piece = Array(bytes[start..<min(start + 10_000, bytes.count)])
            await Task.detached { piece.withUnsafeBytes { hasher.update($0) } }.value
        }
        #expect(hex(hasher.finish()) == vectors.last?.digest)
    }
}
