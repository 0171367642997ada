import CQL2
import Catalogue
import Database
import IAMPolicy
import Journal
import TestSupport
import Testing
import Wire

@Suite struct DeletedTests {
    private static let day: Int64 = 86_400

    /// Ten items, of which those with even numbers are removed again, the last first.
    private func withDeleted(_ engine: TestEngine, _ body: (Catalogue) async throws -> Void) async throws {
        try await engine.withCatalogue(["eo", "other"]) { catalogue in
            for number in 0..<10 {
                var sketch = Sketch("s\(number)", at: Int64(number) * Self.day)
                sketch.collection = number == 4 ? "other" : "eo"
                sketch.properties = [
                    "eo:cloud_cover": .integer(Int64(number) * 10),
                    ItemDeletion.causeProperty: number == 6 ? "Corrupted product" : "what nobody knows",
                ]
                try await catalogue.put(sketch)
            }
            for number in [8, 6, 4, 2, 0] {
                try await catalogue.remove(
                    collection: number == 4 ? "other" : "eo", id: "s\(number)", by: "ada")
            }
            try await body(catalogue)
        }
    }

    private func ids(
        _ catalogue: Catalogue, _ filter: String? = nil, limit: Int = 100,
        _ change: (inout DeletedQuery) -> Void = { _ in }
    ) async throws -> [String] {
        var query = DeletedQuery(visible: try await catalogue.directory())
        query.filter = try filter.map { try CQL2(parsing: $0) }
        query.limit = limit
        change(&query)
        var found: [String] = []
        repeat {
            let page = try await catalogue.deleted(query)
            #expect(page.items.count <= limit)
            found += page.items.map(\.id)
            query.after = page.next.flatMap { DeletedPlace($0.text) }
        } while query.after != nil
        #expect(try await catalogue.deletedCount(query).count == Int64(found.count))
        return found
    }

    @Test("what is removed is found by time, name and content, page by page", arguments: TestEngine.allCases)
    func orders(engine: TestEngine) async throws {
        try await withDeleted(engine) { catalogue in
            for limit in [1, 2, 100] {
                let latest = try await ids(catalogue, limit: limit)
                #expect(latest == ["s0", "s2", "s4", "s6", "s8"])
                let first = try await ids(catalogue, limit: limit) { $0.isDescending = false }
                #expect(first == ["s8", "s6", "s4", "s2", "s0"])
                let named = try await ids(catalogue, limit: limit) { ($0.order, $0.isDescending) = (.id, false) }
                #expect(named == ["s0", "s2", "s4", "s6", "s8"])
                let started = try await ids(catalogue, limit: limit) { $0.order = .start }
                #expect(started == ["s8", "s6", "s4", "s2", "s0"])
            }
        }
    }

    @Test(
        "and by what it was", arguments: TestEngine.allCases,
        [
            ("id = 's6'", ["s6"]), ("id IN ('s6','s7','s8')", ["s6", "s8"]), ("collection = 'other'", ["s4"]),
            ("id LIKE 's%' AND NOT id = 's0'", ["s2", "s4", "s6", "s8"]), ("\"eo:cloud_cover\" > 40", ["s6", "s8"]),
            ("\"martlet:deletion_cause\" = 'Corrupted product'", ["s6"]),
            ("\"martlet:deletion_cause\" = 'Obsolete product or Other'", ["s0", "s2", "s4", "s8"]),
            ("\"martlet:deleted\" > TIMESTAMP('2020-01-01T00:00:00Z')", ["s0", "s2", "s4", "s6", "s8"]),
            ("\"martlet:deleted\" < TIMESTAMP('2020-01-01T00:00:00Z')", []),
            ("datetime >= TIMESTAMP('1970-01-07T00:00:00Z')", ["s6", "s8"]), ("id = 's1'", []),
            ("\"martlet:number\" = 'n1'", []),
        ])
    func filters(engine: TestEngine, asked: (String, [String])) async throws {
        try await withDeleted(engine) { catalogue in
            let found = try await ids(catalogue, asked.0)
            #expect(found == asked.1)
        }
    }

    @Test("only what somebody could see, and nothing of a collection that is gone", arguments: TestEngine.allCases)
    func visibility(engine: TestEngine) async throws {
        try await withDeleted(engine) { catalogue in
            let other = try await catalogue.directory().filtered(to: ["other"])
            #expect(try await ids(catalogue) { $0.visible = other } == ["s4"])
            #expect(try await ids(catalogue) { $0.visible = other.filtered(to: []) } == [])
            let all = try await catalogue.deleted(DeletedQuery(visible: try await catalogue.directory())).items
            let facts = try #require(all.first)
            #expect(facts.deletion?.cause == ItemDeletion.otherCause)
            let number = "\"martlet:number\" = '\(ItemDeletion.text(of: facts.number))'"
            #expect(try await ids(catalogue, number) == ["s0"])
            #expect(try await catalogue.names(ofItems: all.map(\.number)).isEmpty)
            #expect(try await catalogue.facts(of: all.map(\.number)).count == 5)
            try await catalogue.journal.database.write {
                try $0.run("DELETE FROM collections WHERE name = 'eo'")
            }
            #expect(try await Set(catalogue.facts(of: all.map(\.number)).values.map(\.id)) == ["s4"])
        }
    }

    @Test("an item that is put again is another one")
    func again() async throws {
        try await TestEngine.sqlite.withCatalogue { catalogue in
            for _ in 0..<3 {
                try await catalogue.put(Sketch("a", at: 0))
                try await catalogue.remove(collection: "eo", id: "a", by: "ada")
            }
            try await catalogue.put(Sketch("a", at: 0))
            #expect(try await ids(catalogue) == ["a", "a", "a"])
        }
    }
}
