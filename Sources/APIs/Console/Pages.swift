import Catalogue
import HTTPSupport
import IAMPolicy
import Ledger
import Objects
import Policy
import Wire

/// What each page needs to know, asked of Core and of the gate.
extension ConsoleService {
    /// Collections on a page of the start page.
    private static let collectionsMax = 24
    /// Items whose footprints the world map has.
    private static let newestMax = 60
    /// Objects that are counted, so that a page costs the same for any collection.
    private static let objectsMax = 1000

    func home(_ query: QueryItems, _ caller: Caller) async throws -> Response {
        let all = try await catalogue.directory()
        var searchable: [String: ProductTest] = [:]
        var visible: Set<String> = []
        for name in all.names {
            searchable[name] = try await items(of: name, caller)
            if searchable[name]?.isNever == false {
                visible.insert(name)
            } else if try await may(caller, "s3:ListBucket", ResourceName.collection(name)) {
                visible.insert(name)
            }
        }
        let page = try await catalogue.collections(
            visible: all.filtered(to: visible), after: query["after"] ?? "", limit: Self.collectionsMax)
        let directory = all.filtered(to: searchable)
        var rows: [HomePage.Row] = []
        for collection in page.page {
            var search = SearchQuery(visible: directory)
            search.collections = [collection.name]
            search.limit = 1
            let newest = try await catalogue.search(search).items.first
            rows.append(
                HomePage.Row(collection: collection, newest: try newest.map { try ItemView($0, addresses: addresses) }))
        }
        var search = SearchQuery(visible: directory)
        search.limit = Self.newestMax
        let newest = try await catalogue.search(search).items.map { try ItemView($0, addresses: addresses) }
        return HomePage(
            principal: caller.principal, rows: rows, next: page.hasMore ? page.page.last?.name : nil, newest: newest,
            addresses: addresses
        ).response(files)
    }

    func collection(_ name: String, _ items: QueryItems, _ caller: Caller) async throws -> Response {
        let canList = try await may(caller, "s3:ListBucket", ResourceName.collection(name))
        let shown = try await self.items(of: name, caller)
        let canSearch = !shown.isNever
        // A denial goes into the journal; what is only left out of a page does not. It comes before the collection is
        // looked for, so that nobody learns of names that they may not see.
        if shown.isAlways || !canSearch && !canList {
            try await gate.require(
                caller.principal, "stac:Search", on: ResourceName.stacCollection(name), caller.context)
        }
        let collection = try await catalogue.collection(name)
        let query = CollectionQuery(items)
        var page: ItemPage?
        if canSearch {
            var search = SearchQuery(visible: try await catalogue.directory().filtered(to: [name: shown]))
            search.collections = [name]
            search.limit = CollectionQuery.limit
            search.interval = query.interval
            search.area = query.box.map { .box($0) }
            search.token = query.pageToken
            page = try await catalogue.search(search)
        }
        return CollectionPage(
            principal: caller.principal, collection: collection, objects: canList ? try await countObjects(name) : nil,
            canSearch: canSearch, query: query,
            items: try (page?.items ?? []).map { try ItemView($0, addresses: addresses) },
            matched: page?.matched, previous: page?.previous, next: page?.next
        ).response(files)
    }

    func item(_ collection: String, _ id: String, _ caller: Caller) async throws -> Response {
        try await gate.require(caller.principal, "stac:GetItem", on: ResourceName.item(collection, id), caller.context)
        let item = try ItemView(try await catalogue.item(collection: collection, id: id), addresses: addresses)
        return ItemDetails(
            principal: caller.principal, item: item, reports: try await TraceReport.find(item, in: ledger),
            addresses: addresses,
            vkey: ledger.vkey
        ).response(files)
    }

    private func countObjects(_ collection: String) async throws -> (count: Int64, isMore: Bool) {
        let listing = try await objects.list(collection: collection, limit: Self.objectsMax)
        return (Int64(listing.entries.count), listing.next != nil)
    }

    /// Which items of a collection somebody may see.
    private func items(of collection: String, _ caller: Caller) async throws -> ProductTest {
        try await gate.itemTest(caller.principal, "stac:Search", in: collection, caller.context)
    }

    func may(_ caller: Caller, _ action: String, _ resource: String) async throws -> Bool {
        try await gate.decide(caller.principal, action, on: resource, caller.context).isAllowed
    }
}
