import Catalogue
import HTTPSupport
import IAMPolicy
import Identity
import Journal
import Logging
import NIOCore
import NIOHTTP1
import ODataFilter
import Policy
import Wire

extension ODataService {
    /// Products whose names one FilterList may name, and bytes of its body.
    private static let namesMax = 1000
    private static let bodyBytesMax = 1 << 20
    /// Items that are gone over at once to skip them.
    private static let skippedAtOnce = 500

    /// `/Products`
    func products(_ call: Call) async throws -> Response {
        let options = try ODataOptions(products: call.query)
        let (page, isPastEnd) = try await search(options, call)
        return answer(isPastEnd ? [] : page.items, options, call, count: page.matched.count, next: page.next)
    }

    /// `/Products/$count`
    func count(_ call: Call) async throws -> Response {
        var options = try ODataOptions(products: call.query)
        (options.top, options.skip, options.token) = (0, 0, nil)
        return Self.count(try await search(options, call).page.matched)
    }

    static func count(_ matched: MatchedCount) -> Response {
        Response(.ok, type: "text/plain; charset=utf-8", text: String(matched.count))
    }

    /// How a filter is to be understood: with the names of the items that it names by number.
    func translation(_ filter: ODataFilter?, in directory: CollectionDirectory) async throws -> FilterTranslation {
        let numbers = Set((filter?.ids ?? []).compactMap { ProductID(product: $0)?.number })
        return FilterTranslation(
            directory: directory, entities: .products(try await catalogue.names(ofItems: numbers.sorted())))
    }

    func noteSearch(_ call: Call) {
        catalogue.journal.note(
            AccessRecord(
                principal: call.caller.principal.name, action: "stac:Search",
                resource: ResourceName.stacCollection("*"), address: call.caller.context.address,
                reason: "Among what each collection's policy allows."))
    }

    /// One page, behind those that are skipped.
    private func search(
        _ options: ODataOptions, _ call: Call
    ) async throws -> (page: ItemPage, isPastEnd: Bool) {
        let directory = try await catalogue.directory()
        let names = FilterTranslation.collections(options.filter, in: directory)
        var query = SearchQuery(visible: try await visible(call, only: names))
        let translation = try await translation(options.filter, in: directory)
        query.filter = try options.filter.map(translation.condition)
        query.order = try options.sortOrder()
        query.token = try options.token.map { try PageToken($0) }
        noteSearch(call)
        // Who skips or counts is shown nothing of these.
        query.needsDocuments = false
        var left = options.token == nil ? options.skip : 0
        while left > 0 {
            query.limit = min(left, Self.skippedAtOnce)
            let skipped = try await catalogue.search(query)
            left -= skipped.items.count
            guard let next = skipped.next else { return (skipped, true) }
            query.token = next
        }
        query.needsDocuments = options.top > 0
        query.limit = max(options.top, 1)
        var page = try await catalogue.search(query)
        if options.top == 0 { (page.items, page.next) = ([], nil) }
        return (page, false)
    }

    /// `/Products(ID)`
    func product(_ key: String, _ call: Call) async throws -> Response {
        let options = try ODataOptions(products: call.query)
        var json = JSONWriter(capacity: 4096)
        try write(
            try await item(key, call), options, call.base, to: &json, context: "\(call.base)/$metadata#Products/$entity"
        )
        return Response(.ok, type: MediaType.json, bytes: json.bytes, headers: ["Cache-Control": "no-cache"])
    }

    /// `{"FilterProducts": [{"Name": …}, …]}`: those of the products that there are.
    func filterList(_ call: Call) async throws -> Response {
        let options = try ODataOptions(products: call.query)
        let body = try await call.request.json(upTo: Self.bodyBytesMax)
        let names = body["FilterProducts"]?.array?.map { $0["Name"]?.string }
        guard let names, names.count <= Self.namesMax, !names.isEmpty, !names.contains(nil) else {
            throw Problem.badRequest(
                "the body is {\"FilterProducts\": [{\"Name\": …}, …]} with 1 to \(Self.namesMax) names")
        }
        var query = SearchQuery(visible: try await visible(call))
        let filter = ODataFilter.isIn("Name", names.compactMap { $0.map { .string($0) } })
        query.filter = try FilterTranslation(directory: try await catalogue.directory()).condition(filter)
        query.limit = Self.namesMax
        noteSearch(call)
        let first = try await catalogue.search(query)
        // The names of a thousand products may be those of more, in several collections: page by page they are sent.
        return Response(
            .ok, headers: ["Content-Type": MediaType.json, "Cache-Control": "no-cache"],
            body: .stream(length: nil) { [query] writer in
                var head = JSONWriter()
                head.beginObject()
                head.member("@odata.context", "\(call.base)/$metadata#Products")
                head.key("value")
                head.beginArray()
                try await writer.write(ByteBuffer(bytes: head.bytes))
                var (page, query) = (first, query)
                var count = 0
                while true {
                    for item in page.items {
                        var json = JSONWriter(capacity: 2048)
                        write(item, options, call, to: &json)
                        try await writer.write(ByteBuffer(bytes: Array((count == 0 ? "" : ",").utf8) + json.bytes))
                        count += 1
                    }
                    guard let next = page.next else { break }
                    query.token = next
                    page = try await catalogue.search(query)
                }
                try await writer.write(ByteBuffer(string: options.counts ? "],\"@odata.count\":\(count)}" : "]}"))
            })
    }

