import CQL2
import Testing
import Wire

/// Filters that are nearly right: a reader takes or refuses them, and what it takes can be written, read and evaluated.
@Suite struct FuzzTests {
    private struct Random {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15

        mutating func below(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
    }

    private func mutants(of seed: String, rounds: Int = 400, _ body: ([UInt8]) throws -> Void) rethrows {
        let seed = Array(seed.utf8)
        var random = Random()
        for _ in 0..<rounds {
            var bytes = seed
            for _ in 0...random.below(4) where !bytes.isEmpty {
                let at = random.below(bytes.count)
                switch random.below(4) {
                case 0: bytes.remove(at: at)
                case 1: bytes.insert(seed[random.below(seed.count)], at: at)
                case 2: bytes[at] = UInt8(truncatingIfNeeded: random.below(128))
                default: bytes.removeSubrange(at..<min(bytes.count, at + random.below(20)))
                }
            }
            try body(bytes)
        }
    }

    private func check(_ filter: CQL2) throws {
        #expect(try CQL2(parsing: filter.text) == filter, "\(filter.text)")
        #expect(try CQL2(parsing: filter.json) == filter, "\(filter.json.text)")
        _ = filter.holds { name in name.utf8.count % 2 == 0 ? .number(1) : .string("2020-01-01") }
    }

    @Test("texts", arguments: ReadingTests.pairs.map(\.text))
    func texts(seed: String) throws {
        try mutants(of: seed) { bytes in
            guard let filter = try? CQL2(parsing: String(decoding: bytes, as: UTF8.self)) else { return }
            try check(filter)
        }
    }

    @Test("JSON", arguments: ReadingTests.pairs.map(\.json))
    func documents(seed: String) throws {
        try mutants(of: seed) { bytes in
            guard let json = try? JSONValue(parsing: bytes), let filter = try? CQL2(parsing: json) else { return }
            try check(filter)
        }
    }
}
