import CQL2
import Catalogue
import Geometry
import HTTPSupport
import NIOHTTP1
import Policy
import Wire

extension STACService {
    /// Collections on one page, unless asked otherwise.
    private static let pageLimit = 100

    /// `/collections` and `/children`, and `/collections-search` with the same parameters in a body.
    ///
    /// - Parameter member: what the list of collections is called.
    func collections(_ call: Call, as member: String = "collections") async throws -> Response {
        var search = SearchQuery(visible: try await visible(call))
        search.limit = Self.pageLimit
        let isPost = call.request.method == .POST
        let fields = try await parameters(of: call, into: &search)
        if let type = call.query["type"], member == "children", type != "Collection" {
            guard type == "Catalog" else { throw Problem.badRequest("type: it is Collection or Catalog") }
            search.visible = search.visible.filtered(to: Set<String>())
        }
        let page = try await catalogue.search(collections: CollectionQuery(search))
        let url = call.request.origin + call.request.rawPath
        var links = [
            Link("self", isPost || call.query.items.isEmpty ? url : "\(url)?\(call.query.encoded)", MediaType.json),
            Link("root", call.address.landing, MediaType.json), Link("parent", call.address.landing, MediaType.json),
        ]
        if let token = page.next {
            links.append(Link.page("next", url, MediaType.json, token, query: isPost ? nil : call.query))
        }
        var json = JSONWriter(capacity: 1024 * (page.collections.count + 1))
        json.object { json in
            json.key(member)
            json.array { json in
                for collection in page.collections { write(collection, call.address, fields: fields, to: &json) }
            }
            json.links(links)
            json.member("numberMatched", page.matched)
            json.member("numberReturned", page.collections.count)
        }
        return Response(.ok, type: MediaType.json, bytes: json.bytes)
    }

    /// `/collections/{c}`
    func collection(_ name: String, _ call: Call) async throws -> Response {
        try await require(call, "stac:GetCollection", on: ResourceName.stacCollection(name))
        guard !name.utf8.contains(0) else {
            throw Problem.notFound("there is no collection with a NUL character in its name")
        }
        let collection = try await collection(name, asOf: call.asOf)
        var json = JSONWriter(capacity: 2048)
        write(collection, call.address, to: &json)
        return Response(
            .ok, type: MediaType.json, bytes: json.bytes,
            headers: ["ETag": Self.entityTag(of: collection), "Cache-Control": "no-cache"])
    }

    /// What is said of a collection of which nobody has said anything.
    func ownDocument(of name: String) -> JSONValue {
        [
            "type": "Collection", "stac_version": "1.1.0", "id": .string(name),
            "description": .string("The collection \(name) of \(title)."), "license": "other",
        ]
    }

    /// A collection that was there as of a TID. What is said of it is what is known today.
    func collection(_ name: String, asOf: Int64?) async throws -> CatalogueCollection {
        let collection = try await catalogue.collection(name)
        // Its id is the TID that made it.
        if let asOf, collection.id > asOf {
            throw Problem.notFound("there was no collection '\(name.prefix(80))' as of TID \(asOf)")
        }
        return collection
    }

    /// Members that are always this node's own.
    private static let ownMembers: Set<String> = ["type", "id", "extent", "links"]
    /// Links of a stored Collection that hold only where it came from.
    private static let ownRelations: Set<String> = ["self", "root", "parent", "items", "item", "child", "collection"]

    /// A Collection, or the members of it that are asked for.
    private func write(
        _ collection: CatalogueCollection, _ address: Address, fields: FieldSelection?, to json: inout JSONWriter
    ) {
        guard let fields else {
            write(collection, address, to: &json)
            return
        }
        var whole = JSONWriter(capacity: 2048)
        write(collection, address, to: &whole)
        var bytes: [UInt8] = []
        fields.write(whole.bytes, to: &bytes)
        json.raw(bytes)
    }

    func write(_ collection: CatalogueCollection, _ address: Address, to json: inout JSONWriter) {
        let stored = (collection.document ?? ownDocument(of: collection.name)).object
        json.object { json in
            json.member("type", "Collection")
            json.member("id", collection.name)
            for member in stored?.members ?? [] where !Self.ownMembers.contains(member.name) {
                json.member(member.name, member.value)
            }
            json.key("extent")
            writeExtent(of: collection, to: &json)
            json.key("links")
            json.array { json in
                let url = address.collection(collection.name)
                let links = [
                    Link("self", url, MediaType.json, title: "This collection"),
                    Link("root", address.landing, MediaType.json, title: title),
                    Link("parent", address.landing, MediaType.json, title: title),
                    Link("items", url + "/items", MediaType.geoJSON, title: "Items"),
                    Link("child", url + "/browse", MediaType.json, title: "Items by time"),
                    Link(Relation.queryables, url + "/queryables", MediaType.schema, title: "What filters can name"),
                    Link(
                        Relation.sortables, url + "/sortables", MediaType.schema, title: "What items can be sorted by"),
                    Link("aggregations", url + "/aggregations", MediaType.json, title: "What can be counted"),
                    Link("aggregate", url + "/aggregate", MediaType.json, title: "Counts of items"),
                ]
                for link in links { link.write(to: &json) }
                for link in stored?["links"]?.array ?? [] where !Self.ownRelations.contains(link["rel"]?.string ?? "") {
                    json.value(link)
                }
            }
        }
    }

    /// What the items cover; while there are none, what the stored Collection says, or everything.
    private func writeExtent(of collection: CatalogueCollection, to json: inout JSONWriter) {
        let stored = collection.document?["extent"]
        json.object { json in
            json.key("spatial")
            if collection.area == nil, let spatial = stored?["spatial"], spatial.object != nil {
                json.value(spatial)
            } else {
                json.object { json in
                    json.key("bbox")
                    json.array { json in
                        if let area = collection.area {
                            area.write(to: &json)
                        } else {
                            json.value([-180, -90, 180, 90])
                        }
                    }
                }
            }
            json.key("temporal")
            if collection.times == nil, let temporal = stored?["temporal"], temporal.object != nil {
                json.value(temporal)
            } else {
                let ends: [JSONValue] = [collection.times?.lowerBound, collection.times?.upperBound]
                    .map { $0.map { .string($0.rfc3339) } ?? .null }
                json.object { $0.member("interval", .array([.array(ends)])) }
            }
        }
    }
}

extension CollectionQuery {
    /// What of a search concerns collections.
    fileprivate init(_ search: SearchQuery) {
        self.init(visible: search.visible)
        ids = search.ids + search.collections
        (area, interval, filter, words) = (search.area, search.interval, search.filter, search.words)
        (order, limit, token) = (search.order, search.limit, search.token)
    }
}
