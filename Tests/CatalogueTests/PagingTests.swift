import Catalogue
import Geometry
import TestSupport
import Testing
import Wire

@Suite struct PagingTests {
    @Test(
        "equal moments are paged both ways without loss or repetition while others come", arguments: TestEngine.allCases
    )
    func equalMoments(engine: TestEngine) async throws {
        try await engine.withCatalogue(["eo", "sar"]) { catalogue in
            let area = try box(0, 0, 10, 10)
            let names = (0..<1000).map { "i\($0)" }
            try await catalogue.put(
                all: names.enumerated().map { Sketch($1, in: $0 % 2 == 0 ? "eo" : "sar", at: 77, box: area) })
            for searched in [nil, SearchArea.box(try box(4, 4, 5, 5))] {
                var query = SearchQuery(visible: try await catalogue.directory())
                query.limit = 83
                query.area = searched
                var pages: [ItemPage] = []
                var round = 0
                repeat {
                    pages.append(try await catalogue.search(query))
                    query.token = pages.last?.next
                    // Newcomers before, between and behind.
                    round += 1
                    for moment in [76, 77, 78] as [Int64] {
                        try await catalogue.put(
                            Sketch("new\(searched == nil)\(round)-\(moment)", at: moment, box: area))
                    }
                } while query.token != nil && pages.count < 100
                let forwards = pages.flatMap { $0.items.map(\.id) }
                #expect(Set(forwards).count == forwards.count)
                #expect(Set(forwards).isSuperset(of: names))
                var back: [String] = []
                query.token = pages.last?.previous
                while query.token != nil, back.count < 5000 {
                    let page = try await catalogue.search(query)
                    back = page.items.map(\.id) + back
                    query.token = page.previous
                }
                back += pages.last?.items.map(\.id) ?? []
                #expect(Set(back).count == back.count)
                #expect(Set(back).isSuperset(of: forwards))
            }
        }
    }

    @Test("the count of the first page stays that of all", arguments: TestEngine.allCases)
    func counted(engine: TestEngine) async throws {
        try await engine.withCatalogue { catalogue in
            try await catalogue.put(
                all: (0..<300).map { try Sketch("i\($0)", at: Int64($0 * 1000), box: box(0, 0, 1, 1)) })
            var query = SearchQuery(visible: try await catalogue.directory())
            let first = try await catalogue.search(query)
            #expect(first.matched == MatchedCount(count: 300, isEstimate: false))
            #expect(first.previous == nil)
            query.token = first.next
            #expect(try await catalogue.search(query).matched == first.matched)
            query.token = nil
            query.interval = SearchInterval(from: Timestamp(seconds: 0), to: Timestamp(seconds: 249_000))
            #expect(try await catalogue.search(query).matched == MatchedCount(count: 250, isEstimate: false))
            query.area = .box(try box(0, 0, 2, 2))
            let estimated = try await catalogue.search(query).matched
            #expect(estimated.isEstimate)
            #expect((200...300).contains(estimated.count))
        }
    }

    @Test("a token reads back, and whatever else comes is refused")
    func tokens() async throws {
        try await TestEngine.sqlite.withCatalogue { catalogue in
            try await catalogue.put(all: (0..<5).map { Sketch("i\($0)") })
            var query = SearchQuery(visible: try await catalogue.directory())
            query.limit = 2
            let text = try #require(try await catalogue.search(query).next?.text)
            query.token = try PageToken(text)
            #expect(try await catalogue.search(query).items.map(\.id) == ["i2", "i1"])
            for bad in [
                "", "x", "AAAA", text + "A", String(text.dropLast()), String(repeating: "A", count: 100_000),
                "next:\(text)",
            ] {
                #expect(throws: CatalogueError.self, "\(bad.prefix(50))") { try PageToken(bad) }
            }
            var random = SeededGenerator(seed: 3)
            let bytes = Array(text.utf8)
            for _ in 0..<3000 {
                var mutated = bytes
                mutated[Int.random(in: 0..<mutated.count, using: &random)] = UInt8.random(in: 33...126, using: &random)
                guard mutated != bytes else { continue }
                // Base64 has characters for the same number in two alphabets; all others change the checksum.
                if let token = try? PageToken(String(decoding: mutated, as: UTF8.self)) { #expect(token.text == text) }
            }
        }
    }

    @Test("a token of another search finds what that search may find", arguments: TestEngine.allCases)
    func foreignToken(engine: TestEngine) async throws {
        try await engine.withCatalogue { catalogue in
            try await catalogue.put(
                all: (0..<20).map { try Sketch("i\($0)", at: Int64($0) * 100, box: box(0, 0, 1, 1)) })
            var query = SearchQuery(visible: try await catalogue.directory())
            query.limit = 3
            let first = try await catalogue.search(query)
            query.token = first.next
            let second = try await catalogue.search(query)
            for token in [first.next, second.previous, second.next] {
                for seconds in [-1000, 0, 800, 1900, 100_000] as [Int64] {
                    for area in [nil, SearchArea.box(try box(0, 0, 1, 1)), .box(try box(50, 50, 60, 60))] {
                        var other = SearchQuery(visible: try await catalogue.directory())
                        other.token = token
                        other.area = area
                        other.interval = SearchInterval(
                            from: Timestamp(seconds: seconds), to: Timestamp(seconds: seconds + 500))
                        #expect(try await catalogue.search(other).items.count <= 10)
                    }
                }
            }
        }
    }
}
