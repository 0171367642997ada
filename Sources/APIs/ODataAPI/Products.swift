import Catalogue
import HTTPSupport
import IAMPolicy
import Identity
import Journal
import Logging
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
        let options = try QueryOptions(call.query)
        let (page, isPastEnd) = try await search(options, call)
        return answer(isPastEnd ? [] : page.items, options, call, count: page.matched.count, next: page.next)
    }

    /// `/Products/$count`
    func count(_ call: Call) async throws -> Response {
        var options = try QueryOptions(call.query)
        (options.top, options.skip) = (1, 0)
        let page = try await search(options, call).page
        return Response(.ok, type: "text/plain; charset=utf-8", text: String(page.matched.count))
    }

    /// One page, behind those that are skipped.
    private func search(
        _ options: QueryOptions, _ call: Call
    ) async throws -> (page: ItemPage, isPastEnd: Bool) {
        let directory = try await catalogue.directory()
        let names = FilterTranslation.collections(options.filter, in: directory)
        var query = SearchQuery(visible: try await visible(call, only: names))
        query.filter = try options.filter.map(FilterTranslation(directory: directory).condition)
        query.order = options.order
        query.token = options.token
        catalogue.journal.note(
            AccessRecord(
                principal: call.caller.principal.name, action: "stac:Search",
                resource: ResourceName.stacCollection("*"), address: call.caller.context.address,
                reason: "Among what each collection's policy allows."))
        var left = options.token == nil ? options.skip : 0
        while left > 0 {
            query.limit = min(left, Self.skippedAtOnce)
            let skipped = try await catalogue.search(query)
            left -= skipped.items.count
            guard let next = skipped.next else { return (skipped, true) }
            query.token = next
        }
        query.limit = max(options.top, 1)
        var page = try await catalogue.search(query)
        if options.top == 0 { (page.items, page.next) = ([], nil) }
        return (page, false)
    }

    /// `/Products(ID)`
    func product(_ key: String, _ call: Call) async throws -> Response {
        let options = try QueryOptions(call.query)
        var json = JSONWriter(capacity: 4096)
        try write(
            try await item(key, call), options, call, to: &json, context: "\(call.base)/$metadata#Products/$entity")
        return Response(.ok, type: MediaType.json, bytes: json.bytes, headers: ["Cache-Control": "no-cache"])
    }

    /// `{"FilterProducts": [{"Name": …}, …]}`: those of the products that there are.
    func filterList(_ call: Call) async throws -> Response {
        let options = try QueryOptions(call.query)
        let body = try await call.request.json(upTo: Self.bodyBytesMax)
        let names = body["FilterProducts"]?.array?.map { $0["Name"]?.string }
        guard let names, names.count <= Self.namesMax, !names.isEmpty, !names.contains(nil) else {
            throw Problem.badRequest(
                "the body is {\"FilterProducts\": [{\"Name\": …}, …]} with 1 to \(Self.namesMax) names")
        }
        var query = SearchQuery(visible: try await visible(call))
        let translation = FilterTranslation(directory: try await catalogue.directory())
        query.filter = try translation.condition(.isIn("Name", names.compactMap { $0.map { .string($0) } }))
        query.limit = Self.namesMax
        let page = try await catalogue.search(query)
        return answer(page.items, options, call, count: page.matched.count, next: nil)
    }

    private func answer(
        _ items: [ItemRecord], _ options: QueryOptions, _ call: Call, count: Int64, next: PageToken?
    ) -> Response {
        var json = JSONWriter(capacity: 2048 * (items.count + 1))
        json.object { json in
            json.member("@odata.context", "\(call.base)/$metadata#Products")
            if options.counts { json.member("@odata.count", count) }
            json.key("value")
            json.array { json in
                for item in items {
                    do {
                        try write(item, options, call, to: &json, context: nil)
                    } catch {
                        // What is stored was read before it was stored.
                        logger.error("\(item.collection)/\(item.id): \(error)")
                    }
                }
            }
            if let next {
                var query = call.query
                query.items.removeAll { $0.name == "$skip" || $0.name == "$skiptoken" }
                query.items.append(("$skiptoken", next.text))
                json.member("@odata.nextLink", "\(call.base)/Products?\(query.encoded)")
            }
        }
        return Response(.ok, type: MediaType.json, bytes: json.bytes, headers: ["Cache-Control": "no-cache"])
    }

    /// `/Products(ID)/Attributes`
    func attributes(of item: ItemRecord) -> Response {
        var json = JSONWriter(capacity: 4096)
        json.object { json in
            json.key("value")
            json.array { json in
                let properties = (try? JSONValue(parsing: item.document))?["properties"] ?? .null
                for attribute in ProductAttribute.all(of: properties) { attribute.write(to: &json) }
            }
        }
        return Response(.ok, type: MediaType.json, bytes: json.bytes)
    }

    // MARK: Writing

    /// - Throws: `JSONError`.
    private func write(
        _ item: ItemRecord, _ options: QueryOptions, _ call: Call, to json: inout JSONWriter, context: String?
    ) throws {
        let product = Product(item, document: try JSONValue(parsing: item.document))
        func wants(_ name: String) -> Bool { options.select?.contains(name) ?? true }
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
            if wants("ContentDate") {
                json.key("ContentDate")
                json.object {
                    $0.member("Start", product.start)
                    $0.member("End", product.end)
                }
            }
            if wants("Footprint") { json.member("Footprint", product.footprint) }
            if wants("GeoFootprint") { json.member("GeoFootprint", product.geometry) }
            if options.expand.contains(.attributes) {
                json.key("Attributes")
                json.array { json in
                    for attribute in ProductAttribute.all(of: product.properties) { attribute.write(to: &json) }
                }
            }
            if options.expand.contains(.assets) {
                json.key("Assets")
                json.array { json in
                    for (index, href) in product.quicklooks {
                        let id = ProductID(item, asset: index).text
                        json.object { json in
                            json.member("Type", "QUICKLOOK")
                            json.member("Id", id)
                            json.member("DownloadLink", "\(call.base)/Assets(\(id))/$value")
                            if let object = addresses.object(href) {
                                json.member("S3Path", "/\(object.collection)/\(object.key)")
                            }
                        }
                    }
                }
            }
            if options.expand.contains(.locations) {
                json.key("Locations")
                json.array { json in
                    json.object { json in
                        json.member("FormatType", "Extracted")
                        json.member("DownloadLink", "\(call.base)/Products(\(product.id))/$value")
                        json.member("ContentLength", product.length)
                        json.member("Checksum", product.checksums)
                        json.member("S3Path", product.path)
                    }
                }
            }
        }
    }
}
