import Catalogue
import HTTPSupport
import NIOHTTP1
import Wire

extension STACService {
    /// `/api`: the OpenAPI 3.0 document of this face.
    func openAPI(_ request: Request) -> Response {
        var json = JSONWriter(capacity: 16_384)
        json.object { json in
            json.member("openapi", "3.0.3")
            json.key("info")
            json.object {
                $0.member("title", "\(title): STAC API")
                $0.member("version", "1.0.0")
                $0.member("description", "Search for items and collections (STAC API 1.0.0 over OGC API Features).")
            }
            json.key("servers")
            json.array { $0.object { $0.member("url", request.origin + basePath) } }
            // Without a token the caller is nobody in particular, who may be allowed as well.
            json.member("security", .array([.object(JSONObject()), ["bearer": []]]))
            json.key("paths")
            json.object { json in for path in Self.paths { path.write(to: &json) } }
            json.key("components")
            json.raw(Self.components.utf8)
        }
        return Response(.ok, type: MediaType.openAPI, bytes: json.bytes)
    }

    /// What the document says of one route.
    private struct Path {
        var path: String
        var id: String
        var summary: String
        var parameters: [String] = []
        var schema: String
        var type = MediaType.json
        /// Error answers beside 401, 403 and 500.
        var errors: [String] = []
        var isOpen = false
        var takesBody = false

        func write(to json: inout JSONWriter) {
            json.key(path)
            json.object { json in
                json.key("get")
                operation(id, hasBody: false, to: &json)
                if takesBody {
                    json.key("post")
                    operation(id + "ByBody", hasBody: true, to: &json)
                }
            }
        }

        private func operation(_ id: String, hasBody: Bool, to json: inout JSONWriter) {
            json.object { json in
                json.member("operationId", id)
                json.member("summary", summary)
                if isOpen { json.member("security", .array([])) }
                if hasBody {
                    json.key("requestBody")
                    json.raw(
                        ##"{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/searchBody"}}}}"##
                            .utf8)
                } else if !parameters.isEmpty {
                    json.key("parameters")
                    json.array { json in
                        for name in parameters { json.object { $0.member("$ref", "#/components/parameters/\(name)") } }
                    }
                }
                json.key("responses")
                json.object { json in
                    json.key("200")
                    json.object { json in
                        json.member("description", summary)
                        json.member(
                            "content",
                            .object(
                                JSONObject([
                                    .init(
                                        name: type,
                                        value: ["schema": ["$ref": .string("#/components/schemas/\(schema)")]])
                                ])))
                    }
                    for code in errors + (isOpen ? [] : ["401", "403"]) + (hasBody ? ["413"] : []) + ["500"] {
                        if code == "304" {
                            json.member(code, ["description": "Not changed since the entity tag that was given."])
                        } else {
                            json.key(code)
                            json.object { $0.member("$ref", "#/components/responses/problem") }
                        }
                    }
                }
            }
        }
    }

    private static let paths = [
        Path(path: "/", id: "getLandingPage", summary: "The landing page", schema: "catalog", errors: ["400"]),
        Path(
            path: "/conformance", id: "getConformance", summary: "What this API conforms to", schema: "conformance",
            errors: ["400"], isOpen: true),
        Path(
            path: "/api", id: "getOpenAPI", summary: "This document", schema: "any", type: MediaType.openAPI,
            errors: ["400"],
            isOpen: true),
        Path(
            path: "/collections", id: "getCollections", summary: "Collections, in the order of their names",
            parameters: ["collectionsLimit", "token"], schema: "collections", errors: ["400"]),
        Path(
            path: "/collections/{collectionId}", id: "getCollection", summary: "One collection",
            parameters: ["collectionId"], schema: "collection", errors: ["400", "404"]),
        Path(
            path: "/collections/{collectionId}/items", id: "getItems",
            summary: "Items of one collection, the newest first",
            parameters: ["collectionId", "bbox", "intersects", "datetime", "ids", "collections", "limit", "token"],
            schema: "items", type: MediaType.geoJSON,
            errors: ["400", "404"]),
        Path(
            path: "/collections/{collectionId}/items/{itemId}", id: "getItem", summary: "One item",
            parameters: ["collectionId", "itemId"], schema: "item", type: MediaType.geoJSON,
            errors: ["304", "400", "404", "412"]),
        Path(
            path: "/search", id: "searchItems", summary: "Items that match, the newest first",
            parameters: ["bbox", "intersects", "datetime", "ids", "collections", "limit", "token"], schema: "items",
            type: MediaType.geoJSON, errors: ["400", "413"], takesBody: true),
    ]

