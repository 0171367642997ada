import Catalogue
import Wire

/// Relations of links that have long names (OGC API Features, parts 3 and 5; PROV-AQ).
enum Relation {
    static let queryables = "http://www.opengis.net/def/rel/ogc/1.0/queryables"
    static let sortables = "http://www.opengis.net/def/rel/ogc/1.0/sortables"
    /// Where it is told how something came about (W3C PROV-AQ, §3.1).
    static let provenance = "http://www.w3.org/ns/prov#has_provenance"
    static let functions = "http://www.opengis.net/def/rel/ogc/1.0/functions"
}

/// Addresses of this face as the client reached it.
struct Address {
    /// Of the whole node.
    let origin: String
    /// Without a slash at its end.
    let base: String

    init(origin: String, basePath: String) {
        self.origin = origin
        base = origin + basePath
    }

    var landing: String { base + "/" }
    var search: String { base + "/search" }
    var collections: String { base + "/collections" }

    func collection(_ name: String) -> String { "\(base)/collections/\(PercentEncoding.encode(name))" }
    func items(_ collection: String) -> String { self.collection(collection) + "/items" }
    func item(_ collection: String, _ id: String) -> String { "\(items(collection))/\(PercentEncoding.encode(id))" }

    /// The traces of the product for which an item stands, which another face answers.
    func traces(_ collection: String, _ id: String) -> String {
        "\(origin)/traces/api/v1/traces/item/\(PercentEncoding.encode(collection))/\(PercentEncoding.encode(id))"
    }
}

/// A link object of STAC.
struct Link {
    var rel: String
    var href: String
    var type: String
    var title: String?
    var method: String?
    /// What a client adds to the body that it sent before.
    var token: String?

    init(
        _ rel: String, _ href: String, _ type: String, title: String? = nil, method: String? = nil, token: String? = nil
    ) {
        (self.rel, self.href, self.type) = (rel, href, type)
        (self.title, self.method, self.token) = (title, method, token)
    }

    /// The link to another page of what is at an address.
    ///
    /// - Parameter query: the query of the GET that gave this page; nil for a POST.
    static func page(_ rel: String, _ url: String, _ type: String, _ token: PageToken, query: QueryItems?) -> Link {
        guard let query else { return Link(rel, url, type, method: "POST", token: token.text) }
        let items = QueryItems(query.items.filter { $0.name != "token" } + [("token", token.text)])
        return Link(rel, "\(url)?\(items.encoded)", type, method: "GET")
    }

    func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("rel", rel)
            json.member("type", type)
            json.member("href", href)
            if let title { json.member("title", title) }
            if let method { json.member("method", method) }
            if let token {
                json.member("merge", true)
                json.key("body")
                json.object { $0.member("token", token) }
            }
        }
    }
}

extension JSONWriter {
    mutating func links(_ links: [Link]) {
        key("links")
        array { json in for link in links { link.write(to: &json) } }
    }
}
