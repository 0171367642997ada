import Catalogue
import Geometry
import HTTPSupport
import NIOHTTP1
import Policy
import Wire

extension STACService {
    /// Collections on one page, unless asked otherwise.
    private static let pageLimit = 100
    private static let pageLimitMax = 1000

    /// `/collections`
    func collections(_ call: Call) async throws -> Response {
        let visible = try await visible(call)
        let limit = try call.query["limit"].map { try SearchParameters.limit(Int64($0), $0, max: Self.pageLimitMax) }
        var after = ""
        if let token = call.query["token"], !token.isEmpty {
            guard let name = Base64.decode(token).flatMap({ String(validating: $0, as: UTF8.self) }) else {
                throw Problem.badRequest("token: it is not one that a page gave; take it from a page's next link")
            }
            after = name
        }
        let (page, hasMore) = try await catalogue.collections(
            visible: visible, after: after, limit: limit ?? Self.pageLimit)
        var links = [
            Link("self", call.address.collections, MediaType.json), Link("root", call.address.landing, MediaType.json),
            Link("parent", call.address.landing, MediaType.json),
        ]
        if hasMore, let last = page.last {
            let query = QueryItems([
                ("limit", String(limit ?? Self.pageLimit)), ("token", Base64.encodeURL(Array(last.name.utf8))),
            ])
            links.append(Link("next", "\(call.address.collections)?\(query.encoded)", MediaType.json, method: "GET"))
        }
        var json = JSONWriter(capacity: 1024 * (page.count + 1))
        json.object { json in
            json.key("collections")
            json.array { json in for collection in page { write(collection, call.address, to: &json) } }
            json.links(links)
            json.member("numberMatched", visible.count)
            json.member("numberReturned", page.count)
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
                Link("self", url, MediaType.json).write(to: &json)
                Link("root", address.landing, MediaType.json).write(to: &json)
                Link("parent", address.landing, MediaType.json).write(to: &json)
                Link("items", url + "/items", MediaType.geoJSON).write(to: &json)
                Link(Relation.queryables, url + "/queryables", MediaType.schema).write(to: &json)
                Link(Relation.sortables, url + "/sortables", MediaType.schema).write(to: &json)
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
