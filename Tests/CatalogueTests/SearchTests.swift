import Catalogue
import Geometry
import IAMPolicy
import TestSupport
import Testing
import Wire

@Suite struct SearchTests {
    @Test(
        "items near the antimeridian and the poles are found from every side",
        arguments: [
            (170.0, -10.0, -170.0, 10.0, ["across", "cut", "drawn", "east", "west"]),
            (179.5, 0, 180, 1, ["across", "cut", "drawn"]),
            (-180, 0, -179.5, 1, ["across", "cut", "drawn"]),
            (176, 0, 177.5, 1, ["east"]),
            (-170, -10, 170, 10, []),
            (-180, -90, 180, 90, ["across", "cut", "drawn", "east", "north", "south", "west"]),
            (-180, 89, 180, 90, ["north"]),
            (12, 90, 12, 90, ["north"]),
            (-45, -90, -45, -90, ["south"]),
            (177, 0.5, 177, 0.5, ["east"]),
            (0, 0, 0, 0, []),
        ] as [(Double, Double, Double, Double, [String])])
    func antimeridian(west: Double, south: Double, east: Double, north: Double, expected: [String]) async throws {
        for engine in TestEngine.allCases {
            try await engine.withCatalogue { catalogue in
                let halves: Geometry = .multiPolygon([
                    [ring(try box(179, 0, 180, 1))], [ring(try box(-180, 0, -179, 1))],
                ])
                try await catalogue.put(all: [
                    Sketch("across", geometry: halves, bbox: [179, 0, -179, 1]),
                    // The box of one that knows nothing of the antimeridian.
                    Sketch("cut", geometry: halves, bbox: [-180, 0, 180, 1]),
                    Sketch(
                        "drawn",
                        geometry: .polygon([
                            [
                                Position(179, 0), Position(-179, 0), Position(-179, 1), Position(179, 1),
                                Position(179, 0),
                            ]
                        ]), bbox: [179, 0, -179, 1]),
                    Sketch("east", box: try box(177, 0, 178, 1)),
                    Sketch("west", box: try box(-178, 0, -177, 1)),
                    Sketch("north", box: try box(-180, 85, 180, 90)),
                    Sketch("south", box: try box(-180, -90, 180, -85)),
                    Sketch("nowhere"),
                ])
                let area = try box(west, south, east, north)
                #expect(try await catalogue.ids { $0.area = .box(area) }.sorted() == expected)
                let geometry: Geometry =
                    area.crossesAntimeridian
                    ? .multiPolygon(area.splitAtAntimeridian.map { [ring($0)] })
                    : west == east ? .point(Position(west, south)) : .polygon([ring(area)])
                #expect(try await catalogue.ids { $0.area = .geometry(geometry) }.sorted() == expected)
            }
        }
    }

    @Test("a geometry decides, not its box", arguments: TestEngine.allCases)
    func exact(engine: TestEngine) async throws {
        try await engine.withCatalogue { catalogue in
            let triangle: Geometry = .polygon([[Position(0, 0), Position(10, 0), Position(0, 10), Position(0, 0)]])
            try await catalogue.put(Sketch("triangle", geometry: triangle, bbox: [0, 0, 10, 10]))
            #expect(try await catalogue.ids { $0.area = .box(try box(8, 8, 9, 9)) } == [])
            #expect(try await catalogue.ids { $0.area = .box(try box(1, 1, 9, 9)) } == ["triangle"])
            #expect(try await catalogue.ids { $0.area = .box(try box(5, 5, 9, 9)) } == ["triangle"])
            #expect(try await catalogue.ids { $0.area = .geometry(.point(Position(6, 6))) } == [])
            #expect(try await catalogue.ids { $0.area = .geometry(.point(Position(4, 4))) } == ["triangle"])
        }
    }

