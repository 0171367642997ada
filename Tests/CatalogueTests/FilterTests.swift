import CQL2
import Database
import Geometry
import Journal
import TestSupport
import Testing
import Wire

@testable import Catalogue

@Suite struct FilterTests {
    private func fill(_ catalogue: Catalogue) async throws {
        try await catalogue.put(all: [
            Sketch("a", at: 100, box: try box(0, 0, 1, 1)).with([
                "cloud": 5, "tile": "32TQM", "title": "Glaciers of the Alps", "tags": ["ice", "snow"], "gone": nil,
            ]),
            Sketch("b", at: 200, box: try box(10, 10, 11, 11)).with([
                "cloud": 50.5, "tile": "31UFT", "title": "Forêts d'été", "proj": ["code": "EPSG:32632"],
            ]),
            Sketch("c", in: "sar", at: 300, box: try box(179, 0, -179, 1)).with(["cloud": 95, "pass": true]),
            Sketch("d", in: "sar", at: nil, from: 100, to: 900).with(["created": "2020-01-01T00:00:00Z"]),
        ])
    }

    @Test(
        "a filter finds what it means",
        arguments: [
            ("cloud < 50", ["a"]), ("properties.cloud >= 50.5", ["b", "c"]), ("cloud IS NULL", ["d"]),
            ("tile = '32TQM'", ["a"]), ("tile LIKE '3%'", ["a", "b"]), ("NOT (cloud < 50)", ["b", "c"]),
            ("proj.code = 'EPSG:32632'", ["b"]), ("A_CONTAINS(tags, ('ice'))", ["a"]), ("pass", ["c"]),
            ("ACCENTI(CASEI(title)) LIKE 'forets%'", ["b"]), ("id = 'a' OR id = 'c'", ["a", "c"]),
            ("id IN ('a', 'b') AND cloud > 10", ["b"]), ("collection = 'sar'", ["c", "d"]),
            ("collection = 'sar' AND collection = 'eo'", []), ("id = 'a' AND id = 'b'", []),
            ("datetime > TIMESTAMP('1970-01-01T00:03:00Z')", ["b", "c"]),
            ("datetime = DATE('1970-01-01')", ["a", "b", "c", "d"]),
            ("T_INTERSECTS(datetime, INTERVAL('1970-01-01T00:10:00Z', '..'))", ["d"]),
            ("T_AFTER(datetime, TIMESTAMP('1970-01-01T00:04:00Z'))", ["c"]), ("created < DATE('2020-01-02')", ["d"]),
            ("S_INTERSECTS(geometry, POINT(0.5 0.5))", ["a"]), ("S_WITHIN(geometry, BBOX(-5, -5, 5, 5))", ["a"]),
            ("S_DISJOINT(geometry, BBOX(-5, -5, 15, 15))", ["c"]), ("S_INTERSECTS(geometry, POINT(-179.5 0.5))", ["c"]),
            ("S_CONTAINS(geometry, POINT(179.5 0.5)) AND cloud > 1", ["c"]), ("geometry IS NULL", ["d"]),
            ("S_INTERSECTS(geometry, BBOX(0, 0, 20, 20)) AND S_WITHIN(geometry, BBOX(9, 9, 12, 12))", ["b"]),
            ("none = 1", []), ("cloud > 1 AND none = 1", []), ("cloud = tile", []),
            ("MONTH(datetime) = 1", ["a", "b", "c", "d"]),
            ("datetime = INTERVAL('..', '1970-01-01T00:02:00Z')", ["a"]),
            ("datetime > INTERVAL('..', '1970-01-01T00:04:00Z')", ["c"]),
        ])
    func filters(text: String, expected: [String]) async throws {
        let filter = try CQL2(parsing: text)
        for engine in TestEngine.allCases {
            try await engine.withCatalogue(["eo", "sar"]) { catalogue in
                try await fill(catalogue)
                #expect(try await catalogue.ids { $0.filter = filter }.sorted() == expected)
                for collection in ["eo", "sar"] {
                    try await catalogue.makeIndex(of: collection, property: "cloud", by: "ada")
                }
                try await catalogue.makeIndex(of: "eo", property: "properties.tile", by: "ada")
                #expect(try await catalogue.ids { $0.filter = filter }.sorted() == expected, "with indexes")
                let inEO = try await catalogue.ids {
                    $0.filter = filter; $0.collections = ["eo"]
                }
                #expect(inEO.sorted() == expected.filter { $0 < "c" }, "in one collection")
            }
        }
    }

