import CQL2
import TestSupport
import Testing
import Wire

/// Filters that are nearly right: a reader takes or refuses them, and what it takes can be written, read and evaluated.
@Suite struct FuzzTests {
    private func check(_ filter: CQL2) throws {
        #expect(try CQL2(parsing: filter.text) == filter, "\(filter.text)")
        #expect(try CQL2(parsing: filter.json) == filter, "\(filter.json.text)")
        _ = filter.holds { name in name.utf8.count % 2 == 0 ? .number(1) : .string("2020-01-01") }
    }

    @Test("texts", arguments: ReadingTests.pairs.map(\.text))
    func texts(seed: String) throws {
        var random = SeededGenerator(seed: 23)
        try random.mutants(of: seed, rounds: 400) { bytes in
            guard let filter = try? CQL2(parsing: String(decoding: bytes, as: UTF8.self)) else { return }
            try check(filter)
        }
    }

    @Test("JSON", arguments: ReadingTests.pairs.map(\.json))
    func documents(seed: String) throws {
        var random = SeededGenerator(seed: 23)
        try random.mutants(of: seed, rounds: 400) { bytes in
            guard let json = try? JSONValue(parsing: bytes), let filter = try? CQL2(parsing: json) else { return }
            try check(filter)
        }
    }
}
