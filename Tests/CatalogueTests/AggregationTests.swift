import CQL2
import Catalogue
import Geometry
import IAMPolicy
import TestSupport
import Testing
import Wire

@Suite struct AggregationTests {
    private static let day: Int64 = 86_400

    /// One item a day from 2024-01-31, cloudier each day, in two collections.
    private func fill(_ catalogue: Catalogue) async throws {
        try await catalogue.put(
            all: (0..<40).map { number in
                let moment: Int64 = 1_706_662_800 + Int64(number) * Self.day
                let west = Double(number)
                let sketch = Sketch(
                    "i\(number)", in: number % 4 == 0 ? "sar" : "eo", at: moment,
                    box: try box(west, 10, west + 0.5, 10.5))
                let platform: JSONValue = number % 2 == 0 ? "a" : "b"
                return sketch.with(["eo:cloud_cover": .integer(Int64(number)), "platform": platform])
            })
    }

    private func buckets(_ result: AggregationResult?) -> [AggregationResult.Bucket] {
        guard case .buckets(let buckets, 0) = result else { return [] }
        return buckets
    }

    @Test("items are counted whole, by time, collection, value and cell", arguments: TestEngine.allCases)
    func counts(engine: TestEngine) async throws {
        try await engine.withCatalogue(["eo", "sar"]) { catalogue in
            try await fill(catalogue)
            let query = SearchQuery(visible: try await catalogue.directory())
            let times = try await catalogue.aggregate(
                query, [.totalCount, .datetimeMin, .datetimeMax, .collections, .datetimes(.month), .datetimes(.week)])
            #expect(times[0] == .count(40))
            #expect(times[1] == .moment(Timestamp(seconds: 1_706_662_800)))
            #expect(times[2] == .moment(Timestamp(seconds: 1_706_662_800 + 39 * Self.day)))
            #expect(buckets(times[3]).map(\.frequency) == [30, 10])
            let months = buckets(times[4])
            #expect(months.map(\.frequency) == [1, 29, 10])
            #expect(months.first?.key == .moment(Timestamp(seconds: 1_704_067_200)))
            // 31 January 2024 was a Wednesday.
            #expect(buckets(times[5]).map(\.frequency) == [5, 7, 7, 7, 7, 7])
            #expect(buckets(times[5]).first?.key == .moment(Timestamp(seconds: 1_706_486_400)))
            let values = try await catalogue.aggregate(
                query,
                [
                    .values(property: "platform", bounds: []),
                    .values(property: "eo:cloud_cover", bounds: [5, 15]),
                    .cells(.geohash, precision: 1, isCentroid: true), .cells(.geotile, precision: 2, isCentroid: false),
                    .totalCount, .collections,
                ])
            #expect(buckets(values[0]).map(\.frequency) == [20, 20])
            #expect(
                buckets(values[1]) == [
                    .init(key: .range(nil, 5), frequency: 5), .init(key: .range(5, 15), frequency: 10),
                    .init(key: .range(15, nil), frequency: 25),
                ])
            #expect(buckets(values[2]) == [.init(key: .text("s"), frequency: 40)])
            #expect(buckets(values[3]) == [.init(key: .text("2/2/1"), frequency: 40)])
            #expect(values[4] == .count(40))
            #expect(values[5] == times[3])
        }
    }

    @Test("what a search leaves out is not counted", arguments: TestEngine.allCases)
    func conditions(engine: TestEngine) async throws {
        try await engine.withCatalogue(["eo", "sar"]) { catalogue in
            try await fill(catalogue)
            var query = SearchQuery(visible: try await catalogue.directory())
            query.interval = SearchInterval(from: Timestamp(seconds: 1_706_662_800 + 30 * Self.day), to: nil)
            #expect(try await catalogue.aggregate(query, [.totalCount]) == [.count(10)])
            query.area = .box(try box(35, 0, 50, 20))
            #expect(try await catalogue.aggregate(query, [.totalCount, .datetimes(.year)])[0] == .count(5))
            query.collections = ["none"]
            #expect(try await catalogue.aggregate(query, [.totalCount, .datetimeMin]) == [.count(0), .moment(nil)])
            let cloudless = SearchQuery(visible: try await catalogue.directory().filtered(to: ["sar"]))
            #expect(try await catalogue.aggregate(cloudless, [.totalCount]) == [.count(10)])
        }
    }

    @Test(
        "cells have the names that others give them",
        arguments: [
            (GridCell.Grid.geohash, 5, 10.40744, 57.64911, "u4pru"), (.geohash, 1, -180, -90, "0"),
            (.geohash, 12, 180, 90, "zzzzzzzzzzzz"), (.geotile, 5, 7.5, 47.5, "5/16/11"), (.geotile, 0, 0, 0, "0/0/0"),
            (.geotile, 3, 180, -90, "3/7/7"),
        ])
    func cells(grid: GridCell.Grid, precision: Int, longitude: Double, latitude: Double, text: String) {
        let cell = GridCell(grid, precision: precision, at: Position(longitude, latitude))
        #expect(cell.text == text)
        let inside = grid == .geohash ? latitude : min(max(latitude, -85), 85)
        #expect(cell.box?.contains(Position(longitude, inside)) == true)
    }

    @Test("collections are found by what is said of them", arguments: TestEngine.allCases)
    func collections(engine: TestEngine) async throws {
        try await engine.withCatalogue(["alps", "eo", "sea"]) { catalogue in
            for (name, title, words) in [("alps", "Glaciers of the Alps", "ice"), ("sea", "Surface", "ocean")] {
                let document = """
                    {"type":"Collection","stac_version":"1.1.0","id":"\(name)","title":"\(title)","description":"d",
                    "license":"CC-BY-4.0","keywords":["\(words)"],"links":[],"extent":{"spatial":{"bbox":[[5,44,16,48]]},
                    "temporal":{"interval":[["2020-01-01T00:00:00Z",null]]}}}
                    """
                try await catalogue.putCollection(Array(document.utf8), name: name, by: "ada")
            }
            try await catalogue.put(Sketch("x", in: "sea", at: 0, box: try box(170, -10, -170, 10)))
            let all = try await catalogue.directory()
            func found(_ change: (inout CollectionQuery) throws -> Void) async throws -> [String] {
                var query = CollectionQuery(visible: all)
                try change(&query)
                let page = try await catalogue.search(collections: query)
                #expect(page.matched >= page.collections.count)
                return page.collections.map(\.name)
            }
            #expect(try await found { _ in } == ["alps", "eo", "sea"])
            #expect(try await found { $0.words = try FreeText(parsing: "glacier") } == ["alps"])
            #expect(try await found { $0.words = try FreeText(parsing: "ICE OR ocean") } == ["alps", "sea"])
            #expect(try await found { $0.area = .box(try box(175, 0, 176, 1)) } == ["eo", "sea"])
            #expect(try await found { $0.area = .box(try box(6, 45, 7, 46)) } == ["alps", "eo"])
            let today = Timestamp(seconds: 1_800_000_000)
            #expect(try await found { $0.interval = SearchInterval(from: today, to: nil) } == ["alps", "eo"])
            #expect(try await found { $0.filter = try .init(parsing: "license = 'CC-BY-4.0'") } == ["alps", "sea"])
            #expect(
                try await found { $0.order = SortOrder([.init("title", isDescending: true)]) } == ["sea", "alps", "eo"])
            #expect(try await found { $0.ids = ["sea", "none"] } == ["sea"])
            // Page by page, in either order.
            for order in [SortOrder([]), SortOrder([.init("title", isDescending: false)])] {
                var query = CollectionQuery(visible: all)
                query.limit = 1
                query.order = order
                var names: [String] = []
                repeat {
                    let page = try await catalogue.search(collections: query)
                    names += page.collections.map(\.name)
                    query.token = page.next
                } while query.token != nil && names.count < 5
                #expect(names == (order.fields.isEmpty ? ["alps", "eo", "sea"] : ["alps", "sea", "eo"]))
            }
        }
    }
}
