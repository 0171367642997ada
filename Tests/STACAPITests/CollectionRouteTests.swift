import Catalogue
import HTTPSupport
import NIOHTTP1
import Policy
import TestSupport
import Testing
import Wire

@testable import STACAPI

@Suite struct CollectionRouteTests {
    @Test("a collection is described by its items, and by what was put", arguments: TestEngine.allCases)
    func described(engine: TestEngine) async throws {
        try await Face.with(engine) { face in
            let empty = try await face.get("/collections/eo").json
            #expect(
                empty["extent"] == [
                    "spatial": ["bbox": [[-180, -90, 180, 90]]], "temporal": ["interval": [[nil, nil]]],
                ])
            #expect(empty["license"] == "other")
            try await face.put("a", at: 10, west: 5, south: 6)
            try await face.put("b", at: 20, west: 7, south: 8)
            let stored = """
                {"type":"Collection","stac_version":"1.0.0","id":"else","title":"T","description":"D","license":"CC0-1.0",
                "extent":{"spatial":{"bbox":[[0,0,0,0]]},"temporal":{"interval":[[null,null]]}},"providers":[{"name":"P"}],
                "links":[{"rel":"license","href":"l"},{"rel":"self","href":"s"},{"rel":"item","href":"i"}]}
                """
            try await face.catalogue.putCollection(Array(stored.utf8), name: "eo", by: "test")
            let collection = try await face.get("/collections/eo").json
            #expect(collection["id"] == "eo")
            #expect(collection["stac_version"] == "1.0.0")
            #expect(collection["description"] == "D")
            #expect(collection["providers"] == [["name": "P"]])
            #expect(collection["extent"]?["spatial"] == ["bbox": [[5, 6, 8, 9]]])
            #expect(
                collection["extent"]?["temporal"] == ["interval": [["1970-01-01T00:00:10Z", "1970-01-01T00:00:20Z"]]])
            #expect(
                collection["links"]?.array?.compactMap { $0["rel"]?.string } == [
                    "self", "root", "parent", "items", "child", "http://www.opengis.net/def/rel/ogc/1.0/queryables",
                    "http://www.opengis.net/def/rel/ogc/1.0/sortables", "aggregations", "aggregate", "license",
                ])
        }
    }

    @Test("collections are paged")
    func paged() async throws {
        try await Face.with { face in
            for number in 10..<35 { try await face.make("eo-\(number)") }
            try await Task.sleep(for: .milliseconds(1100))
            var seen: [String] = []
            var address = "/collections?limit=7"
            while true {
                let page = try await face.get(address)
                #expect(page.json["numberMatched"] == 26)
                seen += page.json["collections"]?.array?.compactMap { $0["id"]?.string } ?? []
                guard let next = page.link("next")?["href"]?.string, seen.count < 100 else { break }
                address = next
            }
            #expect(seen == ["eo"] + (10..<35).map { "eo-\($0)" })
            for bad in ["limit=0", "limit=x", "token=%21"] {
                #expect(try await face.get("/collections?\(bad)").status == 400)
            }
        }
    }

    @Test("policy decides which collections there are, per collection")
    func visibility() async throws {
        try await Face.with { face in
            try await face.put("open")
            try await face.put("hidden", in: "secret")
            #expect(try await face.get("/search").ids == ["open"])
            #expect(try await face.get("/search?collections=secret").ids == [])
            #expect(try await face.get("/search?ids=hidden").ids == [])
            #expect(try await face.get("/search", as: "bob").ids == ["open"])
            #expect(try await face.get("/search", as: "ada").ids.sorted() == ["hidden", "open"])
            #expect(try await face.get("/collections").json["collections"]?.array?.count == 1)
            for path in ["/collections/secret", "/collections/secret/items", "/collections/secret/items/hidden"] {
                let anonymous = try await face.get(path)
                #expect(anonymous.status == 401)
                #expect(anonymous.response.headers.first(name: "www-authenticate")?.hasPrefix("Bearer") == true)
                #expect(try await face.get(path, as: "bob").status == 403)
                #expect(try await face.get(path, as: "ada").status == 200)
            }
            // Whether there is such a collection is not told to those who may not know.
            #expect(try await face.get("/collections/none", as: "bob").status == 403)
        }
    }

    @Test("where nobody may see anything, a nameless caller is asked who it is")
    func nobody() async throws {
        try await Face.with { face in
            try await face.policies.detach("everyone", from: .everyone, by: "test")
            for path in ["/", "/search", "/collections"] {
                let answer = try await face.get(path)
                #expect(answer.status == 401)
                #expect(answer.response.headers.contains(name: "www-authenticate"))
            }
            #expect(try await face.get("/conformance").status == 200)
            #expect(try await face.get("/search", as: "bob").status == 200)
            #expect(try await face.get("/search", headers: ["Authorization": "Bearer nonsense"]).status == 401)
        }
    }
}
