import Catalogue
import HTTPSupport
import NIOHTTP1
import Wire

extension STACService {
    /// What this face conforms to. Clients compare these as text.
    static let conformsTo =
        [
            "https://api.stacspec.org/v1.0.0/core",
            "https://api.stacspec.org/v1.0.0/collections",
            "https://api.stacspec.org/v1.0.0/ogcapi-features",
            "https://api.stacspec.org/v1.0.0/item-search",
            "https://api.stacspec.org/v1.0.0/browseable",
            "https://api.stacspec.org/v1.0.0/children",
            "https://api.stacspec.org/v1.0.0/children#type-filter",
            "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
            "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
            "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
        ]
        + ["fields", "sort", "query", "filter"].map { "https://api.stacspec.org/v1.0.0/item-search#\($0)" }
        + ["fields", "sort", "query"].map { "https://api.stacspec.org/v1.0.0/ogcapi-features#\($0)" }
        // Newer names of the same. Clients match one or the other, so both are there.
        + ["item-search#sort", "item-search#sortables", "ogcapi-features#sort", "ogcapi-features#sortables"]
        .map { "https://api.stacspec.org/v1.1.0/\($0)" }
        + ["item-search", "ogcapi-features"].flatMap { search in
            ["free-text", "advanced-free-text"].map { "https://api.stacspec.org/v1.0.0-rc.1/\(search)#\($0)" }
        }
        + ["", "#free-text", "#advanced-free-text", "#query", "#filter", "#sort", "#fields"]
        .map { "https://api.stacspec.org/v1.0.0-rc.1/collection-search\($0)" }
        + [
            "https://api.stacspec.org/v1.1.0/collection-search#sort",
            "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/simple-query",
        ]
        + ["", "#query", "#filter"].map { "https://api.stacspec.org/v0.3.0/aggregation\($0)" }
        + ["ogcapi-features", "collections"].map { "https://api.stacspec.org/v1.0.0/\($0)/extensions/transaction" }
        + [
            "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
            "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/features-filter",
            "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables",
            "http://www.opengis.net/spec/ogcapi-features-5/1.0/conf/sortables",
        ]
        + [
            "cql2-text", "cql2-json", "basic-cql2", "advanced-comparison-operators", "case-insensitive-comparison",
            "accent-insensitive-comparison", "basic-spatial-functions", "basic-spatial-functions-plus",
            "spatial-functions", "temporal-functions", "array-functions", "property-property", "functions",
            "arithmetic",
        ].map { "http://www.opengis.net/spec/cql2/1.0/conf/\($0)" }

    /// Collections that the landing page links to; `/collections` has them all.
    private static let childLinksMax = 100

    var conformance: Response {
        var json = JSONWriter()
        json.object { $0.member("conformsTo", Self.conformsTo) }
        return Response(.ok, type: MediaType.json, bytes: json.bytes)
    }

    /// `/`
    func landingPage(_ call: Call) async throws -> Response {
        let visible = try await visible(call)
        let address = call.address
        var links = [
            Link("self", address.landing, MediaType.json, title: title),
            Link("root", address.landing, MediaType.json, title: title),
            Link("conformance", address.base + "/conformance", MediaType.json, title: "What this API conforms to"),
            Link("service-desc", address.base + "/api", MediaType.openAPI, title: "The OpenAPI document of this API"),
            Link("service-doc", address.base + "/api?f=html", MediaType.html, title: "The same, to read"),
            Link("data", address.collections, MediaType.json, title: "Collections"),
            Link("children", address.base + "/children", MediaType.json, title: "Collections, as children"),
            Link("search", address.search, MediaType.geoJSON, title: "Item search", method: "GET"),
            Link("search", address.search, MediaType.geoJSON, title: "Item search", method: "POST"),
            Link("aggregations", address.base + "/aggregations", MediaType.json, title: "What can be counted"),
            Link("aggregate", address.base + "/aggregate", MediaType.json, title: "Counts of items"),
            Link(Relation.queryables, address.base + "/queryables", MediaType.schema, title: "What filters can name"),
            Link(
                Relation.sortables, address.base + "/sortables", MediaType.schema, title: "What items can be sorted by"),
            Link(Relation.functions, address.base + "/functions", MediaType.json, title: "Functions of filters"),
        ]
        for name in visible.names.prefix(Self.childLinksMax) {
            links.append(Link("child", address.collection(name), MediaType.json, title: name))
        }
        var json = JSONWriter(capacity: 4096)
        json.object { json in
            json.member("type", "Catalog")
            json.member("stac_version", "1.1.0")
            json.member("id", "martlet")
            json.member("title", title)
            json.member("description", "The catalogue of \(title).")
            json.member("conformsTo", Self.conformsTo)
            json.links(links)
        }
        return Response(.ok, type: MediaType.json, bytes: json.bytes)
    }
}
