/// SplitMix64: random numbers that are the same in every run, so that a failure can be repeated.
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension SeededGenerator {
    /// `bytes` with one to four changes: a byte changed, taken away or put in, or a piece taken away. What is put in is
    /// mostly from the bytes themselves, so that parsers get far.
    package mutating func mutate(_ bytes: [UInt8]) -> [UInt8] {
        var out = bytes
        for _ in 0..<Int.random(in: 1...4, using: &self) where !out.isEmpty {
            let at = Int.random(in: 0..<out.count, using: &self)
            switch Int.random(in: 0..<5, using: &self) {
            case 0: out[at] = UInt8.random(in: 0...255, using: &self)
            case 1: out.remove(at: at)
            case 2: out.insert(bytes.randomElement(using: &self) ?? 0, at: at)
            case 3: out.insert(UInt8.random(in: 0...255, using: &self), at: at)
            default: out.removeSubrange(at..<min(out.count, at + Int.random(in: 0..<20, using: &self)))
            }
        }
        return out
    }

    /// Mutants of a text, one after the other.
    package mutating func mutants(
        of seed: String, rounds: Int, _ body: ([UInt8]) throws -> Void
    ) rethrows {
        let seed = Array(seed.utf8)
        for _ in 0..<rounds { try body(mutate(seed)) }
    }
}
