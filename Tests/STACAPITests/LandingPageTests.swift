import Catalogue
import HTTPSupport
import NIOHTTP1
import Testing
import Wire

@testable import STACAPI

@Suite struct LandingPageTests {
    @Test("the landing page leads to everything, under the name by which it was reached")
    func landing() async throws {
        try await Face.with { face in
            let page = try await face.get("/")
            #expect(page.status == 200)
            #expect(page.response.headers.first(name: "content-type") == "application/json")
            #expect(page.response.headers.first(name: "access-control-allow-origin") == "*")
            #expect(page.json["type"] == "Catalog")
            for (rel, href) in [
                ("root", "http://node:8080/stac/"), ("self", "http://node:8080/stac/"),
                ("data", "http://node:8080/stac/collections"),
                ("conformance", "http://node:8080/stac/conformance"), ("service-desc", "http://node:8080/stac/api"),
                ("search", "http://node:8080/stac/search"), ("child", "http://node:8080/stac/collections/eo"),
            ] { #expect(page.link(rel)?["href"]?.string == href) }
            #expect(
                page.json["links"]?.array?.filter { $0["rel"] == "search" }.compactMap { $0["method"]?.string } == [
                    "GET", "POST",
                ])
            #expect(page.json["links"]?.array?.filter { $0["rel"] == "child" }.count == 1)
            let conformance = try await face.get("/conformance")
            #expect(conformance.json["conformsTo"] == page.json["conformsTo"])
            #expect(try await face.get("", as: "ada").json["links"]?.array?.filter { $0["rel"] == "child" }.count == 2)
        }
    }

    @Test("every route of the OpenAPI document is answered, and every reference in it leads somewhere")
    func openAPI() async throws {
        try await Face.with { face in
            try await face.put("a")
            let document = try await face.get("/api")
            #expect(
                document.response.headers.first(name: "content-type") == "application/vnd.oai.openapi+json;version=3.0")
            let paths = try #require(document.json["paths"]?.object?.members)
            #expect(paths.count == 22)
            for path in paths where path.value["get"] != nil {
                let address = path.name.replacing("{collectionId}", with: "eo").replacing("{itemId}", with: "a")
                    .replacing("{spanId}", with: "1970")
                let answer = try await face.get(address)
                #expect(answer.status == 200, "\(path.name)")
                let types = path.value["get"]?["responses"]?["200"]?["content"]?.object?.members.map(\.name) ?? []
                // What comes by default stands first.
                #expect(types.first == answer.response.headers.first(name: "content-type"), "\(path.name)")
            }
            for part in document.text.split(separator: ##""$ref":"#/"##).dropFirst() {
                let pointer = part.prefix { $0 != "\"" }.split(separator: "/").map(String.init)
                let target = pointer.reduce(document.json as JSONValue?) { $0?[$1] }
                #expect(target != nil, "\(pointer)")
            }
        }
    }

    @Test(
        "what is not there or not allowed is said in both forms of error",
        arguments: [
            (.GET, "/nothing", 404), (.GET, "/collections/eo/else", 404), (.GET, "/collections/eo/items/none", 404),
            (.GET, "/collections/eo/items/a/b", 404), (.GET, "/collections/eo-none", 404), (.POST, "/collections", 400),
            (.DELETE, "/collections/eo/items/a", 404), (.DELETE, "/collections/secret", 401), (.PATCH, "/search", 405),
            (.PUT, "/search", 405), (.GET, "/search?bbox=%ZZ", 400),
        ] as [(HTTPMethod, String, UInt)])
    func errors(method: HTTPMethod, path: String, status: UInt) async throws {
        try await Face.with { face in
            let answer = try await face.send(method, path)
            #expect(answer.status == status)
            #expect(answer.response.headers.first(name: "content-type") == "application/problem+json")
            #expect(answer.json["code"]?.string?.isEmpty == false)
            #expect(answer.json["description"]?.string?.isEmpty == false)
            #expect(answer.json["detail"] == answer.json["description"])
        }
    }

    @Test("a browser's question before a search is answered")
    func preflight() async throws {
        try await Face.with { face in
            let answer = try await face.send(.OPTIONS, "/search")
            #expect(answer.status == 204)
            #expect(answer.response.headers.first(name: "access-control-allow-methods")?.contains("POST") == true)
        }
    }
}
