import Catalogue
import Glibc
import HTTPSupport
import Identity
import NIOHTTP1
import Objects
import Policy
import Wire

// Changes of items and collections by hand (STAC's transaction extensions, and bulk items).
extension STACService {
    /// Largest body with one document, and with several items.
    private static let documentBytesMax = 11 << 20
    private static let itemsBytesMax = 16 << 20

    /// Answers a request that changes something; nil for one that is none of these.
    func change(_ call: Call, _ path: [String]) async throws -> Response? {
        guard path.first == "collections" else { return nil }
        if path.dropFirst().contains(where: { $0.utf8.contains(0) }) {
            throw Problem.notFound("no name here has a NUL character")
        }
        guard call.asOf == nil else { throw Problem.badRequest("x-martlet-as-of: the past cannot be changed") }
        let method = call.request.method
        switch (path.count, method) {
        case (1, .POST): return try await createCollection(call)
        case (2, .PUT): return try await replaceCollection(path[1], call)
        case (2, .PATCH): return try await patchCollection(path[1], call)
        case (2, .DELETE): return try await deleteCollection(path[1], call)
        case (3, .POST) where path[2] == "items": return try await createItems(path[1], call)
        case (3, .POST) where path[2] == "bulk_items": return try await putItems(path[1], call)
        case (4, .PUT) where path[2] == "items": return try await replaceItem(path[1], path[3], call)
        case (4, .PATCH) where path[2] == "items": return try await patchItem(path[1], path[3], call)
        case (4, .DELETE) where path[2] == "items": return try await deleteItem(path[1], path[3], call)
        default: return nil
        }
    }

    /// What an address takes besides GET.
    static func changes(at path: [String]) -> [String] {
        guard path.first == "collections" else { return Self.isSearch(path) ? ["POST"] : [] }
        switch path.count {
        case 1: return ["POST"]
        case 2: return ["PUT", "PATCH", "DELETE"]
        case 3 where ["items", "bulk_items", "aggregate"].contains(path[2]): return ["POST"]
        case 4 where path[2] == "items": return ["PUT", "PATCH", "DELETE"]
        default: return []
        }
    }

    // MARK: Items

    /// One item, or a FeatureCollection of several, all of which are new.
    private func createItems(_ collection: String, _ call: Call) async throws -> Response {
        try await requireName(collection, call)
        let documents = try Catalogue.documents(in: try await call.request.body.collect(upTo: Self.itemsBytesMax))
        let stored = try await put(documents, collection, call) { id, tid in
            guard tid == nil else { throw Problem.conflict("there is an item '\(id)' already; PUT replaces it") }
        }
        guard stored.count == 1, let item = stored.first?.item else {
            var json = JSONWriter()
            json.object { $0.member("numberCreated", stored.count) }
            return Response(.created, type: MediaType.json, bytes: json.bytes)
        }
        return answer(item, call, .created)
    }

    /// `{"method": "insert" or "upsert", "items": {id: item, …}}`, or an item a line, which are put whether they are
    /// there or not: all or none.
    private func putItems(_ collection: String, _ call: Call) async throws -> Response {
        try await requireName(collection, call)
        let body = try await call.request.body.collect(upTo: Self.itemsBytesMax)
        if call.request.header("content-type")?.contains("ndjson") == true {
            let stored = try await put(Self.lines(of: body), collection, call) { _, _ in }
            var json = JSONWriter()
            json.object {
                $0.member("numberStored", stored.count)
                $0.member("numberChanged", stored.count { $0.isChanged })
            }
            return Response(.ok, type: MediaType.json, bytes: json.bytes)
        }
        let (documents, given) = try Catalogue.bulk(in: body)
        let method = given ?? "insert"
        guard method == "insert" || method == "upsert" else {
            throw Problem.badRequest("method: '\(method.text.prefix(40))' is neither insert nor upsert")
        }
        let stored = try await put(documents, collection, call) { id, tid in
            guard tid == nil || method == "upsert" else {
                throw Problem.conflict("there is an item '\(id)' already; the method upsert replaces it")
            }
        }
        var json = JSONWriter()
        json.string("Successfully added \(stored.count) items.")
        return Response(.ok, type: MediaType.json, bytes: json.bytes)
    }

