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
        /// Whether there is a GET.
        var isRead = true
        /// The schema of the body of a POST that asks the same; nil for none.
        var body: String?
        var changes: [Change] = []

        func write(to json: inout JSONWriter) {
            json.key(path)
            json.object { json in
                if isRead {
                    json.key("get")
                    operation(id, body: nil, to: &json)
                }
                if let body {
                    json.key("post")
                    operation(id + "ByBody", body: body, to: &json)
                }
                for change in changes { change.write(parameters: parameters.filter { $0.hasSuffix("Id") }, to: &json) }
            }
        }

        private func operation(_ id: String, body: String?, to json: inout JSONWriter) {
            json.object { json in
                json.member("operationId", id)
                json.member("summary", summary)
                if isOpen { json.member("security", .array([])) }
                if let body {
                    json.key("requestBody")
                    json.raw(
                        ##"{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/\##(body)"}}}}"##
                            .utf8)
                }
                let parameters = body == nil ? parameters : parameters.filter { $0.hasSuffix("Id") }
                if !parameters.isEmpty {
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
                                JSONObject(
                                    [
                                        .init(
                                            name: type,
                                            value: ["schema": ["$ref": .string("#/components/schemas/\(schema)")]])
                                    ]
                                        + (schema == "items" ? [MediaType.lines] : []).map {
                                            .init(name: $0, value: ["schema": ["type": "string"]])
                                        })))
                    }
                    for code in errors + (isOpen ? [] : ["401", "403"]) + (body == nil ? [] : ["413"]) + ["500"] {
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

    /// What the document says of one way to change what is at a route.
    private struct Change {
        var method: String
        var id: String
        var summary: String
        /// The schema of the body, and its media types; nil for none.
        var body: String?
        var types = [MediaType.json]
        var success = "204"
        var result: String?
        var errors: [String] = []
        var isConditional = true

        func write(parameters: [String], to json: inout JSONWriter) {
            json.key(method)
            json.object { json in
                json.member("operationId", id)
                json.member("summary", summary)
                json.key("parameters")
                json.array { json in
                    for name in parameters + (isConditional ? ["ifMatch"] : []) {
                        json.object { $0.member("$ref", "#/components/parameters/\(name)") }
                    }
                }
                if let body {
                    json.key("requestBody")
                    json.object { json in
                        json.member("required", true)
                        json.key("content")
                        json.object { json in
                            for type in types {
                                let schema = type.contains("json-patch") ? "jsonPatch" : body
                                json.member(type, ["schema": ["$ref": .string("#/components/schemas/\(schema)")]])
                            }
                        }
                    }
                }
                json.key("responses")
                json.object { json in
                    json.key(success)
                    json.object { json in
                        json.member("description", summary)
                        if let result {
                            json.member(
                                "content",
                                [
                                    (result == "item" ? MediaType.geoJSON : MediaType.json): [
                                        "schema": ["$ref": .string("#/components/schemas/\(result)")]
                                    ]
                                ])
                        }
                    }
                    for code in errors + ["400", "401", "403"] + (isConditional ? ["412"] : []) + ["413", "500"] {
                        json.key(code)
                        json.object { $0.member("$ref", "#/components/responses/problem") }
                    }
                }
            }
        }

        static let patches = [MediaType.json, "application/merge-patch+json", "application/json-patch+json"]
    }

    private static let searchParameters = [
        "bbox", "intersects", "datetime", "ids", "collections", "limit", "token", "filter", "filterLang", "filterCRS",
        "sortby", "fields", "q", "query",
    ]

    private static let collectionParameters = [
        "bbox", "intersects", "datetime", "ids", "collectionsLimit", "token", "filter", "filterLang", "filterCRS",
        "sortby", "fields", "q", "query",
    ]

    private static let aggregationParameters =
        ["aggregations", "interval", "centroidGeohash", "geometryGeohash", "centroidGeotile", "geometryGeotile"]
        + searchParameters.filter { !["limit", "token", "sortby", "fields"].contains($0) }

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
            parameters: collectionParameters, schema: "collections", errors: ["400", "413"],
            changes: [
                Change(
                    method: "post", id: "createCollection", summary: "Make a collection", body: "newCollection",
                    success: "201", result: "collection", errors: ["409"], isConditional: false)
            ]),
        Path(
            path: "/collections-search", id: "searchCollections", summary: "Collections that match",
            parameters: collectionParameters, schema: "collections", errors: ["400", "413"], body: "searchBody"),
        Path(
            path: "/children", id: "getChildren", summary: "Collections, as children of the landing page",
            parameters: ["childType", "collectionsLimit", "token"], schema: "children", errors: ["400"]),
        Path(
            path: "/collections/{collectionId}", id: "getCollection", summary: "One collection",
            parameters: ["collectionId"], schema: "collection", errors: ["400", "404"],
            changes: [
                Change(
                    method: "put", id: "replaceCollection", summary: "Describe a collection anew",
                    body: "newCollection", errors: ["404"]),
                Change(
                    method: "patch", id: "patchCollection", summary: "Change the description of a collection",
                    body: "any", types: Change.patches, errors: ["404", "409"]),
                Change(
                    method: "delete", id: "deleteCollection", summary: "Remove a collection without objects",
                    errors: ["404", "409"]),
            ]),
        Path(
            path: "/collections/{collectionId}/items", id: "getItems",
            summary: "Items of one collection, the newest first",
            parameters: ["collectionId"] + searchParameters,
            schema: "items", type: MediaType.geoJSON,
            errors: ["400", "404"],
            changes: [
                Change(
                    method: "post", id: "createItems", summary: "Put a new item, or several as a FeatureCollection",
                    body: "newItem", types: [MediaType.geoJSON, MediaType.json], success: "201", result: "any",
                    errors: ["404", "409"], isConditional: false)
            ]),
        Path(
            path: "/collections/{collectionId}/bulk_items", id: "bulk", summary: "Many items as one change",
            parameters: ["collectionId"], schema: "any", isRead: false,
            changes: [
                Change(
                    method: "post", id: "putItems",
                    summary: "Put many items, all or none; also an item a line (application/x-ndjson)",
                    body: "bulkItems",
                    success: "200", result: "text", errors: ["404", "409"], isConditional: false)
            ]),
        Path(
            path: "/collections/{collectionId}/items/{itemId}", id: "getItem", summary: "One item",
            parameters: ["collectionId", "itemId"], schema: "item", type: MediaType.geoJSON,
            errors: ["304", "400", "404", "412"],
            changes: [
                Change(
                    method: "put", id: "replaceItem", summary: "Replace an item", body: "newItem",
                    types: [MediaType.geoJSON, MediaType.json], errors: ["404"]),
                Change(
                    method: "patch", id: "patchItem", summary: "Change an item", body: "any", types: Change.patches,
                    errors: ["404", "409"]),
                Change(method: "delete", id: "deleteItem", summary: "Remove an item", errors: ["404"]),
            ]),
        Path(
            path: "/search", id: "searchItems", summary: "Items that match, the newest first",
            parameters: searchParameters, schema: "items",
            type: MediaType.geoJSON, errors: ["400", "413"], body: "searchBody"),
        Path(
            path: "/aggregations", id: "getAggregations", summary: "What can be counted", schema: "aggregations",
            errors: ["400"]),
        Path(
            path: "/aggregate", id: "aggregate", summary: "Counts of the items that match",
            parameters: aggregationParameters, schema: "aggregations", errors: ["400", "413"], body: "aggregationBody"),
        Path(
            path: "/collections/{collectionId}/aggregations", id: "getCollectionAggregations",
            summary: "What can be counted in one collection", parameters: ["collectionId"], schema: "aggregations",
            errors: ["400", "404"]),
        Path(
            path: "/collections/{collectionId}/aggregate", id: "aggregateCollection",
            summary: "Counts of one collection's items", parameters: ["collectionId"] + aggregationParameters,
            schema: "aggregations", errors: ["400", "404", "413"], body: "aggregationBody"),
        Path(
            path: "/collections/{collectionId}/browse", id: "browse", summary: "Items of one collection, by links",
            parameters: ["collectionId", "token"], schema: "node", errors: ["400", "404"]),
        Path(
            path: "/collections/{collectionId}/browse/{spanId}", id: "browseSpan",
            summary: "Items of one collection and span of time, by links",
            parameters: ["collectionId", "spanId", "token"], schema: "node", errors: ["400", "404"]),
        Path(
            path: "/queryables", id: "getQueryables", summary: "What filters can name", schema: "any",
            type: MediaType.schema, errors: ["400"]),
        Path(
            path: "/sortables", id: "getSortables", summary: "What items can be sorted by", schema: "any",
            type: MediaType.schema, errors: ["400"]),
        Path(
            path: "/collections/{collectionId}/queryables", id: "getCollectionQueryables",
            summary: "What filters of one collection's items can name", parameters: ["collectionId"], schema: "any",
            type: MediaType.schema, errors: ["400", "404"]),
        Path(
            path: "/collections/{collectionId}/sortables", id: "getCollectionSortables",
            summary: "What one collection's items can be sorted by", parameters: ["collectionId"], schema: "any",
            type: MediaType.schema, errors: ["400", "404"]),
        Path(
            path: "/functions", id: "getFunctions", summary: "Functions of filters", schema: "any", errors: ["400"],
            isOpen: true),
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
        "filter":{"name":"filter","in":"query","schema":{"type":"string"},"description":"A condition in CQL2."},
        "filterLang":{"name":"filter-lang","in":"query","schema":{"type":"string","enum":["cql2-text","cql2-json"],"default":"cql2-text"}},
        "filterCRS":{"name":"filter-crs","in":"query","schema":{"type":"string","enum":["http://www.opengis.net/def/crs/OGC/1.3/CRS84"]}},
        "sortby":{"name":"sortby","in":"query","style":"form","explode":false,"schema":{"type":"array","maxItems":8,"items":{"type":"string","minLength":1}},
        "description":"Names of properties, each with + (the least first, also without a sign) or - before it."},
        "fields":{"name":"fields","in":"query","style":"form","explode":false,"schema":{"type":"array","items":{"type":"string"}},
        "description":"Members of items that are wanted, or with - before them not."},
        "q":{"name":"q","in":"query","schema":{"type":"string"},"description":"Words in the texts of items."},
        "query":{"name":"query","in":"query","description":"Conditions in the older form.","content":{"application/json":{"schema":{"type":"object"}}}},
        "ifMatch":{"name":"If-Match","in":"header","schema":{"type":"string"},"description":"The entity tag that what is changed has to have."},
        "childType":{"name":"type","in":"query","schema":{"type":"string","enum":["Catalog","Collection"]}},
        "spanId":{"name":"spanId","in":"path","required":true,"schema":{"type":"string","minLength":1},
        "description":"A year, month, day, hour, minute or second: the beginning of an RFC 3339 moment."},
        "aggregations":{"name":"aggregations","in":"query","style":"form","explode":false,
        "schema":{"type":"array","maxItems":20,"items":{"type":"string","minLength":1}},
        "description":"What is counted: see /aggregations. By default the number of items, and their first and last time."},
        "interval":{"name":"datetime_frequency_interval","in":"query","schema":{"type":"string","enum":["hour","day","week","month","quarter","year"]}},
        "centroidGeohash":{"name":"centroid_geohash_grid_frequency_precision","in":"query","schema":{"type":"integer","minimum":1,"maximum":12}},
        "geometryGeohash":{"name":"geometry_geohash_grid_frequency_precision","in":"query","schema":{"type":"integer","minimum":1,"maximum":12}},
        "centroidGeotile":{"name":"centroid_geotile_grid_frequency_precision","in":"query","schema":{"type":"integer","minimum":0,"maximum":29}},
        "geometryGeotile":{"name":"geometry_geotile_grid_frequency_precision","in":"query","schema":{"type":"integer","minimum":0,"maximum":29}},
        "token":{"name":"token","in":"query","schema":{"type":"string"},"description":"From the next or prev link of a page."}},
        "responses":{"problem":{"description":"What was wrong, and what would be right.",
        "content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/problem"}}}}},
        "schemas":{
        "any":{"type":"object"},
        "text":{"type":"string"},
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
        "properties":{"collections":{"type":"array","description":"Collections, or what is asked for of them.","items":{"type":"object"}},
        "links":{"$ref":"#/components/schemas/links"},"numberMatched":{"type":"integer"},"numberReturned":{"type":"integer"}}},
        "children":{"type":"object","required":["children","links"],
        "properties":{"children":{"type":"array","items":{"type":"object"}},
        "links":{"$ref":"#/components/schemas/links"}}},
        "node":{"type":"object","required":["type","stac_version","id","description","links"],
        "properties":{"type":{"type":"string","enum":["Catalog"]},"stac_version":{"type":"string"},"id":{"type":"string"},
        "description":{"type":"string"},"links":{"$ref":"#/components/schemas/links"}}},
        "aggregations":{"type":"object","required":["type","aggregations","links"],
        "properties":{"type":{"type":"string","enum":["AggregationCollection"]},"links":{"$ref":"#/components/schemas/links"},
        "aggregations":{"type":"array","items":{"type":"object","required":["name","data_type"],"properties":{"name":{"type":"string"},
        "data_type":{"type":"string"},"frequency_distribution_data_type":{"type":"string"},"overflow":{"type":"integer"},
        "buckets":{"type":"array","items":{"type":"object","required":["key","data_type","frequency"],
        "properties":{"data_type":{"type":"string"},"frequency":{"type":"integer"},"from":{"type":"number"},"to":{"type":"number"}}}}}}}}},
        "item":{"type":"object","required":["type","stac_version","id","geometry","properties","links","assets","collection"],
        "properties":{"type":{"type":"string","enum":["Feature"]},"stac_version":{"type":"string"},"id":{"type":"string"},
        "collection":{"type":"string"},"bbox":{"$ref":"#/components/schemas/bbox"},
        "geometry":{"nullable":true,"type":"object"},"properties":{"type":"object"},"assets":{"type":"object"},
        "links":{"$ref":"#/components/schemas/links"}}},
        "items":{"type":"object","required":["type","features","links"],
        "properties":{"type":{"type":"string","enum":["FeatureCollection"]},
        "features":{"type":"array","description":"Items, or what is asked for of them.","items":{"type":"object"}},"links":{"$ref":"#/components/schemas/links"},
        "numberMatched":{"type":"integer"},"numberReturned":{"type":"integer"},
        "numberMatchedIsEstimate":{"type":"boolean","description":"There and true where numberMatched is an estimate."}}},
        "texts":{"oneOf":[{"type":"string"},{"type":"array","maxItems":1000,"items":{"type":"string"}}]},
        "searchBody":{"type":"object","properties":{"bbox":{"$ref":"#/components/schemas/bbox"},
        "intersects":{"$ref":"#/components/schemas/geometry"},"datetime":{"type":"string"},
        "ids":{"$ref":"#/components/schemas/texts"},"collections":{"$ref":"#/components/schemas/texts"},
        "limit":{"type":"integer","minimum":1,"default":10},"token":{"type":"string"},
        "filter":{"description":"A condition in CQL2, as text or JSON."},"filter-lang":{"type":"string","enum":["cql2-text","cql2-json"]},
        "filter-crs":{"type":"string","enum":["http://www.opengis.net/def/crs/OGC/1.3/CRS84"]},
        "sortby":{"type":"array","maxItems":8,"items":{"type":"object","required":["field"],"properties":{"field":{"type":"string","minLength":1},
        "direction":{"type":"string","enum":["asc","desc"]}}}},
        "fields":{"type":"object","properties":{"include":{"type":"array","items":{"type":"string"}},"exclude":{"type":"array","items":{"type":"string"}}}},
        "q":{"$ref":"#/components/schemas/texts"},"query":{"type":"object"}}},
        "aggregationBody":{"allOf":[{"$ref":"#/components/schemas/searchBody"},{"type":"object",
        "properties":{"aggregations":{"type":"array","maxItems":20,"items":{"type":"string","minLength":1}},
        "datetime_frequency_interval":{"type":"string","enum":["hour","day","week","month","quarter","year"]},
        "centroid_geohash_grid_frequency_precision":{"type":"integer","minimum":1,"maximum":12},
        "geometry_geohash_grid_frequency_precision":{"type":"integer","minimum":1,"maximum":12},
        "centroid_geotile_grid_frequency_precision":{"type":"integer","minimum":0,"maximum":29},
        "geometry_geotile_grid_frequency_precision":{"type":"integer","minimum":0,"maximum":29}}}]},
        "bulkItems":{"type":"object","required":["items"],"properties":{"method":{"type":"string","enum":["insert","upsert"],"default":"insert"},
        "items":{"type":"object","description":"Items by their ids."}}},
        "newItem":{"type":"object","required":["type"],"properties":{"type":{"type":"string","enum":["Feature","FeatureCollection"]}}},
        "newCollection":{"type":"object","required":["type","stac_version","id","description","license"],
        "properties":{"type":{"type":"string","enum":["Collection"]},"stac_version":{"type":"string","pattern":"^1\\."},"id":{"type":"string"},
        "description":{"type":"string","minLength":1},"license":{"type":"string","minLength":1}}},
        "jsonPatch":{"type":"array","items":{"type":"object","required":["op","path"],
        "properties":{"op":{"type":"string","enum":["add","remove","replace","move","copy","test"]},"path":{"type":"string"},"from":{"type":"string"}}}},
        "problem":{"type":"object","required":["status","code","detail","description"],
        "properties":{"type":{"type":"string"},"title":{"type":"string"},"status":{"type":"integer"},"code":{"type":"string"},
        "detail":{"type":"string"},"description":{"type":"string"}}}}}
        """##
}