    @Test(
        "words are found in the texts of an item",
        arguments: [
            ("glacier", ["a"]), ("GLACIERS of", ["a"]), ("lacier", []), ("forets", ["b"]), ("d'ete", ["b"]),
            ("ice,foret", ["a", "b"]), ("ice AND foret", []), ("ice OR foret", ["a", "b"]), ("+ice -snow", []),
            ("+ice -fire", ["a"]), ("\"the alps\"", ["a"]), ("\"alps the\"", []), ("(ice OR foret) AND 31UFT", ["b"]),
            ("sar", ["c", "d"]), ("32TQM", ["a"]),
        ])
    func words(text: String, expected: [String]) async throws {
        try await TestEngine.sqlite.withCatalogue(["eo", "sar"]) { catalogue in
            try await fill(catalogue)
            let words = try FreeText(parsing: text)
            #expect(try await catalogue.ids { $0.words = words }.sorted() == expected)
        }
    }

    @Test(
        "a search for words that cannot be meant is refused", arguments: ["", "(a", "a)", "a AND", "+", "OR", "\"\""])
    func wrongWords(text: String) { #expect(throws: FreeTextError.self) { try FreeText(parsing: text) } }

    @Test("parentheses 10,000 deep are refused")
    func deepWords() {
        #expect(throws: FreeTextError.self) { try FreeText(parsing: String(repeating: "(", count: 4000)) }
        #expect(throws: FreeTextError.self) { try FreeText(parsing: String(repeating: "(", count: 10_000)) }
    }

    @Test(
        "filters and orders over a random catalogue give what a look at every item gives",
        arguments: TestEngine.allCases)
    func oracle(engine: TestEngine) async throws {
        try await engine.withCatalogue(["a", "b"]) { catalogue in
            var random = SeededGenerator(seed: 7)
            var known: [String: JSONValue] = [:]
            var sketches: [Sketch] = []
            for index in 0..<500 {
                var members: [JSONObject.Member] = [
                    .init(name: "n", value: .integer(Int64.random(in: 0..<40, using: &random)))
                ]
                if index % 3 > 0 {
                    members.append(.init(name: "x", value: .double(Double.random(in: -1...1, using: &random))))
                }
                let word = ["red", "green", "Blau", "2020-01-01T00:00:00Z"].randomElement(using: &random) ?? ""
                if index % 5 > 0 { members.append(.init(name: "w", value: .string(word))) }
                var sketch = Sketch(
                    "i\(index)", in: index % 2 == 0 ? "a" : "b", at: Int64.random(in: 0..<500, using: &random),
                    box: try box(Double(index % 100), 0, Double(index % 100) + 1, 1))
                sketch.properties = .object(JSONObject(members))
                known[sketch.id] = .object(JSONObject(members))
                sketches.append(sketch)
            }
            try await catalogue.put(all: sketches)
            let filters = [
                nil, "n = 7", "n IN (1, 2, 50)", "x < 0", "x BETWEEN -0.01 AND 0.01", "w = 'red' AND n > 35", "w < 'h'",
                "x IS NULL", "NOT (n < 38)", "x > 0.99 OR n = 3", "w = '2020-01-01T00:00:00Z'",
                "w <= TIMESTAMP('2020-01-01T00:00:00Z')", "n > 100", "w > '2020-01-01T00:00:00Z'", "w < '2020-01-02'",
                "w BETWEEN '2019-01-01' AND 'h'",
            ]
            let orders = [
                "", "+n", "-n", "+x", "-x,+n", "+w,-x", "-id", "+datetime", "+collection,-datetime", "-n,+w,+id",
            ]
            for isIndexed in [false, true] {
                if isIndexed {
                    for collection in ["a", "b"] {
                        for property in ["n", "x", "w"] {
                            try await catalogue.makeIndex(of: collection, property: property, by: "ada")
                        }
                    }
                    // Changed and removed items are changed and removed in the indexes.
                    for (number, sketch) in sketches.prefix(60).enumerated() {
                        if number % 2 == 0 {
                            try await catalogue.remove(collection: sketch.collection, id: sketch.id, by: "ada")
                            known[sketch.id] = nil
                        } else {
                            try await catalogue.put(sketch.with(["n": 3, "w": "red"]))
                            known[sketch.id] = ["n": 3, "w": "red"]
                        }
                    }
                }
                for round in 0..<40 {
                    let text = filters[round % filters.count]
                    let signs = orders[(round * 7) % orders.count]
                    let filter = try text.map { try CQL2(parsing: $0) }
                    let expected = known.filter { _, properties in
                        filter == nil || filter?.holds { properties[$0].map(CQL2.Value.init) ?? .null } == true
                    }
                    var query = SearchQuery(visible: try await catalogue.directory())
                    if round % 3 == 0 { query.collections = ["a"] }
                    if round % 4 == 0 { query.area = .box(try box(20, 0, 60, 1)) }
                    query.filter = filter
                    query.order = SortOrder(
                        signs.split(separator: ",").map {
                            .init(String($0.dropFirst()), isDescending: $0.hasPrefix("-"))
                        })
                    query.limit = [3, 10, 100, 1000][round % 4]
                    try await check(
                        catalogue, query, Set(expected.keys), known, "\(text ?? "") by \(signs), \(isIndexed)")
                }
            }
        }
    }

    private func check(
        _ catalogue: Catalogue, _ query: SearchQuery, _ matching: Set<String>, _ known: [String: JSONValue],
        _ what: String
    ) async throws {
        var query = query
        var expected = matching
        if !query.collections.isEmpty {
            expected = expected.filter { Int($0.dropFirst()).map { $0 % 2 == 0 } ?? false }
        }
        if query.area != nil {
            expected = expected.filter { Int($0.dropFirst()).map { (19...60).contains($0 % 100) } ?? false }
        }
        var pages: [[ItemRecord]] = []
        var last: ItemPage
        repeat {
            last = try await catalogue.search(query)
            if pages.isEmpty, !last.matched.isEstimate { #expect(last.matched.count == expected.count, "\(what)") }
            pages.append(last.items)
            query.token = try last.next.map { try PageToken($0.text) }
        } while query.token != nil && pages.count < 500
        let seen = pages.flatMap { $0.map(\.id) }
        #expect(Set(seen).count == seen.count, "\(what): none twice")
        #expect(Set(seen) == expected, "\(what)")
        // In order: each value is not before the one ahead of it, and those without one come last.
        for field in query.order.fields where field == query.order.fields.first && ["n", "x"].contains(field.property) {
            let values = seen.map { known[$0]?[field.property]?.number }
            for (a, b) in zip(values, values.dropFirst()) {
                guard let a else {
                    #expect(b == nil, "\(what): what has no value comes last")
                    break
                }
                if let b { #expect(field.isDescending ? a >= b : a <= b, "\(what)") }
            }
        }
        // And all the way back.
        var back: [[String]] = [pages.last?.map(\.id) ?? []]
        query.token = last.previous
        while query.token != nil, back.count < 600 {
            let page = try await catalogue.search(query)
            back.insert(page.items.map(\.id), at: 0)
            query.token = try page.previous.map { try PageToken($0.text) }
        }
        #expect(back.flatMap { $0 } == seen, "\(what): back")
    }

    @Test("a token of another order is refused", arguments: TestEngine.allCases)
    func tokens(engine: TestEngine) async throws {
        try await engine.withCatalogue { catalogue in
            try await catalogue.put(all: (0..<5).map { Sketch("i\($0)", at: $0).with(["n": .integer($0)]) })
            var query = SearchQuery(visible: try await catalogue.directory())
            query.limit = 2
            query.order = SortOrder([.init("n", isDescending: false)])
            let page = try await catalogue.search(query)
            #expect(page.items.map(\.id) == ["i0", "i1"])
            let token = try PageToken(try #require(page.next).text)
            query.token = token
            #expect(try await catalogue.search(query).items.map(\.id) == ["i2", "i3"])
            // One that somebody made up, with fewer values than the order has fields.
            let two = SortOrder([.init("n", isDescending: false), .init("m", isDescending: false)])
            let place = SortPosition(keys: [PropertyKey.of(1)], number: 1)
            query.order = two
            query.token = PageToken(.next, .sorted(place), order: two.mark, .init(count: 5, isEstimate: false))
            let madeUp = query
            #expect(await failure { _ = try await catalogue.search(madeUp) }?.code == .invalidToken)
            query.token = token
            for order in [SortOrder.newestFirst, SortOrder([.init("n", isDescending: true)])] {
                query.order = order
                let asked = query
                #expect(await failure { _ = try await catalogue.search(asked) }?.code == .invalidToken)
            }
        }
    }

    @Test("what items have is told, with its types, and what is indexed", arguments: TestEngine.allCases)
    func queryables(engine: TestEngine) async throws {
        try await engine.withCatalogue(["eo", "sar"]) { catalogue in
            try await fill(catalogue)
            try await catalogue.makeIndex(of: "eo", property: "cloud", by: "ada")
            let whole = try await catalogue.directory()
            let all = try await catalogue.queryables(whole)
            #expect(
                all.map(\.name) == [
                    "cloud", "created", "datetime", "end_datetime", "pass", "proj", "start_datetime", "tags", "tile",
                    "title",
                ])
            #expect(all.first?.types == [.integer, .number] && all.first?.isIndexed == false)
            let eo = try await catalogue.queryables(whole.filtered(to: ["eo"]))
            #expect(eo.map(\.name) == ["cloud", "datetime", "proj", "tags", "tile", "title"])
            #expect(eo.first?.isIndexed == true)
            #expect(try await catalogue.indexes(of: "eo") == [ItemIndex(property: "cloud", isReady: true)])
            try await catalogue.removeIndex(of: "eo", property: "cloud", by: "ada")
            #expect(try await catalogue.indexes(of: "eo") == [])
            #expect(await failure { try await catalogue.removeIndex(of: "eo", property: "cloud", by: "ada") } != nil)
            #expect(await failure { try await catalogue.makeIndex(of: "eo", property: "id", by: "ada") } != nil)
            #expect(await failure { try await catalogue.makeIndex(of: "none", property: "n", by: "ada") } != nil)
        }
    }

    @Test("an index that is made while items are written holds them all", arguments: TestEngine.allCases)
    func indexWhileWriting(engine: TestEngine) async throws {
        try await engine.withCatalogue { catalogue in
            try await catalogue.put(all: (0..<300).map { Sketch("old\($0)").with(["n": .integer($0)]) })
            async let index: Void = catalogue.makeIndex(of: "eo", property: "n", by: "ada")
            try await catalogue.put(all: (0..<300).map { Sketch("new\($0)").with(["n": .integer($0)]) })
            try await catalogue.put(all: (0..<100).map { Sketch("old\($0)").with(["n": 1000]) })
            try await index
            #expect(try await catalogue.ids(limit: 1000) { $0.filter = try CQL2(parsing: "n = 1000") }.count == 100)
            let sorted = try await catalogue.ids(limit: 70) { $0.order = SortOrder([.init("n", isDescending: true)]) }
            #expect(sorted.count == 600 && Set(sorted.prefix(100)) == Set((0..<100).map { "old\($0)" }))
        }
    }

    @Test("rare words are found among many items, whatever changes meanwhile", arguments: TestEngine.allCases)
    func words(engine: TestEngine) async throws {
        try await engine.withCatalogue(["eo", "sar"]) { catalogue in
            // More than a walk looks at before an index is asked, had it not been asked at once.
            try await catalogue.put(
                together: (0..<300).map { number in
                    let title = number % 100 == 7 ? "Grüße vom Glacier Äußeres \(number)" : "Scene \(number)"
                    return Sketch("i\(number)", in: number % 2 == 0 ? "sar" : "eo", at: Int64(number))
                        .with(["title": .string(title)])
                })
            func found(_ words: String, _ change: (inout SearchQuery) -> Void = { _ in }) async throws -> [String] {
                var query = SearchQuery(visible: try await catalogue.directory())
                query.words = try FreeText(parsing: words)
                query.limit = 2
                change(&query)
                let page = try await catalogue.search(query)
                #expect(!page.matched.isEstimate && page.matched.count >= page.items.count)
                return page.items.map(\.id)
            }
            #expect(try await found("glacier") == ["i207", "i107"])
            #expect(try await found("GRUSSE AND \"vom glac\"") == ["i207", "i107"])
            #expect(try await found("glacier -207") == ["i107", "i7"])
            #expect(try await found("\"glacier vom\"") == [])
            #expect(try await found("glacier") { $0.collections = ["sar"] } == [])
            #expect(try await found("eo AND i29") == ["i299", "i297"])
            try await catalogue.put(Sketch("i107", at: 107).with(["title": "Nothing"]))
            try await catalogue.remove(collection: "eo", id: "i207", by: "ada")
            #expect(try await found("glacier") == ["i7"])
            #expect(try await found("nothing") == ["i107"])
        }
    }

    @Test("an order without an index is that of all items, however many", arguments: TestEngine.allCases)
    func sorted(engine: TestEngine) async throws {
        try await engine.withCatalogue { catalogue in
            try await catalogue.put(
                together: (0..<1500).map { number in
                    Sketch("i\(number)", at: Int64(number)).with(["rank": .integer(Int64(number * 7919 % 1500))])
                })
            let ids = try await catalogue.ids(limit: 400) { $0.order = SortOrder([.init("rank", isDescending: true)]) }
            let ranks = ids.compactMap { Int($0.dropFirst()) }.map { $0 * 7919 % 1500 }
            #expect(ranks == Array((0..<1500).reversed()))
        }
    }

    @Test("searches by an index read it, and no whole table")
    func plans() async throws {
        try await TestEngine.sqlite.withCatalogue { catalogue in
            let statements = [
                (
                    "SELECT item FROM item_values WHERE property = ? AND value >= ? AND value <= ? LIMIT ?",
                    "USING PRIMARY KEY (property=? AND value>? AND value<?)"
                ),
                (
                    """
                    SELECT i.number, v.value FROM item_values v JOIN items i ON i.number = v.item
                    WHERE v.property = ? AND v.value > ? AND v.value >= ? AND (v.value, v.item) > (?, ?)
                    ORDER BY v.value ASC, v.item ASC LIMIT ?
                    """, "USING PRIMARY KEY (property=? AND value>?)"
                ),
            ]
            for (sql, expected) in statements {
                let plan = try await catalogue.journal.database.read { reader in
                    try reader.rows(
                        "EXPLAIN QUERY PLAN \(sql)", Array(repeating: .null, count: sql.count { $0 == "?" })
                    ) {
                        $0.text(3)
                    }
                }
                #expect(plan.contains { $0.contains(expected) }, "\(plan)")
                #expect(!plan.contains { $0.hasPrefix("SCAN") || $0.contains("TEMP B-TREE") }, "\(plan)")
            }
        }
    }
}