    /// The lines that are not empty. The library's `split`, byte by byte, takes a tenth of all that storing them takes.
    private static func lines(of body: [UInt8]) -> [[UInt8]] {
        var out: [[UInt8]] = []
        body.withUnsafeBytes { bytes in
            var at = 0
            while at < bytes.count, let base = bytes.baseAddress {
                let end = memchr(base + at, 0x0A, bytes.count - at).map { UnsafeRawPointer($0) - base } ?? bytes.count
                let line = bytes[at..<end]
                if !line.isEmpty, !line.elementsEqual([0x0D]) { out.append(Array(line)) }
                at = end + 1
            }
        }
        return out
    }

    private func put(
        _ documents: [[UInt8]], _ collection: String, _ call: Call,
        check: @escaping @Sendable (_ id: String, _ tid: Int64?) throws -> Void
    ) async throws -> [(item: ItemRecord, isChanged: Bool)] {
        let batch = try ItemBatch(documents, collection: collection)
        try await gate.require(
            call.caller.principal, "stac:PutItem", onEach: batch.ids.map { ResourceName.item(collection, $0) },
            as: ResourceName.item(collection, "*"), call.caller.context)
        return try await catalogue.put(batch, by: call.actor, check: check)
    }

    /// Which items are meant is known when a large body was read: not for everybody.
    private func requireName(_ collection: String, _ call: Call) async throws {
        guard call.caller.principal.isAnonymous else { return }
        try await require(call, "stac:PutItem", on: ResourceName.item(collection, "*"))
    }

    private func replaceItem(_ collection: String, _ id: String, _ call: Call) async throws -> Response {
        try await require(call, "stac:PutItem", on: ResourceName.item(collection, id))
        let check = Self.check(call, "item")
        let item = try await catalogue.put(
            item: try await call.request.body.collect(upTo: Self.documentBytesMax), id: id, collection: collection,
            by: call.actor
        ) { tid in
            try check(tid)
            guard tid != nil else { throw Problem.notFound("there is no item '\(id)' to replace; POST makes one") }
        }.item
        return answer(item, call, .noContent)
    }

    private func patchItem(_ collection: String, _ id: String, _ call: Call) async throws -> Response {
        try await require(call, "stac:PutItem", on: ResourceName.item(collection, id))
        let edit = try await patch(call)
        let item = try await catalogue.edit(
            collection: collection, id: id, by: call.actor, check: Self.check(call, "item"), edit)
        return answer(item, call, .noContent)
    }

    private func deleteItem(_ collection: String, _ id: String, _ call: Call) async throws -> Response {
        try await require(call, "stac:DeleteItem", on: ResourceName.item(collection, id))
        try await catalogue.remove(collection: collection, id: id, by: call.actor, check: Self.check(call, "item"))
        return Response(.noContent)
    }

    private func answer(_ item: ItemRecord, _ call: Call, _ status: HTTPResponseStatus) -> Response {
        var headers: HTTPHeaders = ["ETag": "\"\(item.tid)\""]
        guard status == .created else { return Response(status, headers: headers) }
        headers.add(name: "Location", value: call.address.item(item.collection, item.id))
        var bytes: [UInt8] = []
        item.write(to: &bytes, links: ownLinks(of: item, call.address))
        return Response(status, type: MediaType.geoJSON, bytes: bytes, headers: headers)
    }

    // MARK: Collections

    /// Makes a collection: a bucket for S3, a folder for WebDAV.
    private func createCollection(_ call: Call) async throws -> Response {
        let document = try await call.request.body.collect(upTo: Self.documentBytesMax)
        try Catalogue.check(collection: document)
        guard let name = try JSONValue(parsing: document)["id"]?.string else {
            throw Problem.badRequest("id must be there: the collection's name")
        }
        try await require(call, "stac:PutCollection", on: ResourceName.stacCollection(name))
        try await require(call, "s3:CreateBucket", on: ResourceName.collection(name))
        try await objects.createCollection(name, owner: call.actor)
        try await catalogue.putCollection(document, name: name, by: call.actor)
        var response = try await rendered(name, call, .created)
        response.headers.add(name: "Location", value: call.address.collection(name))
        return response
    }