    @Test(
        "a time range matches where it overlaps, both ends included",
        arguments: [
            (nil, nil, ["century", "day", "moment", "nominal"]), (0, 99, ["century"]),
            (100, 100, ["century", "moment"]),
            (100, nil, ["century", "day", "moment", "nominal"]), (nil, 100, ["century", "moment"]),
            (101, 199, ["century"]), (199, 200, ["century", "day"]), (250, 260, ["century", "day"]),
            (301, 310, ["century"]), (300, 310, ["century", "day"]), (5_000_000_000, nil, []), (nil, -10, []),
            (400, 450, ["century", "nominal"]), (451, 460, ["century"]),
        ] as [(Int64?, Int64?, [String])])
    func intervals(from: Int64?, to: Int64?, expected: [String]) async throws {
        for engine in TestEngine.allCases {
            try await engine.withCatalogue { catalogue in
                try await catalogue.put(all: [
                    Sketch("moment", at: 100), Sketch("day", at: nil, from: 200, to: 300),
                    Sketch("century", at: nil, from: 0, to: 3_000_000_000),
                    // Sorted by a moment that lies outside of its range.
                    Sketch("nominal", at: 900, from: 400, to: 450),
                ])
                let interval = SearchInterval(
                    from: from.map(Timestamp.init(seconds:)), to: to.map(Timestamp.init(seconds:)))
                #expect(try await catalogue.ids { $0.interval = interval }.sorted() == expected)
                #expect(
                    try await catalogue.ids {
                        $0.interval = interval; $0.collections = ["eo"]
                    }.sorted() == expected)
            }
        }
    }

    @Test("ids, collections and visibility restrict together", arguments: TestEngine.allCases)
    func restrictions(engine: TestEngine) async throws {
        try await engine.withCatalogue(["eo", "sar", "secret"]) { catalogue in
            for collection in ["eo", "sar", "secret"] {
                try await catalogue.put(all: [Sketch("a", in: collection, at: 1), Sketch("b", in: collection, at: 2)])
            }
            func found(_ change: (inout SearchQuery) -> Void) async throws -> [String] {
                var query = SearchQuery(visible: try await catalogue.directory().filtered(to: ["eo", "sar"]))
                change(&query)
                let page = try await catalogue.search(query)
                #expect(page.matched == MatchedCount(count: Int64(page.items.count), isEstimate: false))
                return page.items.map { "\($0.collection)/\($0.id)" }.sorted()
            }
            #expect(try await found { _ in } == ["eo/a", "eo/b", "sar/a", "sar/b"])
            #expect(try await found { $0.ids = ["a", "none", "a"] } == ["eo/a", "sar/a"])
            #expect(try await found { $0.collections = ["sar", "secret", "none"] } == ["sar/a", "sar/b"])
            #expect(try await found { $0.collections = ["secret"] } == [])
            #expect(
                try await found {
                    $0.collections = ["sar"]; $0.ids = ["b"]
                } == ["sar/b"])
            #expect(
                try await found {
                    $0.ids = ["b"]; $0.interval = SearchInterval(from: nil, to: Timestamp(seconds: 1))
                } == [])
            let nobody = try await catalogue.directory().filtered(to: [])
            #expect(try await catalogue.search(SearchQuery(visible: nobody)).items.isEmpty)
        }
    }

    @Test("what policy asks of properties hides items, page by page and in counts", arguments: TestEngine.allCases)
    func properties(engine: TestEngine) async throws {
        try await engine.withCatalogue(["eo", "sar"]) { catalogue in
            for number in 0..<40 {
                for collection in ["eo", "sar"] {
                    var sketch = Sketch("\(collection)\(number)", in: collection, at: Int64(number))
                    sketch.properties = ["gsd": .integer(Int64(number % 4)), "tags": ["a", .string("t\(number % 2)")]]
                    try await catalogue.put(sketch)
                }
            }
            func test(_ condition: String) throws -> ProductTest {
                let document =
                    #"{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {\#(condition)}}]}"#
                return PolicyRequest(principal: "ada", action: "stac:Search", resource: "arn:martlet:stac:::eo")
                    .productTests(
                        [(name: "p", document: try PolicyDocument(parsing: document))], of: ["arn:martlet:stac:::eo"])[
                        0]
            }
            let fine = try test(
                #""NumericLessThan": {"martlet:Product/gsd": "1"}, "StringEquals": {"martlet:Product/tags": "t0"}"#)
            let visible = try await catalogue.directory().filtered(to: ["eo": fine, "sar": .always])
            let eo = stride(from: 0, to: 40, by: 4).map { "eo\($0)" }
            #expect(
                try await catalogue.ids(limit: 3) {
                    $0.visible = visible; $0.collections = ["eo"]
                }.sorted() == eo.sorted())
            #expect(try await catalogue.ids(limit: 7) { $0.visible = visible }.count == 50)
            var query = SearchQuery(visible: visible)
            #expect(try await catalogue.search(query).matched == MatchedCount(count: 50, isEstimate: false))
            query.collections = ["eo"]
            query.ids = ["eo0", "eo1"]
            #expect(try await catalogue.search(query).items.map(\.id) == ["eo0"])
            let none = try await catalogue.directory().filtered(to: ["eo": fine, "sar": .never])
            #expect(none.names == ["eo"])
        }
    }

    @Test(
        "policies ask for the product of an object by its path, its preview and its assets",
        arguments: TestEngine.allCases)
    func products(engine: TestEngine) async throws {
        try await engine.withCatalogue(["eo", "sar"]) { catalogue in
            var scene = Sketch("scene")
            scene.properties = ["eo:cloud_cover": 12.5, "Platform": "S2A", "on": true, "proj": ["a": 1], "none": nil]
            try await catalogue.put(scene, product: "2026/scene/")
            for key in ["2026/scene/B1.tif", ".martlet/previews/2026/scene.png"] {
                let found = try await catalogue.properties(ofObject: key, in: "eo")
                #expect(found["eo:cloud_cover"] == ["12.5"] && found["platform"] == ["S2A"] && found["on"] == ["true"])
                #expect(found["proj"] == nil && found["none"] == nil && found["datetime"] != nil)
            }
            for (key, collection) in [("2026/other/B1.tif", "eo"), ("2026/scene/B1.tif", "sar"), ("x", "none")] {
                #expect(try await catalogue.properties(ofObject: key, in: collection).isEmpty)
            }
            #expect(try await catalogue.properties(ofItem: "scene", in: "eo")["platform"] == ["S2A"])
            #expect(try await catalogue.properties(ofItem: "none", in: "eo").isEmpty)

            // An item put by hand says itself which objects it describes, of its own collection only.
            var byHand = Sketch("by-hand")
            byHand.properties = ["gsd": 10]
            byHand.hrefs = [
                "s3://eo/a b.tif", "http://node:9000/eo/d/b%20c.tif?x=1", "https://eo.s3.example.org/host.tif",
                "s3://sar/secret.tif", "./relative.tif", "https://elsewhere.example.org/x/eo.tif",
            ]
            try await catalogue.put(byHand)
            for key in ["a b.tif", "d/b c.tif", "host.tif"] {
                #expect(try await catalogue.properties(ofObject: key, in: "eo")["gsd"] == ["10"], "\(key)")
            }
            for (key, collection) in [("secret.tif", "sar"), ("secret.tif", "eo"), ("relative.tif", "eo")] {
                #expect(try await catalogue.properties(ofObject: key, in: collection).isEmpty, "\(key)")
            }
            byHand.hrefs = ["s3://eo/new.tif"]
            try await catalogue.put(byHand)
            #expect(try await catalogue.properties(ofObject: "host.tif", in: "eo").isEmpty)
            #expect(try await !catalogue.properties(ofObject: "new.tif", in: "eo").isEmpty)
            try await catalogue.remove(collection: "eo", id: "by-hand", by: "ada")
            #expect(try await catalogue.properties(ofObject: "new.tif", in: "eo").isEmpty)
        }
    }

    @Test("large documents end a page before its limit", arguments: TestEngine.allCases)
    func largeDocuments(engine: TestEngine) async throws {
        try await engine.withCatalogue { catalogue in
            for index in 0..<5 {
                let padding = #","x":"\#(String(repeating: "x", count: 6 << 20))"}"#
                let document = String(decoding: Sketch("i\(index)").json, as: UTF8.self).dropLast() + padding
                try await catalogue.put(item: Array(document.utf8), collection: "eo", by: "ada")
            }
            var query = SearchQuery(visible: try await catalogue.directory())
            let page = try await catalogue.search(query)
            #expect(page.items.map(\.id) == ["i4", "i3"])
            query.token = page.next
            #expect(try await catalogue.search(query).items.map(\.id) == ["i2", "i1"])
        }
    }

    @Test("a search over a random catalogue finds what a look at every item finds", arguments: TestEngine.allCases)
    func oracle(engine: TestEngine) async throws {
        let collections = ["a", "b", "c", "d", "e"]
        try await engine.withCatalogue(collections) { catalogue in
            var random = SeededGenerator(seed: 42)
            let world = try RandomWorld(count: 1500, collections: collections, using: &random)
            try await catalogue.put(all: world.sketches)
            for round in 0..<60 {
                var query = SearchQuery(visible: try await catalogue.directory())
                try world.restrict(&query, using: &random)
                query.limit = [1, 3, 10, 50, 500].randomElement(using: &random) ?? 10
                let expected = world.matching(query)
                // Forwards to the end, counting, then all the way back.
                var pages: [[String]] = []
                var last: ItemPage
                repeat {
                    last = try await catalogue.search(query)
                    if pages.isEmpty, !last.matched.isEstimate { #expect(last.matched.count == expected.count) }
                    pages.append(last.items.map(\.id))
                    query.token = last.next
                } while query.token != nil && pages.count < 60
                let seen = pages.flatMap { $0 }
                #expect(Set(seen).count == seen.count, "round \(round)")
                if query.token == nil {
                    #expect(Set(seen) == expected, "round \(round): \(query)")
                } else {
                    #expect(Set(seen).isSubset(of: expected))
                }
                var back: [[String]] = [pages.last ?? []]
                query.token = last.previous
                while let token = query.token, back.count < 70 {
                    let page = try await catalogue.search(query)
                    back.insert(page.items.map(\.id), at: 0)
                    query.token = page.previous
                    #expect(query.token != token)
                }
                #expect(back.flatMap { $0 } == seen, "round \(round)")
            }
        }
    }
}

