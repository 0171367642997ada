import Ciphers
import TestSupport
import Testing

/// A blob of three frames, the last short, and what somebody with the disk could do to it.
struct FrameAttackTests {
    let key = AEADKey.random()
    let plaintext: [UInt8]
    let sealed: [UInt8]
    let opener: FrameOpener

    init() throws {
        var random = SeededGenerator(seed: 10)
        plaintext = random.bytes(2 * Frames.plainSize + 1000)
        sealed = try FrameSealer(key: key).seal(plaintext, isLast: true)
        opener = try FrameOpener(key: key)
    }

    private func frame(_ index: Int) -> ArraySlice<UInt8> {
        sealed[index * Frames.sealedSize..<min(sealed.count, (index + 1) * Frames.sealedSize)]
    }

    @Test("every truncation fails, at any byte")
    func truncation() {
        var counts = Array(stride(from: 0, to: sealed.count, by: 997))
        for edge in [0, Frames.sealedSize, 2 * Frames.sealedSize, sealed.count] {
            counts += (edge - 20...edge + 20).filter { $0 >= 0 && $0 < sealed.count }
        }
        for count in counts {
            #expect(throws: CipherError.self) { try opener.open(Array(sealed[..<count])) }
        }
    }

    @Test(
        "reordered, repeated and dropped frames fail and are named",
        arguments: [
            ([1, 0, 2], Int64(0)), ([0, 0, 2], 1), ([0, 2], 1), ([1, 2], 0), ([0, 1, 1, 2], 2), ([0, 1], 1), ([2], 0),
        ] as [([Int], Int64)])
    func reordering(_ order: [Int], _ failing: Int64) {
        let error = #expect(throws: CipherError.self) { try opener.open(order.flatMap { frame($0) }) }
        #expect(error?.code == .notAuthentic)
        #expect(error?.frame == failing)
    }

    @Test("a frame of another blob fails")
    func exchange() throws {
        let other = try FrameSealer(key: .random()).seal(plaintext, isLast: true)
        let mixed = frame(0) + other[Frames.sealedSize..<2 * Frames.sealedSize] + frame(2)
        let error = #expect(throws: CipherError.self) { try opener.open(Array(mixed)) }
        #expect(error?.frame == 1)
    }

    @Test("a frame is the last or not, as it was sealed")
    func lastFlag() throws {
        #expect(throws: CipherError.self) { try opener.open(Array(frame(1)), firstIndex: 1, endsAtLast: true) }
        #expect(try opener.open(Array(frame(1)), firstIndex: 1, endsAtLast: false).count == Frames.plainSize)
        let whole = try FrameSealer(key: key).seal([UInt8](repeating: 7, count: Frames.plainSize), isLast: true)
        #expect(throws: CipherError.self) { try opener.open(whole, endsAtLast: false) }
        #expect(try opener.open(whole).count == Frames.plainSize)
    }

    @Test("a bit flipped in any frame fails there, and its plaintext does not come out")
    func flips() {
        var random = SeededGenerator(seed: 11)
        for _ in 0..<500 {
            var altered = sealed
            let at = Int.random(in: 0..<sealed.count, using: &random)
            altered[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            var out = [UInt8](repeating: 0xEE, count: plaintext.count)
            let failed = at / Frames.sealedSize
            let error = #expect(throws: CipherError.self) {
                try altered.withUnsafeBytes { frames in
                    try out.withUnsafeMutableBytes { out in
                        try opener.open(frames: frames, firstIndex: 0, endsAtLast: true, into: out)
                    }
                }
            }
            #expect(error?.frame == Int64(failed))
            let start = failed * Frames.plainSize
            #expect(out[start..<min(start + Frames.plainSize, out.count)].allSatisfy { $0 == 0 })
        }
    }

    @Test("wrong indices fail", arguments: [Int64.min, -1, 1, 1 << 32, 1 << 56, .max])
    func indices(_ index: Int64) {
        #expect(throws: CipherError.self) { try opener.open(sealed, firstIndex: index) }
    }

    @Test("ten thousand random mutations fail, and none crashes")
    func mutations() throws {
        var random = SeededGenerator(seed: 12)
        // A small blob too, so that most rounds are cheap.
        let small = try FrameSealer(key: key).seal(ascii("a short blob"), isLast: true)
        for round in 0..<10_000 {
            let original = round % 20 == 0 ? sealed : small
            var bytes = original
            var firstIndex: Int64 = 0
            var endsAtLast = true
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let at = bytes.isEmpty ? 0 : Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<8, using: &random) {
                case 0 where !bytes.isEmpty: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.removeLast(bytes.count - at)
                case 2: bytes += random.bytes(Int.random(in: 1...40, using: &random))
                case 3: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
                case 4 where !bytes.isEmpty: bytes.remove(at: at)
                case 5: firstIndex = Int64(bitPattern: random.next())
                case 6: endsAtLast = false
                default: bytes = Array(bytes[at...] + bytes[..<at])
                }
            }
            let opened = try? opener.open(bytes, firstIndex: firstIndex, endsAtLast: endsAtLast)
            let isOriginal = bytes == original && firstIndex == 0 && endsAtLast
            // No bytes at all, and no claim that the blob ends there, are no frames: nothing to open.
            let isNothing = bytes.isEmpty && !endsAtLast && firstIndex >= 0
            #expect((opened != nil) == (isOriginal || isNothing))
        }
    }
}
