import Catalogue
import HTTPSupport
import NIOHTTP1
import TestSupport
import Testing
import Wire

@testable import STACAPI

@Suite struct SearchRouteTests {
    @Test("an item is served with this node's links, and again only if it changed", arguments: TestEngine.allCases)
    func item(engine: TestEngine) async throws {
        try await Face.with(engine) { face in
            try await face.put("S2 \u{e4}")
            let address = "/collections/eo/items/S2%20%C3%A4"
            let item = try await face.get(address)
            #expect(item.status == 200)
            #expect(item.response.headers.first(name: "content-type") == "application/geo+json")
            #expect(item.link("self")?["href"]?.string == "http://node:8080/stac" + address)
            #expect(item.link("collection")?["href"] == "http://node:8080/stac/collections/eo")
            #expect(item.link("via")?["href"] == "https://example.org")
            #expect(
                Set(item.json["links"]?.array?.compactMap { $0["rel"]?.string } ?? []) == [
                    "self", "parent", "collection", "root", "via",
                ])
            let etag = try #require(item.response.headers.first(name: "etag"))
            let again = try await face.get(address, headers: ["If-None-Match": etag])
            #expect(again.status == 304)
            #expect(again.text.isEmpty)
            #expect(try await face.get(address, headers: ["If-Match": "\"0\""]).status == 412)
            try await face.put("S2 \u{e4}", at: 5)
            #expect(try await face.get(address, headers: ["If-None-Match": etag]).status == 200)
        }
    }

    @Test("links lead forwards and back through all pages, by GET and by POST", arguments: TestEngine.allCases)
    func pages(engine: TestEngine) async throws {
        try await Face.with(engine) { face in
            for index in 0..<23 { try await face.put("i\(index)", at: Int64(index)) }
            let expected = (0..<23).reversed().map { "i\($0)" }
            for start in [
                "/search?limit=5&bbox=0,0,9,9", "/collections/eo/items?limit=5&datetime=..%2F2020-01-01T00:00:00Z",
            ] {
                var pages = [try await face.get(start)]
                while let next = pages.last?.link("next")?["href"]?.string, pages.count < 20 {
                    pages.append(try await face.get(next))
                }
                #expect(pages.flatMap(\.ids) == expected)
                #expect(pages.map { $0.json["numberMatched"]?.integer } == Array(repeating: 23, count: 5))
                #expect(pages.map { $0.json["numberReturned"]?.integer } == [5, 5, 5, 5, 3])
                #expect(pages[0].link("prev") == nil)
                var back = try await face.get(try #require(pages.last?.link("prev")?["href"]?.string))
                #expect(back.ids == pages[3].ids)
                for index in [2, 1, 0] {
                    back = try await face.get(try #require(back.link("prev")?["href"]?.string))
                    #expect(back.ids == pages[index].ids)
                }
                #expect(back.link("prev") == nil)
            }
            var body: JSONValue = ["limit": 10, "collections": ["eo"]]
            var seen: [String] = []
            while seen.count < 100 {
                let page = try await face.post("/search", body.text)
                seen += page.ids
                guard let next = page.link("next") else { break }
                #expect(next["method"] == "POST")
                #expect(next["merge"] == true)
                guard var object = body.object else { break }
                object["token"] = next["body"]?["token"]
                body = .object(object)
            }
            #expect(seen == expected)
        }
    }

    @Test("GET and POST find the same")
    func conditions() async throws {
        try await Face.with { face in
            try await face.put("a", at: 0, west: 10, south: 10)
            try await face.put("b", at: 100, west: 170, south: -10)
            try await face.put("c", at: 200, west: -175, south: -10)
            let point = #"{"type":"Point","coordinates":[10.5,10.5]}"#
            for (query, body, expected) in [
                ("bbox=10,10,11,11", #"{"bbox":[10,10,11,11]}"#, ["a"]),
                ("bbox=10,10,0,11,11,99", #"{"bbox":[10,10,0,11,11,99]}"#, ["a"]),
                ("bbox=165,-20,-165,0", #"{"bbox":[165,-20,-165,0]}"#, ["c", "b"]),
                ("intersects=\(PercentEncoding.encode(point))", #"{"intersects":\#(point)}"#, ["a"]),
                ("datetime=1970-01-01T00:01:40Z", #"{"datetime":"1970-01-01T00:01:40Z"}"#, ["b"]),
                ("datetime=1970-01-01T00:01:40Z/..", #"{"datetime":"1970-01-01T00:01:40Z/.."}"#, ["c", "b"]),
                ("datetime=/1970-01-01T00:01:40%2B00:00", #"{"datetime":"/1970-01-01T00:01:40+00:00"}"#, ["b", "a"]),
                ("ids=a,c,x", #"{"ids":["a","c","x"]}"#, ["c", "a"]),
                ("collections=eo,none", #"{"collections":["eo","none"],"token":null}"#, ["c", "b", "a"]),
                ("collections=none", #"{"collections":["none"]}"#, []),
                ("limit=1", #"{"limit":1}"#, ["c"]),
                ("limit=100000", #"{"limit":100000}"#, ["c", "b", "a"]),
                ("bbox=&datetime=&ids=&collections=&token=", "{}", ["c", "b", "a"]),
            ] {
                #expect(try await face.get("/search?\(query)").ids == expected, "\(query)")
                #expect(try await face.post("/search", body).ids == expected, "\(body)")
            }
        }
    }

    @Test(
        "a parameter that cannot be meant is refused by its name",
        arguments: [
            "bbox=1,2,3", "bbox=1,2,3,4,5", "bbox=a,b,c,d", "bbox=nan,0,1,1", "bbox=0x1,0,1,1", "bbox=0,10,1,5",
            "bbox=-200,0,1,1",
            "bbox=0,0,9,1,1,2", "bbox=1,2,3,4,5,6,7,8,9,10", "bbox=inf,0,1,1", "datetime=yesterday", "datetime=/",
            "datetime=../..",
            "datetime=2020-01-01T00:00:00Z/2019-01-01T00:00:00Z", "datetime=2020-01-01",
            "datetime=2020-01-01T00:00:00Z/2020-01-02T00:00:00Z/2020-01-03T00:00:00Z", "limit=0", "limit=-1",
            "limit=x", "limit=99999999999999999999", "token=x", "token=next:AAAA", "intersects=x", "intersects={}",
            "intersects=[]",
            "sortby=a,b,c,d,e,f,g,h,i", "query=5", "query={\"a\":{\"zz\":1}}", "filter=a=", "filter-crs=x",
            "filter=a=1&filter-lang=sql", "filter={}&filter-lang=cql2-json", "q=(a", "crs=x", "limit=1&limit=2",
        ])
    func refused(query: String) async throws {
        try await Face.with { face in
            let answer = try await face.get("/search?\(query)")
            #expect(answer.status == 400)
            let name = query.prefix { $0 != "=" }
            #expect(answer.detail.hasPrefix(name), "\(answer.detail)")
        }
    }

    @Test(
        "a body that cannot be meant is refused by the member's name",
        arguments: [
            ("bbox", "7"), ("bbox", "[1,2,3]"), ("bbox", #"["1",2,3,4]"#), ("intersects", "7"),
            ("intersects", #"{"type":"Polygon","coordinates":[[[0,0],[1,1]]]}"#), ("datetime", "7"), ("ids", "{}"),
            ("ids", "[1]"),
            ("collections", "{}"), ("limit", #""5""#), ("limit", "0"), ("limit", "1.5"), ("token", "5"),
            ("token", #""x""#),
            ("sortby", "{}"), ("sortby", #"[{"field":5}]"#), ("sortby", #"[{"field":"a","direction":"up"}]"#),
            ("query", "5"), ("query", #"{"a":5}"#), ("query", #"{"a":{"eq":null}}"#), ("filter", "{}"),
            ("filter", #"{"op":"=","args":[{"property":"a"}]}"#), ("fields", "null"), ("fields", #"{"include":5}"#),
            ("q", "5"), ("filter-crs", #""EPSG:3857""#),
        ])
    func refusedBody(name: String, value: String) async throws {
        try await Face.with { face in
            let answer = try await face.post("/search", #"{"\#(name)":\#(value)}"#)
            #expect(answer.status == 400)
            #expect(answer.detail.hasPrefix(name), "\(answer.detail)")
        }
    }

    @Test("other bad bodies are refused, and other names are let be where the standard lets them")
    func bodies() async throws {
        try await Face.with { face in
            for body in ["", "[]", "{", "null", "7", String(repeating: "[", count: 5000)] {
                let answer = try await face.post("/search", body)
                #expect(answer.status == 400)
            }
            let both = #"{"bbox":[0,0,1,1],"intersects":{"type":"Point","coordinates":[0,0]}}"#
            #expect(try await face.post("/search", both).status == 400)
            #expect(
                try await face.post("/search", "{\"x\":\"\(String(repeating: "x", count: 2 << 20))\"}").status == 413)
            #expect(try await face.post("/search", #"{"nonsense":1,"filter":null}"#).status == 200)
            #expect(try await face.get("/search?nonsense=1").status == 200)
            // OGC API Features, part 1, requirement 24.
            #expect(try await face.get("/collections/eo/items?nonsense=1").status == 400)
            // pystac-client names the collection once more.
            #expect(try await face.get("/collections/eo/items?collections=eo").status == 200)
        }
    }

    @Test("random parameters are answered or refused, never with an error of the server")
    func fuzz() async throws {
        try await Face.with { face in
            for index in 0..<5 { try await face.put("i\(index)", at: Int64(index)) }
            let token = try #require(
                try await face.get("/search?limit=2").link("next")?["href"]?.string?.split(separator: "token=").last)
            let seeds = [
                "bbox=0,0,10,10", "bbox=-180,-90,180,90", "datetime=2020-01-01T00:00:00Z/..", "limit=3",
                "token=\(token)", "ids=i1,i2",
                "collections=eo", "intersects=%7B%22type%22%3A%22Point%22%2C%22coordinates%22%3A%5B0%2C0%5D%7D",
            ]
            var state: UInt64 = 11
            func number(_ count: Int) -> Int {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int(state >> 33) % count
            }
            for _ in 0..<600 {
                var query = Array(
                    (0..<(1 + number(3))).map { _ in seeds[number(seeds.count)] }.joined(separator: "&").utf8)
                for _ in 0..<number(4) {
                    let characters = Array("0123456789,./-+eE%&=:{}[]\"Zz".utf8)
                    query[number(query.count)] = characters[number(characters.count)]
                }
                let text = String(decoding: query, as: UTF8.self)
                for path in ["/search", "/collections/eo/items", "/collections"] {
                    let answer = try await face.get("\(path)?\(text)")
                    #expect([200, 400].contains(answer.status), "\(path)?\(text): \(answer.text.prefix(300))")
                }
            }
        }
    }
}