/// Items all over the world, and searches whose answer is known.
private struct RandomWorld {
    struct Thing {
        var sketch: Sketch
        var box: BoundingBox?
        var start: Int64
        var end: Int64
    }

    var things: [Thing] = []
    let collections: [String]
    var sketches: [Sketch] { things.map(\.sketch) }

    init(count: Int, collections: [String], using random: inout SeededGenerator) throws {
        self.collections = collections
        for index in 0..<count {
            // Most lie close together in place and time, some far out.
            let isNear = Int.random(in: 0..<4, using: &random) > 0
            let west =
                isNear ? Double.random(in: 165...185, using: &random) : Double.random(in: -180...180, using: &random)
            let south =
                isNear ? Double.random(in: -20 ... -10, using: &random) : Double.random(in: -90...88, using: &random)
            func wrapped(_ longitude: Double) -> Double { longitude > 180 ? longitude - 360 : longitude }
            let area = try box(
                wrapped(west), south, wrapped(west + Double.random(in: 0...4, using: &random)),
                south + Double.random(in: 0...2, using: &random))
            let datetime =
                isNear
                ? Int64.random(in: 1_000_000...1_000_300, using: &random)
                : Int64.random(in: 0...100_000_000, using: &random)
            var sketch = Sketch("i\(index)", in: collections[index % collections.count], at: datetime, box: area)
            var thing = Thing(sketch: sketch, box: area, start: datetime, end: datetime)
            if index % 50 == 0 {
                (sketch.start, sketch.end) = (datetime, datetime + Int64.random(in: 0...5_000_000, using: &random))
                sketch.datetime = nil
                (thing.start, thing.end) = (datetime, sketch.end ?? 0)
            } else if index % 50 == 1 {
                (sketch.geometry, sketch.bbox, thing.box) = (nil, nil, nil)
            }
            thing.sketch = sketch
            things.append(thing)
        }
    }