    private func answer(
        _ items: [ItemRecord], _ options: ODataOptions, _ call: Call, count: Int64, next: PageToken?
    ) -> Response {
        var json = JSONWriter(capacity: 2048 * (items.count + 1))
        json.object { json in
            json.member("@odata.context", "\(call.base)/$metadata#Products")
            if options.counts { json.member("@odata.count", count) }
            json.key("value")
            json.array { json in
                for item in items { write(item, options, call, to: &json) }
            }
            if let next { json.member("@odata.nextLink", call.link(to: "Products", token: next.text)) }
        }
        return Response(.ok, type: MediaType.json, bytes: json.bytes, headers: ["Cache-Control": "no-cache"])
    }

    /// `/Products(ID)/Attributes`
    ///
    /// - Parameter properties: those of the item.
    func attributes(_ properties: JSONValue) -> Response {
        var json = JSONWriter(capacity: 4096)
        json.object { json in
            json.key("value")
            json.array { json in
                for attribute in ProductAttribute.all(of: properties) {
                    attribute.write(to: &json)
                }
            }
        }
        return Response(.ok, type: MediaType.json, bytes: json.bytes)
    }

    // MARK: Writing

    /// Writes a product of a list.
    private func write(_ item: ItemRecord, _ options: ODataOptions, _ call: Call, to json: inout JSONWriter) {
        do {
            try write(item, options, call.base, to: &json, context: nil)
        } catch {
            // What is stored was read before it was stored.
            logger.error("\(item.collection)/\(item.id): \(error)")
        }
    }

    /// - Throws: `JSONError`.
    func write(
        _ item: ItemRecord, _ options: ODataOptions, _ base: String, to json: inout JSONWriter, context: String?
    ) throws {
        let product = Product(item, document: try JSONValue(parsing: item.document))
        func wants(_ name: String) -> Bool { options.wants(name) }
        json.object { json in
            if let context { json.member("@odata.context", context) }
            if wants("@odata.mediaContentType") { json.member("@odata.mediaContentType", "application/octet-stream") }
            json.member("Id", product.id)
            if wants("Name") { json.member("Name", product.name) }
            if wants("ContentType") { json.member("ContentType", "application/octet-stream") }
            if wants("ContentLength") { json.member("ContentLength", product.length) }
            if wants("OriginDate") { json.member("OriginDate", product.published) }
            if wants("PublicationDate") { json.member("PublicationDate", product.published) }
            if wants("ModificationDate") { json.member("ModificationDate", product.modified) }
            if wants("Online") { json.member("Online", true) }
            if wants("EvictionDate") { json.member("EvictionDate", "") }
            if wants("S3Path") { json.member("S3Path", product.path) }
            if wants("Checksum") { json.member("Checksum", product.checksums) }
            product.writeDescription(options, to: &json)
            if options.expands(.assets) {
                json.key("Assets")
                json.array { json in
                    for (index, href) in product.quicklooks {
                        let id = ProductID(item, asset: index).text
                        json.object { json in
                            json.member("Type", "QUICKLOOK")
                            json.member("Id", id)
                            json.member("DownloadLink", "\(base)/Assets(\(id))/$value")
                            if let object = addresses.object(href) {
                                json.member("S3Path", "/\(object.collection)/\(object.key)")
                            }
                        }
                    }
                }
            }
            if options.expands(.locations) {
                json.key("Locations")
                json.array { json in
                    json.object { json in
                        json.member("FormatType", "Extracted")
                        json.member("DownloadLink", "\(base)/Products(\(product.id))/$value")
                        json.member("ContentLength", product.length)
                        json.member("Checksum", product.checksums)
                        json.member("S3Path", product.path)
                    }
                }
            }
        }
    }
}