    private static let components = ##"""
        {"securitySchemes":{"bearer":{"type":"http","scheme":"bearer","bearerFormat":"JWT"}},
        "parameters":{
        "collectionId":{"name":"collectionId","in":"path","required":true,"schema":{"type":"string","minLength":1}},
        "itemId":{"name":"itemId","in":"path","required":true,"schema":{"type":"string","minLength":1}},
        "bbox":{"name":"bbox","in":"query","style":"form","explode":false,"schema":{"$ref":"#/components/schemas/bbox"},
        "description":"west,south,east,north in degrees, or with the least and greatest height as third and sixth. West may be greater than east: the box crosses the antimeridian."},
        "intersects":{"name":"intersects","in":"query","description":"A GeoJSON geometry, as JSON; not together with bbox.",
        "content":{"application/json":{"schema":{"$ref":"#/components/schemas/geometry"}}}},
        "datetime":{"name":"datetime","in":"query","schema":{"type":"string"},
        "description":"An RFC 3339 date and time, or two with a slash between them, both included; one of them may be '..'."},
        "ids":{"name":"ids","in":"query","style":"form","explode":false,"schema":{"type":"array","maxItems":10000,"items":{"type":"string"}}},
        "collections":{"name":"collections","in":"query","style":"form","explode":false,"schema":{"type":"array","maxItems":1000,"items":{"type":"string"}}},
        "limit":{"name":"limit","in":"query","schema":{"type":"integer","minimum":1,"default":10},
        "description":"Items on a page; more than 10,000 count as 10,000. A page of large items ends earlier, and has a next link."},
        "collectionsLimit":{"name":"limit","in":"query","schema":{"type":"integer","minimum":1,"default":100},
        "description":"Collections on a page; more than 1,000 count as 1,000."},
        "token":{"name":"token","in":"query","schema":{"type":"string"},"description":"From the next or prev link of a page."}},
        "responses":{"problem":{"description":"What was wrong, and what would be right.",
        "content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/problem"}}}}},
        "schemas":{
        "any":{"type":"object"},
        "bbox":{"type":"array","minItems":4,"maxItems":6,"items":{"type":"number"}},
        "geometry":{"type":"object","required":["type"],"properties":{"type":{"type":"string",
        "enum":["Point","MultiPoint","LineString","MultiLineString","Polygon","MultiPolygon","GeometryCollection"]}}},
        "link":{"type":"object","required":["rel","href"],"properties":{"rel":{"type":"string"},"href":{"type":"string"},
        "type":{"type":"string"},"title":{"type":"string"},"method":{"type":"string"},"merge":{"type":"boolean"},"body":{"type":"object"}}},
        "links":{"type":"array","items":{"$ref":"#/components/schemas/link"}},
        "conformance":{"type":"object","required":["conformsTo"],"properties":{"conformsTo":{"type":"array","items":{"type":"string"}}}},
        "catalog":{"type":"object","required":["type","stac_version","id","description","links","conformsTo"],
        "properties":{"type":{"type":"string","enum":["Catalog"]},"stac_version":{"type":"string"},"id":{"type":"string"},
        "title":{"type":"string"},"description":{"type":"string"},"links":{"$ref":"#/components/schemas/links"},
        "conformsTo":{"type":"array","items":{"type":"string"}}}},
        "collection":{"type":"object","required":["type","stac_version","id","description","license","extent","links"],
        "properties":{"type":{"type":"string","enum":["Collection"]},"stac_version":{"type":"string"},"id":{"type":"string"},
        "description":{"type":"string"},"license":{"type":"string"},"extent":{"type":"object"},"links":{"$ref":"#/components/schemas/links"}}},
        "collections":{"type":"object","required":["collections","links"],
        "properties":{"collections":{"type":"array","items":{"$ref":"#/components/schemas/collection"}},
        "links":{"$ref":"#/components/schemas/links"},"numberMatched":{"type":"integer"},"numberReturned":{"type":"integer"}}},
        "item":{"type":"object","required":["type","stac_version","id","geometry","properties","links","assets","collection"],
        "properties":{"type":{"type":"string","enum":["Feature"]},"stac_version":{"type":"string"},"id":{"type":"string"},
        "collection":{"type":"string"},"bbox":{"$ref":"#/components/schemas/bbox"},
        "geometry":{"nullable":true,"type":"object"},"properties":{"type":"object"},"assets":{"type":"object"},
        "links":{"$ref":"#/components/schemas/links"}}},
        "items":{"type":"object","required":["type","features","links"],
        "properties":{"type":{"type":"string","enum":["FeatureCollection"]},
        "features":{"type":"array","items":{"$ref":"#/components/schemas/item"}},"links":{"$ref":"#/components/schemas/links"},
        "numberMatched":{"type":"integer"},"numberReturned":{"type":"integer"},
        "numberMatchedIsEstimate":{"type":"boolean","description":"There and true where numberMatched is an estimate."}}},
        "searchBody":{"type":"object","properties":{"bbox":{"$ref":"#/components/schemas/bbox"},
        "intersects":{"$ref":"#/components/schemas/geometry"},"datetime":{"type":"string"},
        "ids":{"type":"array","maxItems":10000,"items":{"type":"string"}},
        "collections":{"type":"array","maxItems":1000,"items":{"type":"string"}},
        "limit":{"type":"integer","minimum":1,"default":10},"token":{"type":"string"}}},
        "problem":{"type":"object","required":["status","code","detail","description"],
        "properties":{"type":{"type":"string"},"title":{"type":"string"},"status":{"type":"integer"},"code":{"type":"string"},
        "detail":{"type":"string"},"description":{"type":"string"}}}}}
        """##
}
