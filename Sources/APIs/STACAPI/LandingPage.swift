import Catalogue
import HTTPSupport
import NIOHTTP1
import Wire

extension STACService {
    /// What this face conforms to. Clients compare these as text.
    static let conformsTo = [
        "https://api.stacspec.org/v1.0.0/core",
        "https://api.stacspec.org/v1.0.0/collections",
        "https://api.stacspec.org/v1.0.0/ogcapi-features",
        "https://api.stacspec.org/v1.0.0/item-search",
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    ]

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
            Link("self", address.landing, MediaType.json), Link("root", address.landing, MediaType.json),
            Link("conformance", address.base + "/conformance", MediaType.json, title: "What this API conforms to"),
            Link("service-desc", address.base + "/api", MediaType.openAPI, title: "The OpenAPI document of this API"),
            Link("data", address.collections, MediaType.json, title: "Collections"),
            Link("search", address.search, MediaType.geoJSON, title: "Item search", method: "GET"),
            Link("search", address.search, MediaType.geoJSON, title: "Item search", method: "POST"),
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
