import CQL2
import Catalogue
import HTTPSupport
import IAMPolicy
import Identity
import Journal
import NIOHTTP1
import Policy
import Wire

extension STACService {
    /// Largest body of a search: an area or a filter of some 40,000 positions.
    static let bodyBytesMax = 1 << 20

    /// Reads what a search asks for: a POST's body, or the query.
    func parameters(of call: Call, into query: inout SearchQuery) async throws -> FieldSelection? {
        guard call.request.method == .POST else { return try SearchParameters.read(call.query, into: &query) }
        return try SearchParameters.read(
            try await call.request.json(upTo: Self.bodyBytesMax, maximumDepth: 4 * CQL2.depthMax), into: &query)
    }

    /// `/search`
    func search(_ call: Call) async throws -> Response {
        var query = SearchQuery(visible: try await visible(call))
        let isPost = call.request.method == .POST
        let fields = try await parameters(of: call, into: &query)
        catalogue.journal.note(
            AccessRecord(
                principal: call.caller.principal.name, action: "stac:Search",
                resource: ResourceName.stacCollection("*"),
                address: call.caller.context.address,
                reason: "Among what each collection's policy allows."))
        query.asOf = call.asOf
        let page = try await catalogue.search(query)
        return try features(page, fields, call, at: call.address.search, isPost: isPost, extra: [])
    }

    /// `/collections/{c}/items`
    func items(_ name: String, _ call: Call) async throws -> Response {
        var query = SearchQuery(visible: try await visibleItems(of: name, call))
        // Also what only a search has: pystac-client names the collection once more.
        let fields = try SearchParameters.read(call.query, refusesOthers: true, into: &query)
        query.asOf = call.asOf
        let page = try await catalogue.search(query)
        return try features(
            page, fields, call, at: call.address.items(name), isPost: false,
            extra: [Link("collection", call.address.collection(name), MediaType.json)])
    }

    /// `/collections/{c}/items/{i}`
    func item(_ collection: String, _ id: String, _ call: Call) async throws -> Response {
        try await require(call, "stac:GetItem", on: ResourceName.item(collection, id))
        guard !collection.utf8.contains(0), !id.utf8.contains(0) else {
            throw Problem.notFound("there is no item with a NUL character in its id")
        }
        let item = try await catalogue.item(collection: collection, id: id, asOf: call.asOf)
        let etag = String(item.tid)
        let headers: HTTPHeaders = ["ETag": "\"\(etag)\"", "Cache-Control": "no-cache"]
        switch Preconditions(call.request.headers).evaluate(etag: etag, modified: item.updated, isRead: true) {
        case .notModified: return Response(.notModified, headers: headers)
        case .failed(let header):
            throw Problem(.preconditionFailed, "precondition-failed", "\(header): the item's entity tag is \"\(etag)\"")
        case .proceed: break
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(item.document.count + 1024)
        item.write(to: &bytes, links: ownLinks(of: item, call.address))
        return Response(.ok, type: MediaType.geoJSON, bytes: bytes, headers: headers)
    }

    /// The links that an item has on this node.
    func ownLinks(of item: ItemRecord, _ address: Address) -> [UInt8] {
        let collection = address.collection(item.collection)
        var links = [
            Link("self", address.item(item.collection, item.id), MediaType.geoJSON),
            Link("parent", collection, MediaType.json), Link("collection", collection, MediaType.json),
            Link("root", address.landing, MediaType.json),
        ]
        if item.product != nil {
            links.append(
                Link(
                    Relation.provenance, address.traces(item.collection, item.id), MediaType.json,
                    title: "Traces of the product"))
        }
        var json = JSONWriter(capacity: 512)
        json.array { json in for link in links { link.write(to: &json) } }
        return Array(json.bytes.dropFirst().dropLast())
    }

    /// A page of items as a FeatureCollection.
    private func features(
        _ page: ItemPage, _ fields: FieldSelection?, _ call: Call, at url: String, isPost: Bool, extra: [Link]
    ) throws -> Response {
        var links = [
            Link("self", isPost || call.query.items.isEmpty ? url : "\(url)?\(call.query.encoded)", MediaType.geoJSON),
            Link("root", call.address.landing, MediaType.json),
        ]
        links += extra
        for (rel, token) in [("next", page.next), ("prev", page.previous)] {
            guard let token else { continue }
            links.append(Link.page(rel, url, MediaType.geoJSON, token, query: isPost ? nil : call.query))
        }
        if call.format == .ndjson { return lines(page, fields, call, links: links) }
        if call.format == .parquet { return try table(page, fields, call, links: links) }
        var tail = JSONWriter(capacity: 1024)
        tail.object { json in
            json.links(links)
            json.member("numberMatched", page.matched.count)
            if page.matched.isEstimate { json.member("numberMatchedIsEstimate", true) }
            json.member("numberReturned", page.items.count)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(page.items.reduce(2048) { $0 + $1.document.count + 640 })
        bytes.append(contentsOf: #"{"type":"FeatureCollection","features":["#.utf8)
        for (index, item) in page.items.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            item.write(to: &bytes, links: ownLinks(of: item, call.address), fields: fields)
        }
        bytes.append(contentsOf: "],".utf8)
        bytes.append(contentsOf: tail.bytes.dropFirst())
        return Response(.ok, type: MediaType.geoJSON, bytes: bytes)
    }
}
