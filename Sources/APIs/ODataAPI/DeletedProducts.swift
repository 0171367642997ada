import CQL2
import Catalogue
import HTTPSupport
import Identity
import Logging
import NIOHTTP1
import Policy
import Wire

// What was in the catalogue and was removed: told to those who could see it.
extension ODataService {
    /// `/DeletedProducts`
    func deletedProducts(_ call: Call) async throws -> Response {
        let options = try ODataOptions(products: call.query)
        var query = try await deletedQuery(options, call)
        var whole = query
        whole.after = nil
        let count = options.counts ? try await catalogue.deletedCount(whole).count : nil
        var page: DeletedPage?
        if options.top > 0 {
            var isPastEnd = false
            var left = query.after == nil ? options.skip : 0
            while left > 0, !isPastEnd {
                query.limit = min(left, DeletedQuery.limitMax)
                let skipped = try await catalogue.deleted(query)
                left -= skipped.items.count
                isPastEnd = skipped.next == nil
                query.after = skipped.next
            }
            query.limit = options.top
            if !isPastEnd { page = try await catalogue.deleted(query) }
        }
        let items = page?.items ?? []
        var json = JSONWriter(capacity: 1024 * (items.count + 1))
        json.object { json in
            json.member("@odata.context", "\(call.base)/$metadata#DeletedProducts")
            if let count { json.member("@odata.count", count) }
            json.key("value")
            json.array { json in
                for facts in items {
                    do {
                        try writeDeleted(facts, options, to: &json)
                    } catch {
                        logger.error("\(facts.collection)/\(facts.id): \(error)")
                    }
                }
            }
            if let next = page?.next {
                json.member("@odata.nextLink", call.link(to: "DeletedProducts", token: next.text))
            }
        }
        return Response(.ok, type: MediaType.json, bytes: json.bytes, headers: ["Cache-Control": "no-cache"])
    }

    /// `/DeletedProducts/$count`
    func deletedCount(_ call: Call) async throws -> Response {
        var options = try ODataOptions(products: call.query)
        options.token = nil
        return Self.count(try await catalogue.deletedCount(try await deletedQuery(options, call)))
    }

    private func deletedQuery(_ options: ODataOptions, _ call: Call) async throws -> DeletedQuery {
        let directory = try await catalogue.directory()
        let names = FilterTranslation.collections(options.filter, in: directory)
        var query = DeletedQuery(visible: try await visible(call, only: names))
        let translation = FilterTranslation(directory: directory, entities: .deletedProducts)
        query.filter = try options.filter.map(translation.condition)
        (query.order, query.isDescending) = try options.deletedOrder()
        query.after = try options.token.map {
            guard let place = DeletedPlace($0) else {
                throw Problem.badRequest("$skiptoken is not one that a page of this catalogue gave")
            }
            return place
        }
        noteSearch(call)
        return query
    }

    /// `/DeletedProducts(ID)`
    func deletedProduct(_ key: String, _ call: Call) async throws -> Response {
        let options = try ODataOptions(products: call.query)
        var json = JSONWriter(capacity: 4096)
        try writeDeleted(
            try await deletedItem(key, call), options, to: &json,
            context: "\(call.base)/$metadata#DeletedProducts/$entity")
        return Response(.ok, type: MediaType.json, bytes: json.bytes, headers: ["Cache-Control": "no-cache"])
    }

    /// The removed item that a product's id names, if the caller could see it.
    func deletedItem(_ key: String, _ call: Call) async throws -> KnownItem {
        let problem = Problem.notFound("there is no deleted product '\(key.prefix(80))'")
        guard let id = ProductID(product: key), let facts = try await catalogue.facts(of: [id.number])[id.number],
            facts.deletion != nil
        else { throw problem }
        guard try await shows(facts, to: call.caller.principal, call.caller.context) else { throw problem }
        return facts
    }

    /// Whether a search would show somebody an item.
    func shows(_ facts: KnownItem, to principal: Principal, _ context: RequestContext) async throws -> Bool {
        try facts.passes(try await gate.itemTest(principal, "stac:Search", in: facts.collection, context))
    }

    /// - Throws: `JSONError`.
    func writeDeleted(
        _ facts: KnownItem, _ options: ODataOptions, to json: inout JSONWriter, context: String? = nil
    ) throws {
        let product = try Product(facts)
        json.object { json in
            if let context { json.member("@odata.context", context) }
            json.member("Id", product.id)
            if options.wants("Name") { json.member("Name", product.name) }
            if let deletion = facts.deletion {
                if options.wants("DeletionDate") { json.member("DeletionDate", deletion.time.rfc3339) }
                if options.wants("DeletionCause") { json.member("DeletionCause", deletion.cause) }
            }
            if options.wants("OriginDate") { json.member("OriginDate", product.published) }
            if options.wants("PublicationDate") { json.member("PublicationDate", product.published) }
            if options.wants("ModificationDate") { json.member("ModificationDate", product.modified) }
            if options.wants("Online") { json.member("Online", false) }
            product.writeDescription(options, to: &json)
        }
    }
}
