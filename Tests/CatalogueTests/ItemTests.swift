import Catalogue
import Database
import Geometry
import Journal
import TestSupport
import Testing
import Wire

@Suite struct ItemTests {
    static let minimal = String(decoding: Sketch("a").json, as: UTF8.self)

    @Test(
        "an item that is none is refused with the member that is wrong",
        arguments: [
            ("[]", ""), ("{", ""), ("", ""), ("null", ""), (#"{"type":"Feature"}"#, "stac_version"),
            (minimal.replacing("Feature", with: "feature"), "type"),
            (minimal.replacing("1.1.0", with: "0.9.0"), "stac_version"),
            (minimal.replacing(#""id":"a""#, with: #""id":7"#), "id"),
            (minimal.replacing(#""id":"a""#, with: #""id":"""#), "id"),
            (minimal.replacing(#""id":"a""#, with: #""id":"a/b""#), "id"),
            (minimal.replacing(#""id":"a""#, with: #""id":"..""#), "id"),
            (minimal.replacing(#""id":"a""#, with: #""id":"\#(String(repeating: "x", count: 257))""#), "id"),
            (minimal.replacing(#""geometry":null,"#, with: ""), "geometry"),
            (minimal.replacing(#""geometry":null"#, with: #""geometry":{"type":"Point"}"#), "geometry"),
            (minimal.replacing(#""geometry":null"#, with: #""geometry":{"type":"Point","coordinates":[1,2]}"#), "bbox"),
            (minimal.replacing(#""geometry":null"#, with: #""geometry":null,"bbox":[1,2,3]"#), "bbox"),
            (minimal.replacing("1970-01-01T00:00:00Z", with: "yesterday"), "properties.datetime"),
            (minimal.replacing(#""1970-01-01T00:00:00Z""#, with: "null"), "properties.datetime"),
            (
                minimal.replacing(
                    #""1970-01-01T00:00:00Z""#, with: #"null,"start_datetime":"1970-01-01T00:00:00Z""#),
                "properties.end_datetime"
            ),
            (
                minimal.replacing(
                    #""1970-01-01T00:00:00Z""#,
                    with: #"null,"start_datetime":"1970-01-02T00:00:00Z","end_datetime":"1970-01-01T00:00:00Z""#),
                "properties.end_datetime"
            ),
            (minimal.replacing(#""assets":{}"#, with: #""assets":[]"#), "assets"),
            (minimal.replacing(#""assets":{}"#, with: #""assets":{"x":{}}"#), "assets.x"),
            (minimal.replacing(#""links":[]"#, with: #""links":[{"rel":"x"}]"#), "links[0]"),
            (minimal.replacing(#""links":[]"#, with: #""links":[],"links":[]"#), "links"),
        ])
    func refused(document: String, member: String) async throws {
        try await TestEngine.sqlite.withCatalogue { catalogue in
            let error = await failure {
                try await catalogue.put(item: Array(document.utf8), collection: "eo", by: "ada")
            }
            #expect(error?.code == .invalidItem)
            #expect(error?.member == member)
            #expect(error?.message.isEmpty == false)
            let ids = try await catalogue.ids()
            #expect(ids == [])
        }
    }

    @Test("a larger document than is taken is refused")
    func tooLarge() async throws {
        try await TestEngine.sqlite.withCatalogue { catalogue in
            let document = Sketch("a").json + Array(repeating: UInt8(ascii: " "), count: 10 << 20)
            #expect(
                await failure { try await catalogue.put(item: document, collection: "eo", by: "ada") }?.code
                    == .tooLarge)
        }
    }

    @Test("damaged documents are refused or stored, and never crash")
    func mutations() async throws {
        try await TestEngine.sqlite.withCatalogue { catalogue in
            var random = SeededGenerator(seed: 7)
            let source = Sketch("a", box: try box(1, 2, 3, 4)).json
            var taken = 0
            for _ in 0..<1500 {
                var document = source
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let at = Int.random(in: 0..<document.count, using: &random)
                    switch Int.random(in: 0..<3, using: &random) {
                    case 0: document[at] = UInt8.random(in: 0...255, using: &random)
                    case 1: document.remove(at: at)
                    default: document.insert(Array("{}[]\",:\\0".utf8).randomElement(using: &random) ?? 0, at: at)
                    }
                }
                do {
                    let item = try await catalogue.put(item: document, collection: "eo", by: "ada").item
                    taken += 1
                    #expect((try? JSONValue(parsing: item.document)) != nil)
                    var served: [UInt8] = []
                    item.write(to: &served, links: Array(#"{"rel":"self","href":"/"}"#.utf8))
                    #expect(try JSONValue(parsing: served)["links"]?.array?.first?["rel"] == "self")
                } catch let error as CatalogueError {
                    #expect(error.code == .invalidItem)
                }
            }
            #expect(taken > 0)
        }
    }

    @Test("a document is stored byte for byte, and served with further links")
    func bytes() async throws {
        try await TestEngine.sqlite.withCatalogue { catalogue in
            let text =
                "{\"type\":\"Feature\", \"stac_version\":\"1.0.0\",\n \"id\":\"a\u{e4}\\u0062\", \"geometry\": null,\"properties\":{\"datetime\":\"2020-01-01T00:00:00.5Z\",\"x\":1.10},\"assets\":{},\"links\" : [ {\"rel\":\"via\",\"href\":\"u\"} ],\"collection\":\"eo\" }"
            let stored = try await catalogue.put(item: Array(text.utf8), collection: "eo", by: "ada").item
            #expect(stored.document == Array(text.utf8))
            #expect(stored.id == "a\u{e4}b")
            let read = try await catalogue.item(collection: "eo", id: "a\u{e4}b")
            #expect(read.document == stored.document)
            var served: [UInt8] = []
            read.write(to: &served, links: Array("{\"rel\":\"self\",\"href\":\"s\"}".utf8))
            #expect(
                String(decoding: served, as: UTF8.self)
                    == text.replacing(
                        "[ {\"rel\":\"via\"", with: "[{\"rel\":\"self\",\"href\":\"s\"}, {\"rel\":\"via\""))
        }
    }

    @Test("another node's links go, a missing list of links comes, and the collection is set right")
    func normalised() async throws {
        try await TestEngine.sqlite.withCatalogue { catalogue in
            let text =
                #"{"type":"Feature","stac_version":"1.0.0","id":"a","geometry":null,"properties":{"datetime":"2020-01-01T00:00:00Z"},"assets":{},"collection":"other"}"#
            let first = try await catalogue.put(item: Array(text.utf8), collection: "eo", by: "ada").item
            #expect(
                String(decoding: first.document, as: UTF8.self)
                    == text.replacing(#""other"}"#, with: #""eo","links":[]}"#))
            let linked = text.replacing(
                #""assets""#,
                with:
                    #""links":[{"rel":"self","href":"x"},{"rel":"via","href":"y"},{"rel":"root","href":"z"}],"assets""#)
            let second = try await catalogue.put(item: Array(linked.utf8), collection: "eo", by: "ada").item
            let json = try JSONValue(parsing: second.document)
            #expect(json["collection"] == "eo")
            #expect(json["links"]?.array?.map { $0["rel"] } == ["via"])
            let bare = linked.replacing(#","collection":"other""#, with: "").replacing(
                #"{"rel":"via","href":"y"},"#, with: "")
            let third = try await catalogue.put(item: Array(bare.utf8), collection: "eo", by: "ada").item
            #expect(try JSONValue(parsing: third.document)["collection"] == "eo")
            var served: [UInt8] = []
            third.write(to: &served, links: Array("{}".utf8))
            #expect(try JSONValue(parsing: served)["links"] == [[:]])
        }
    }

    @Test("an item takes its predecessor's place; the same again changes nothing", arguments: TestEngine.allCases)
    func replaced(engine: TestEngine) async throws {
        try await engine.withCatalogue { catalogue in
            let near = Sketch("a", at: 10, box: try box(0, 0, 1, 1))
            let far = Sketch("a", at: 20, box: try box(50, 50, 51, 51))
            let first = try await catalogue.put(item: near.json, collection: "eo", by: "ada")
            #expect(first.isChanged)
            let again = try await catalogue.put(item: near.json, collection: "eo", by: "ada")
            #expect(!again.isChanged)
            #expect(again.item.tid == first.item.tid)
            let second = try await catalogue.put(item: far.json, collection: "eo", by: "ada")
            #expect(second.isChanged)
            #expect(second.item.tid > first.item.tid)
            #expect(try await catalogue.ids() == ["a"])
            #expect(try await catalogue.ids { $0.area = .box(try box(0, 0, 1, 1)) } == [])
            #expect(try await catalogue.ids { $0.area = .box(try box(50, 50, 51, 51)) } == ["a"])
            let kinds = try await catalogue.journal.events(of: "eo/a", limit: 10).map(\.kind)
            #expect(kinds == [.itemPut, .itemPut])
            #expect(try await catalogue.collection("eo").itemCount == 1)
        }
    }

    @Test("a product has one item, whatever its id; an id stands for one product", arguments: TestEngine.allCases)
    func products(engine: TestEngine) async throws {
        try await engine.withCatalogue { catalogue in
            try await catalogue.put(Sketch("a"), product: "p/")
            try await catalogue.put(Sketch("b"), product: "p/")
            #expect(try await catalogue.ids() == ["b"])
            #expect(try await catalogue.item(collection: "eo", product: "p/")?.id == "b")
            #expect(try await catalogue.item(collection: "eo", product: "q/") == nil)
            #expect(await failure { try await catalogue.put(Sketch("b"), product: "q/") }?.code == .idTaken)
            // By hand: the item goes on standing for its product.
            try await catalogue.put(Sketch("b", at: 5))
            #expect(try await catalogue.item(collection: "eo", product: "p/")?.id == "b")
            #expect(try await catalogue.remove(collection: "eo", product: "p/", by: "ada"))
            #expect(try await catalogue.remove(collection: "eo", product: "p/", by: "ada") == false)
            #expect(try await catalogue.ids() == [])
            #expect(try await catalogue.journal.events(of: "eo/b", limit: 10).first?.kind == .itemDeleted)
        }
    }

    @Test("what is not there is said to be missing", arguments: TestEngine.allCases)
    func missing(engine: TestEngine) async throws {
        try await engine.withCatalogue { catalogue in
            #expect(await failure { try await catalogue.put(Sketch("a", in: "no")) }?.code == .noSuchCollection)
            #expect(
                await failure { _ = try await catalogue.item(collection: "no", id: "a") }?.code == .noSuchCollection)
            #expect(await failure { _ = try await catalogue.item(collection: "eo", id: "a") }?.code == .noSuchItem)
            #expect(
                await failure { try await catalogue.remove(collection: "eo", id: "a", by: "ada") }?.code == .noSuchItem)
            #expect(await failure { _ = try await catalogue.collection("no") }?.code == .noSuchCollection)
        }
    }

    @Test("the items of a collection go with it, out of every index", arguments: TestEngine.allCases)
    func cascade(engine: TestEngine) async throws {
        try await engine.withCatalogue(["eo", "sar"]) { catalogue in
            try await catalogue.put(Sketch("a", box: try box(170, 0, -170, 1)))
            try await catalogue.put(Sketch("b", in: "sar", box: try box(170, 0, -170, 1)))
            try await catalogue.journal.database.write { try $0.run("DELETE FROM collections WHERE name = 'eo'") }
            let left = try await catalogue.journal.read { reader in
                try ["items", "item_documents", "item_areas", "catalogue_collections"].map { table in
                    try reader.scalar("SELECT count(*) FROM \(table)")
                }
            }
            #expect(left == [1, 1, 2, 1])
        }
    }

    @Test("concurrent puts into one collection are all counted", arguments: TestEngine.allCases)
    func concurrent(engine: TestEngine) async throws {
        try await engine.withCatalogue { catalogue in
            try await catalogue.put(all: (0..<200).map { Sketch("i\($0 % 100)", at: Int64($0)) })
            #expect(try await catalogue.collection("eo").itemCount == 100)
            #expect(try await Set(catalogue.ids(limit: 30)).count == 100)
        }
    }
}
