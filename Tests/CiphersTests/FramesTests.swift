import Ciphers
import TestSupport
import Testing

struct FramesTests {
    static let frame = Frames.plainSize

    @Test(
        "lengths determine each other",
        arguments: [
            (Int64(0), Int64(16)), (1, 17), (65_535, 65_551), (65_536, 65_552), (65_537, 65_569), (131_072, 131_104),
            (1 << 40, (1 << 40) + (16 << 24)),
        ] as [(Int64, Int64)])
    func lengths(_ plain: Int64, _ sealed: Int64) {
        #expect(Frames.sealedLength(of: plain) == sealed)
        #expect(Frames.plainLength(ofSealed: sealed) == plain)
    }

    @Test(
        "a length no blob can have is recognised",
        arguments: [
            Int64.min, -1, 0, 1, 15, 65_553, 65_568, 2 * 65_552 + 16,
        ] as [Int64])
    func impossible(_ sealed: Int64) {
        #expect(Frames.plainLength(ofSealed: sealed) == nil)
    }

    @Test("extreme lengths do not overflow")
    func extremes() {
        #expect(Frames.sealedLength(of: .max) == .max)
        #expect(Frames.sealedLength(of: .min) == 16)
        #expect(Frames.span(of: 0..<1, inPlain: .max) == nil)
        #expect(Frames.plainLength(ofSealed: .max) != nil)
    }

    @Test("a range outside the blob has no frames")
    func outside() {
        #expect(Frames.span(of: 0..<11, inPlain: 10) == nil)
        #expect(Frames.span(of: -1..<5, inPlain: 10) == nil)
        #expect(Frames.span(of: 0..<0, inPlain: -1) == nil)
        #expect(Frames.span(of: 3..<3, inPlain: 10)?.sealed.isEmpty == true)
        #expect(Frames.span(of: 0..<0, inPlain: 0)?.sealed == 0..<16)
    }

    @Test(
        "the ranges of a blob open by their frames alone",
        arguments: [
            0, 1, 65_535, 65_536, 65_537, 131_072, 200_000,
        ])
    func spans(_ total: Int) throws {
        var random = SeededGenerator(seed: 7)
        let plaintext = random.bytes(total)
        let key = AEADKey.random()
        let sealed = try FrameSealer(key: key).seal(plaintext, isLast: true)
        let opener = try FrameOpener(key: key)
        var ranges = [0..<total, 0..<min(total, 1), max(0, total - 1)..<total]
        for edge in [65_536, 131_072] where edge < total {
            ranges += [edge - 1..<edge, edge..<edge + 1, edge - 1..<edge + 1]
        }
        for _ in 0..<50 {
            let start = Int.random(in: 0...total, using: &random)
            ranges.append(start..<Int.random(in: start...total, using: &random))
        }
        for range in ranges {
            let span = try #require(
                Frames.span(of: Int64(range.lowerBound)..<Int64(range.upperBound), inPlain: Int64(total)))
            let stored = Array(sealed[Int(span.sealed.lowerBound)..<Int(span.sealed.upperBound)])
            let opened =
                try stored.isEmpty
                ? [] : opener.open(stored, firstIndex: span.firstIndex, endsAtLast: span.endsAtLast)
            #expect(opened.count == Int(span.plainCount))
            #expect(opened[Int(span.wanted.lowerBound)..<Int(span.wanted.upperBound)] == plaintext[range])
        }
    }

    @Test("the stored form is version 1's")
    func storedForm() throws {
        let key = try AEADKey([UInt8](0..<32))
        var random = SeededGenerator(seed: 8)
        let plaintext = random.bytes(Self.frame + 5)
        let sealed = try FrameSealer(key: key).seal(plaintext, isLast: true)
        // A frame with its nonce before it is what AEADKey seals: another way to the same bytes.
        let first: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        let last: [UInt8] = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        #expect(
            try key.open(first + sealed[..<Frames.sealedSize], authenticating: []) == Array(plaintext[..<Self.frame]))
        #expect(
            try key.open(last + sealed[Frames.sealedSize...], authenticating: []) == Array(plaintext[Self.frame...]))
    }

    @Test("calls of any size give the same blob")
    func calls() throws {
        var random = SeededGenerator(seed: 9)
        let plaintext = random.bytes(5 * Self.frame + 77)
        let key = AEADKey.random()
        let whole = try FrameSealer(key: key).seal(plaintext, isLast: true)
        let sealer = try FrameSealer(key: key)
        var pieces = try sealer.seal(Array(plaintext[..<Self.frame]), isLast: false)
        pieces += try sealer.seal([], isLast: false)
        pieces += try sealer.seal(Array(plaintext[Self.frame..<4 * Self.frame]), isLast: false)
        pieces += try sealer.seal(Array(plaintext[(4 * Self.frame)...]), isLast: true)
        #expect(pieces == whole)
        #expect(Int64(whole.count) == Frames.sealedLength(of: Int64(plaintext.count)))
        let opener = try FrameOpener(key: key)
        let opened =
            try opener.open(Array(whole[..<(2 * Frames.sealedSize)]), endsAtLast: false)
            + opener.open(Array(whole[(2 * Frames.sealedSize)...]), firstIndex: 2)
        #expect(opened == plaintext)
    }

    @Test("an empty blob is one empty last frame")
    func empty() throws {
        let key = AEADKey.random()
        let sealed = try FrameSealer(key: key).seal([], isLast: true)
        #expect(sealed.count == 16)
        #expect(try FrameOpener(key: key).open(sealed) == [])
        #expect(throws: CipherError.self) { try FrameOpener(key: AEADKey.random()).open(sealed) }
    }

    @Test("the sealer refuses what would not be a blob")
    func sealerLimits() throws {
        let key = AEADKey.random()
        let sealer = try FrameSealer(key: key)
        #expect(throws: CipherError.self) { try sealer.seal([1], isLast: false) }
        _ = try sealer.seal([UInt8](repeating: 0, count: Self.frame), isLast: false)
        let error = #expect(throws: CipherError.self) { try sealer.seal([], isLast: true) }
        #expect(error?.code == .wrongLength && error?.frame == 1)
        var small = [UInt8](repeating: 0, count: 16)
        #expect(throws: CipherError.self) { try sealer.seal([1], isLast: true, into: &small) }
        _ = try sealer.seal([1], isLast: true)
        #expect(throws: CipherError.self) { try sealer.seal([1], isLast: true) }
        #expect(throws: CipherError.self) { try sealer.seal([], isLast: false) }
    }

    @Test("buffers that overlap are refused")
    func overlap() throws {
        let sealer = try FrameSealer(key: .random())
        let opener = try FrameOpener(key: .random())
        var buffer = [UInt8](repeating: 0, count: 100)
        buffer.withUnsafeMutableBytes { buffer in
            let part = UnsafeRawBufferPointer(rebasing: buffer[..<20])
            #expect(throws: CipherError.self) { try sealer.seal(part, isLast: true, into: buffer) }
            #expect(throws: CipherError.self) {
                try opener.open(frames: part, firstIndex: 0, endsAtLast: true, into: buffer)
            }
        }
    }
}
