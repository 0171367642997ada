import Catalogue
import Geometry
import Journal
import TestSupport
import Testing
import Wire

@Suite struct CollectionTests {
    @Test("the extent grows with the items, and goes with the last one", arguments: TestEngine.allCases)
    func extent(engine: TestEngine) async throws {
        try await engine.withCatalogue { catalogue in
            #expect(try await catalogue.collection("eo").area == nil)
            try await catalogue.put(Sketch("a", at: 100, box: try box(1, 2, 3, 4)))
            try await catalogue.put(Sketch("b", at: nil, from: 50, to: 400, geometry: nil))
            try await catalogue.put(Sketch("c", at: 200, box: try box(-5, -6, 0, 0)))
            let collection = try await catalogue.collection("eo")
            #expect(collection.area == (try box(-5, -6, 3, 4)))
            #expect(collection.times == Timestamp(seconds: 50)...Timestamp(seconds: 400))
            #expect(collection.itemCount == 3)
            for id in ["a", "b", "c"] { try await catalogue.remove(collection: "eo", id: id, by: "ada") }
            let empty = try await catalogue.collection("eo")
            #expect(empty.area == nil)
            #expect(empty.times == nil)
            #expect(empty.itemCount == 0)
        }
    }

    @Test("items on both sides of the antimeridian have an extent across it", arguments: TestEngine.allCases)
    func antimeridian(engine: TestEngine) async throws {
        try await engine.withCatalogue { catalogue in
            try await catalogue.put(Sketch("a", box: try box(175, -20, 178, -18)))
            try await catalogue.put(Sketch("b", box: try box(-178, -20, -177, -10)))
            try await catalogue.put(Sketch("c", box: try box(179, -15, -179.5, -14)))
            #expect(try await catalogue.collection("eo").area == (try box(175, -20, -177, -10)))
            try await catalogue.put(Sketch("d", box: try box(-1, 0, 1, 1)))
            #expect(try await catalogue.collection("eo").area == (try box(-180, -20, 180, 1)))
        }
    }

    @Test("a collection's document is kept beside what is counted", arguments: TestEngine.allCases)
    func described(engine: TestEngine) async throws {
        try await engine.withCatalogue { catalogue in
            try await catalogue.put(Sketch("a"))
            let document =
                #"{"type":"Collection","stac_version":"1.0.0","id":"eo","description":"d","license":"CC0-1.0","extent":{},"links":[]}"#
            try await catalogue.putCollection(Array(document.utf8), name: "eo", by: "ada")
            let collection = try await catalogue.collection("eo")
            #expect(collection.document?["description"] == "d")
            #expect(collection.itemCount == 1)
            #expect(try await catalogue.journal.events(of: "eo", limit: 1).first?.kind == .collectionDescribed)
            let error = await failure { try await catalogue.putCollection(Array(document.utf8), name: "no", by: "ada") }
            #expect(error?.code == .noSuchCollection)
        }
    }

    @Test(
        "a collection's document that is none is refused with the member that is wrong",
        arguments: [
            ("[]", ""), ("{", ""), ("{}", "type"), (#"{"type":"Collection"}"#, "stac_version"),
            (#"{"type":"Collection","stac_version":"1.0.0"}"#, "description"),
            (#"{"type":"Collection","stac_version":"1.0.0","description":"d","license":""}"#, "license"),
            (
                #"{"type":"Collection","stac_version":"1.0.0","description":"d","license":"x","keywords":[1]}"#,
                "keywords"
            ),
            (
                #"{"type":"Collection","stac_version":"1.0.0","description":"d","license":"x","providers":[{}]}"#,
                "providers"
            ),
            (#"{"type":"Collection","stac_version":"1.0.0","description":"d","license":"x","links":{}}"#, "links"),
            (#"{"type":"Collection","stac_version":"1.0.0","description":"d","license":"x","assets":[]}"#, "assets"),
        ])
    func refused(document: String, member: String) async throws {
        try await TestEngine.sqlite.withCatalogue { catalogue in
            let error = await failure { try await catalogue.putCollection(Array(document.utf8), name: "eo", by: "ada") }
            #expect(error?.code == .invalidCollection)
            #expect(error?.member == member)
        }
    }

    @Test("collections come page by page in the order of their names", arguments: TestEngine.allCases)
    func paged(engine: TestEngine) async throws {
        let names = (0..<25).map { "c\($0)" }
        try await engine.withCatalogue(names) { catalogue in
            let directory = try await catalogue.directory().filtered(to: Set(names.filter { $0 != "c3" }))
            var seen: [String] = []
            while true {
                let (page, hasMore) = try await catalogue.collections(
                    visible: directory, after: seen.last ?? "", limit: 7)
                seen += page.map(\.name)
                #expect(hasMore == (seen.count < 24))
                if !hasMore { break }
            }
            #expect(seen == names.filter { $0 != "c3" }.sorted())
        }
    }
}
