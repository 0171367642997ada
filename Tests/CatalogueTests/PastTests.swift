import Catalogue
import Database
import Geometry
import Journal
import TestSupport
import Testing
import Wire

@Suite struct PastTests {
    private struct Then {
        var tid: Int64
        /// Each item's day.
        var days: [String: Int64]
    }

    private static func area(_ day: Int64) throws -> BoundingBox { try box(Double(day), 0, Double(day) + 0.5, 1) }

    @Test("items are found again as they were, whatever became of them", arguments: TestEngine.allCases)
    func model(engine: TestEngine) async throws {
        try await engine.withCatalogue { catalogue in
            var chance = SeededGenerator(seed: 3)
            var days: [String: Int64] = [:]
            var past: [Then] = []
            for _ in 0..<60 {
                let id = "i\(Int.random(in: 0..<8, using: &chance))"
                if days[id] != nil, Int.random(in: 0..<3, using: &chance) == 0 {
                    try await catalogue.remove(collection: "eo", id: id, by: "ada")
                    days[id] = nil
                } else {
                    let day = Int64.random(in: 0..<20, using: &chance)
                    try await catalogue.put(Sketch(id, at: day * 86_400, box: try Self.area(day)))
                    days[id] = day
                }
                let tid = try await catalogue.journal.database.read { try $0.firstUnended() - 1 }
                past.append(Then(tid: tid, days: days))
            }
            for then in past { try await check(catalogue, then) }
            while try await catalogue.purgePast(olderThan: -1, limit: 5) > 0 {}
            for (index, then) in past.enumerated() {
                do {
                    try await check(catalogue, then)
                } catch let error as PastError {
                    #expect(error.code == .notKept && index < past.count - 1)
                }
            }
            await #expect(throws: PastError.self) { try await check(catalogue, past[0]) }
        }
    }

    private func check(_ catalogue: Catalogue, _ then: Then) async throws {
        let expected = then.days.sorted { ($0.value, $0.key) > ($1.value, $1.key) }.map(\.key)
        #expect(try await catalogue.ids(limit: 3) { $0.asOf = then.tid } == expected, "as of \(then.tid)")
        let area = try box(4, 0, 9, 1)
        let inside = expected.filter { (4...9).contains(then.days[$0] ?? -1) }
        #expect(try await catalogue.ids(limit: 2) { ($0.asOf, $0.area) = (then.tid, .box(area)) } == inside)
        #expect(
            try await catalogue.ids {
                $0.asOf = then.tid
                $0.interval = SearchInterval(from: .init(seconds: 4 * 86_400), to: .init(seconds: 9 * 86_400))
            } == inside)
        #expect(
            try await catalogue.ids { ($0.asOf, $0.ids) = (then.tid, ["i1", "i2"]) }
                == expected.filter { ["i1", "i2"].contains($0) })
        for id in ["i0", "i1", "i7"] {
            let item = try? await catalogue.item(collection: "eo", id: id, asOf: then.tid)
            #expect((item != nil) == (then.days[id] != nil))
            if let item, let day = then.days[id] {
                #expect(item.document == Sketch(id, at: day * 86_400, box: try Self.area(day)).json)
            }
        }
    }
}