    func restrict(_ query: inout SearchQuery, using random: inout SeededGenerator) throws {
        if Bool.random(using: &random) {
            query.collections = Array(
                collections.shuffled(using: &random).prefix(Int.random(in: 1...4, using: &random)))
        }
        if Int.random(in: 0..<4, using: &random) > 0 {
            let west = Double.random(in: -180...180, using: &random)
            let sizes: [Double] = [0.01, 1, 10, 100, 360]
            let size = sizes.randomElement(using: &random) ?? 1
            let east = west + size > 180 ? max(-180, west + size - 360) : west + size
            let south = Double.random(in: -90...80, using: &random)
            let north = min(90, south + size)
            let isNear = Bool.random(using: &random)
            query.area = .box(
                isNear
                    ? try box(170, -18, size > 5 ? -178 : 170 + size, -18 + min(size, 8))
                    : try box(west, south, east, north))
        }
        if Bool.random(using: &random) {
            let from = Int64.random(in: -10...100_000_000, using: &random)
            let near = Int64.random(in: 1_000_000...1_000_300, using: &random)
            let intervals: [(Int64?, Int64?)] =
                [
                    (nil, from), (from, nil), (from, from + 10_000_000), (near, near + 5), (near, near),
                    (near - 50, near + 50),
                ]
            let interval = intervals.randomElement(using: &random) ?? (nil, nil)
            query.interval = SearchInterval(
                from: interval.0.map(Timestamp.init(seconds:)), to: interval.1.map(Timestamp.init(seconds:)))
        }
        if Int.random(in: 0..<6, using: &random) == 0 {
            query.ids = (0..<40).map { _ in "i\(Int.random(in: 0..<3000, using: &random))" }
        }
    }

    func matching(_ query: SearchQuery) -> Set<String> {
        Set(
            things.filter { thing in
                if !query.collections.isEmpty, !query.collections.contains(thing.sketch.collection) { return false }
                if !query.ids.isEmpty, !query.ids.contains(thing.sketch.id) { return false }
                if let from = query.interval?.from, thing.end < from.seconds { return false }
                if let to = query.interval?.to, thing.start > to.seconds { return false }
                guard case .box(let area) = query.area else { return true }
                return thing.box.map { area.intersects($0) } ?? false
            }.map(\.sketch.id))
    }
}
