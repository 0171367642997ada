import Database
import Geometry
import Journal
import Wire

extension Catalogue {
    /// Finds items.
    ///
    /// - Throws: ``CatalogueError`` `.tooBroad`, `.invalidToken` for a token of another order; `PastError` for a state
    ///   that cannot be read.
    package func search(_ query: SearchQuery) async throws -> ItemPage {
        if let token = query.token { try token.check(query.order) }
        guard let filter = SearchFilter(query) else {
            return ItemPage(items: [], matched: MatchedCount(count: 0, isEstimate: false))
        }
        let engine = journal.database.engine
        let covers = { @Sendable in filter.collections == nil || filter.collectionSet.contains($0) }
        return try await read(asOf: query.asOf, covers: covers) { reader in
            var scan = try SearchScan(
                filter, query.order, ItemTables(asOf: query.asOf), engine: engine, reader: reader, from: query.token)
            let limit = min(max(query.limit, 1), SearchQuery.limitMax)
            return try scan.page(limit: limit, token: query.token, needsDocuments: query.needsDocuments)
        }
    }
}

extension PageToken {
    /// - Throws: ``CatalogueError`` `.invalidToken` where the token is one of another order.
    fileprivate func check(_ wanted: SortOrder) throws {
        let fits =
            switch position {
            case .time: wanted.timeIsDescending != nil
            case .sorted(let place):
                wanted.timeIsDescending == nil && place.keys.count == wanted.fields.count
            }
        guard order == wanted.mark, fits else {
            throw CatalogueError(.invalidToken, "the token belongs to a search that is sorted in another way")
        }
    }
}

/// A query with its collections looked up.
struct SearchFilter: Sendable {
    /// The row ids of the collections that are searched; nil for all.
    var collections: [Int64]?
    var collectionSet: Set<Int64>
    /// Items in these collections, as far as the directory knows.
    var itemCount: Int64
    /// The share of the collections' own extent that the area takes, 0 to 1.
    var areaShare: Double
    var ids: [String]
    var area: SearchArea?
    /// Where items must be, in boxes that do not cross the antimeridian; nil for anywhere.
    var boxes: [BoundingBox]?
    var interval: SearchInterval
    /// Bounds of `datetime`, which the filter tells.
    var datetimes: ClosedRange<Int64>
    /// What is asked of each item that was found otherwise.
    var condition: ItemCondition?
    /// The names of the collections by row id.
    let directory: CollectionDirectory

    /// Nil if nothing can match.
    init?(_ query: SearchQuery) {
        let narrowing = query.filter.map { SearchNarrowing($0, hasArea: query.area != nil) }
        if narrowing?.isEmpty == true { return nil }
        var names = query.collections.isEmpty ? nil : Set(query.collections)
        if let narrowed = narrowing?.collections { names = names?.intersection(narrowed) ?? narrowed }
        let entries: [CollectionDirectory.Entry]
        if let names {
            entries = names.compactMap { query.visible.entry($0) }
            collections = entries.map(\.id)
        } else {
            entries = query.visible.entries
            collections = query.visible.isWhole ? nil : entries.map(\.id)
        }
        guard !entries.isEmpty else { return nil }
        directory = query.visible
        collectionSet = Set(collections ?? [])
        itemCount = entries.reduce(0) { $0 + $1.items }
        var wanted = query.ids.isEmpty ? nil : Set(query.ids.prefix(SearchQuery.idsMax))
        if let narrowed = narrowing?.ids { wanted = wanted?.intersection(narrowed) ?? narrowed }
        if wanted?.isEmpty == true { return nil }
        ids = Array(wanted ?? [])
        area = query.area ?? narrowing?.area
        boxes = area.map(Footprint.boxes) ?? narrowing?.boxes
        interval = query.interval ?? SearchInterval(from: nil, to: nil)
        if let times = narrowing?.times {
            let from = max(interval.from?.microseconds ?? .min, times.lowerBound)
            let to = min(interval.to?.microseconds ?? .max, times.upperBound)
            interval = SearchInterval(
                from: from == .min ? nil : Timestamp(microseconds: from),
                to: to == .max ? nil : Timestamp(microseconds: to))
        }
        if let from = interval.from, let to = interval.to, from > to { return nil }
        datetimes = narrowing?.datetimes ?? .min ... .max
        if let bounds = query.sortTimes {
            let bounds = bounds.lowerBound.microseconds...bounds.upperBound.microseconds
            guard datetimes.overlaps(bounds) else { return nil }
            datetimes = datetimes.clamped(to: bounds)
        }
        condition = ItemCondition(filter: narrowing?.filter, words: query.words)
        areaShare = Self.share(boxes ?? [], of: entries)
    }

    /// Whether each item is asked for its properties, be it for the search or for policy.
    var asksEach: Bool { condition != nil || !directory.tests.isEmpty }

    private static func share(_ boxes: [BoundingBox], of entries: [CollectionDirectory.Entry]) -> Double {
        func size(_ west: Double, _ east: Double, _ south: Double, _ north: Double) -> Double {
            max(0, east - west) * max(0, north - south)
        }
        var whole = 0.0
        var covered = 0.0
        for box in entries.compactMap(\.area).flatMap(\.splitAtAntimeridian) {
            whole += size(box.west, box.east, box.south, box.north)
            for area in boxes {
                covered += size(
                    max(box.west, area.west), min(box.east, area.east), max(box.south, area.south),
                    min(box.north, area.north))
            }
        }
        return whole > 0 ? min(1, covered / whole) : 1
    }

    func matches(_ candidate: SearchCandidate) -> Bool {
        guard collections == nil || collectionSet.contains(candidate.key.collection) else { return false }
        if let from = interval.from, candidate.end < from.microseconds { return false }
        if let to = interval.to, candidate.start > to.microseconds { return false }
        // An item with a time range is compared as a whole: all of it counts.
        guard candidate.key.datetime <= datetimes.upperBound,
            max(candidate.key.datetime, candidate.end) >= datetimes.lowerBound
        else { return false }
        guard let boxes else { return true }
        guard let box = candidate.box else { return false }
        return boxes.contains { $0.intersects(box) }
    }

    /// Whether an item's box alone shows that its geometry meets the area.
    func isSurelyInside(_ candidate: SearchCandidate) -> Bool {
        guard case .box = area, let box = candidate.box, !box.crossesAntimeridian else { return area == nil }
        return (boxes ?? []).contains {
            $0.west <= box.west && box.east <= $0.east && $0.south <= box.south && box.north <= $0.north
        }
    }
}

/// What a search looks at of an item.
struct SearchCandidate {
    var number: Int64
    var key: SortKey
    var start: Int64
    var end: Int64
    var box: BoundingBox?
    /// Bytes of its document.
    var size: Int64
    /// What it is sorted by, where that is not its `datetime`.
    var keys: [[UInt8]] = []

    var sortPosition: SortPosition { SortPosition(keys: keys, number: number) }

    static let columns = """
        i.number, i.datetime, i.collection, i.id, i.start_time, i.end_time, i.west, i.south, i.east, i.north, i.size
        """

    init(_ row: borrowing Row) {
        number = row.int(0)
        key = SortKey(datetime: row.int(1), collection: row.int(2), id: row.text(3))
        (start, end) = (row.int(4), row.int(5))
        if let west = row.doubleOrNil(6) {
            box = try? BoundingBox(west: west, south: row.double(7), east: row.double(8), north: row.double(9))
        }
        size = row.int(10)
    }
}