    private func replaceCollection(_ name: String, _ call: Call) async throws -> Response {
        try await require(call, "stac:PutCollection", on: ResourceName.stacCollection(name))
        let document = try await call.request.body.collect(upTo: Self.documentBytesMax)
        try Self.check(document, isOf: name)
        try await catalogue.putCollection(document, name: name, by: call.actor, check: Self.check(call, "collection"))
        return try await rendered(name, call, .noContent)
    }

    private func patchCollection(_ name: String, _ call: Call) async throws -> Response {
        try await require(call, "stac:PutCollection", on: ResourceName.stacCollection(name))
        let edit = try await patch(call)
        let own = ownDocument(of: name)
        try await catalogue.editCollection(name, by: call.actor, check: Self.check(call, "collection")) { stored in
            let document = try edit(stored ?? own)
            try Self.check(document.bytes, isOf: name)
            return document
        }
        return try await rendered(name, call, .noContent)
    }

    private func deleteCollection(_ name: String, _ call: Call) async throws -> Response {
        try await require(call, "stac:DeleteCollection", on: ResourceName.stacCollection(name))
        try await require(call, "s3:DeleteBucket", on: ResourceName.collection(name))
        let current = try await catalogue.collection(name)
        try Self.check(call, "collection")(current.documentTID)
        try await objects.deleteCollection(name, by: call.actor)
        catalogue.forgetDirectory()
        return Response(.noContent)
    }

    private func rendered(_ name: String, _ call: Call, _ status: HTTPResponseStatus) async throws -> Response {
        catalogue.forgetDirectory()
        let collection = try await catalogue.collection(name)
        let headers: HTTPHeaders = ["ETag": Self.entityTag(of: collection)]
        guard status == .created else { return Response(status, headers: headers) }
        var json = JSONWriter(capacity: 2048)
        write(collection, call.address, to: &json)
        return Response(status, type: MediaType.json, bytes: json.bytes, headers: headers)
    }

    /// Of the document that was put. It is weak: what the items cover changes without it.
    static func entityTag(of collection: CatalogueCollection) -> String { "W/\"\(collection.documentTID)\"" }

    private static func check(_ document: [UInt8], isOf name: String) throws {
        try Catalogue.check(collection: document)
        guard try JSONValue(parsing: document)["id"]?.string != name else { return }
        throw Problem.badRequest("id must be '\(name.prefix(80))', as in the address")
    }

    // MARK: Conditions

    /// Evaluates If-Match and If-None-Match when it is known what is there.
    private static func check(_ call: Call, _ what: String) -> @Sendable (Int64?) throws -> Void {
        let conditions = Preconditions(call.request.headers)
        return { tid in
            guard
                case .failed(let header) = conditions.evaluate(etag: tid.map(String.init), modified: nil, isRead: false)
            else { return }
            let now = tid.map { "the \(what)'s entity tag is \"\($0)\"" } ?? "there is no such \(what)"
            throw Problem(.preconditionFailed, "precondition-failed", "\(header): \(now)")
        }
    }

    /// What a PATCH does to a document: a merge patch (RFC 7386), or a JSON Patch (RFC 6902) by its media type.
    private func patch(_ call: Call) async throws -> @Sendable (JSONValue) throws -> JSONValue {
        let body = try await call.request.json(upTo: Self.documentBytesMax)
        if call.request.header("content-type")?.hasPrefix("application/json-patch+json") == true || body.array != nil {
            let patch: JSONPatch
            do {
                patch = try JSONPatch(parsing: body)
            } catch {
                throw Problem.badRequest(error.message)
            }
            return { document in
                do {
                    return try patch.applied(to: document)
                } catch let error as JSONPatchError {
                    throw Problem.conflict(error.message)
                }
            }
        }
        guard body.object != nil else {
            throw Problem.badRequest("a merge patch is a JSON object, a JSON Patch a list")
        }
        return { $0.merged(with: body) }
    }
}

extension STACService.Call {
    var actor: String { caller.principal.name }
}
