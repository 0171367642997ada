import Database
import Geometry
import IAMPolicy
import Wire

/// Runs one search over one snapshot.
///
/// Candidates come in the order of the result, in batches, from one of three sources: look-ups by id; a walk along the
/// index by time; or windows of time, each asked of the spatial index, that widen while little is found and narrow
/// where much is. So a search costs what it returns, wherever it looks: a small box in a large archive is found
/// through the spatial index, a large box through the order of time. Which source begins is a guess from the
/// collections' extents; a walk that finds too little goes over to windows.
struct SearchScan {
    let filter: SearchFilter
    let order: SortOrder
    let tables: ItemTables
    let engine: Engine
    let reader: Reader
    /// Whether the page follows another one or is the first; the other way it precedes one.
    let isForward: Bool
    /// Whether candidates come newest first.
    let isDescending: Bool
    /// The `datetime`s that can match.
    var bounds: ClosedRange<Int64>?
    /// Whether there are items with a time range.
    var hasRanges = false
    /// Candidates up to here, included, have been looked at.
    var position: SortKey?
    var source: Source
    var examined = 0
    /// Whether indexes were asked for a condition that a walk finds too seldom.
    var isProbed = false
    /// What the search counted on its way, where that is all or tells how much there is.
    var counted: MatchedCount?

    enum Source {
        case ids
        case walk
        /// `edge` is where the next window begins, `width` how long it is.
        case windows(edge: Int64, width: Int64)
        /// One moment holds more candidates than a window may: a walk through it, then windows of `width` go on.
        case moment(Int64, width: Int64)
        /// Items that an index showed.
        case listed([Int64])
        case exhausted
    }

    /// Candidates that a walk may look at before it goes over to windows.
    static let walkedMax = 4000
    /// Candidates that a page may cost; it ends there with what was found, and the next one goes on.
    static let examinedMax = 200_000
    /// Items that an index may show for a condition, so that they are looked up instead of a walk; and where a walk
    /// has found too little.
    static let listedMax = 1000
    static let listedLateMax = 50_000
    /// Items that are looked for on a first page, beyond its limit, to count what matches exactly.
    static let countedMax = 100

    init(
        _ filter: SearchFilter, _ order: SortOrder, _ tables: ItemTables, engine: Engine, reader: Reader,
        from token: PageToken?
    ) throws {
        self.filter = filter
        self.order = order
        self.tables = tables
        self.engine = engine
        self.reader = reader
        isForward = token?.direction != .previous
        isDescending = isForward == (order.timeIsDescending ?? true)
        if case .time(let key) = token?.position { position = key }
        source = .walk
        bounds = try readBounds()
        source = try firstSource()
    }

    private func firstSource() throws -> Source {
        guard let bounds else { return .exhausted }
        // A token of another search may stand outside of what this one looks at.
        if let position, isDescending ? position.datetime < bounds.lowerBound : position.datetime > bounds.upperBound {
            return .exhausted
        }
        if !filter.ids.isEmpty { return .ids }
        // The past has no spatial index: it is walked through, which is right and slow.
        guard tables.asOf == nil else { return .walk }
        if let listed = try probe(limit: Self.listedMax) { return .listed(listed) }
        let isWalkShort =
            filter.boxes == nil || filter.areaShare >= 0.1 || (filter.collections != nil && filter.itemCount <= 2000)
        return isWalkShort ? .walk : windows(bounds)
    }

    /// The first window: as long as should hold what a page needs.
    private func windows(_ bounds: ClosedRange<Int64>, wanted: Double = 40) -> Source {
        let edge =
            isDescending
            ? min(position?.datetime ?? .max, bounds.upperBound) : max(position?.datetime ?? .min, bounds.lowerBound)
        let expected = max(Double(filter.itemCount) * filter.areaShare, 1)
        let length = Double(bounds.upperBound) - Double(bounds.lowerBound)
        return .windows(edge: edge, width: Int64(length * min(1, wanted / expected)))
    }

    /// The `datetime`s between which items can match: nil if there are none. Items with a time range may lie outside
    /// of the interval by as much as any such range reaches.
    private mutating func readBounds() throws -> ClosedRange<Int64>? {
        var (condition, values): (String, [SQLValue]) = ("", [])
        if let collections = filter.collections, collections.count == 1 {
            (condition, values) = (" WHERE collection = ?", [.init(collections[0])])
        }
        guard tables.asOf == nil else { return try pastBounds(condition, values) }
        let ends = try reader.first(
            """
            SELECT (SELECT min(datetime) FROM items\(condition)), (SELECT max(datetime) FROM items\(condition)),
            (SELECT max(reach_before) FROM catalogue_collections\(condition)),
            (SELECT max(reach_after) FROM catalogue_collections\(condition))
            """, values + values + values + values
        ) { row in
            (row.intOrNil(0), row.intOrNil(1), before: row.int(2), after: row.int(3))
        }
        guard let ends, var low = ends.0, var high = ends.1 else { return nil }
        hasRanges = ends.before > 0 || ends.after > 0
        if let from = filter.interval.from {
            low = max(low, from.microseconds.subtractingReportingOverflow(ends.after).partialValue)
        }
        if let to = filter.interval.to {
            high = min(high, to.microseconds.addingReportingOverflow(ends.before).partialValue)
        }
        let least = filter.datetimes.lowerBound.subtractingReportingOverflow(ends.after)
        low = max(low, least.overflow ? .min : least.partialValue)
        high = min(high, filter.datetimes.upperBound)
        return low <= high ? low...high : nil
    }

    /// How far time ranges reached is not known of the past, so nothing is left out.
    private mutating func pastBounds(_ condition: String, _ values: [SQLValue]) throws -> ClosedRange<Int64>? {
        hasRanges = true
        let ends = try ["items", "past_items"].flatMap { table in
            try ["min", "max"].compactMap {
                try reader.scalar("SELECT \($0)(datetime) FROM \(table)\(condition)", values)
            }
        }
        guard let low = ends.min(), let high = ends.max() else { return nil }
        return low...high
    }

    // MARK: Pages

    mutating func page(limit: Int, token: PageToken?, needsDocuments: Bool = true) throws -> ItemPage {
        // What is looked up by id is there at once, so it is counted whole.
        var isListed = !filter.ids.isEmpty
        if case .listed = source { isListed = true }
        let wanted = token != nil ? limit + 1 : isListed ? Self.examinedMax : max(limit, Self.countedMax) + 1
        let (found, isComplete) =
            order.timeIsDescending == nil ? try findSorted(limit + 1, after: token) : try find(wanted)
        let matched = try token?.matched ?? count(found, isComplete: isComplete)
        var shown = Array(found.prefix(limit))
        var bytes: Int64 = 0
        if needsDocuments,
            let cut = shown.firstIndex(where: {
                bytes += $0.size; return bytes > ItemPage.documentBytesMax
            })
        {
            shown.removeSubrange(max(cut, 1)...)
        }
        let hasMore = found.count > shown.count || !isComplete
        // Where a page ends early and empty, what was looked at last is where the next begins.
        let last = shown.count < found.count || isComplete ? shown.last.map(place) : position.map { .time($0) }
        let mark = order.mark
        let onward =
            hasMore ? last.map { PageToken(isForward ? .next : .previous, $0, order: mark, matched) } : nil
        let back =
            token == nil
            ? nil
            : (shown.first.map(place) ?? token?.position)
                .map { PageToken(isForward ? .previous : .next, $0, order: mark, matched) }
        if !isForward { shown.reverse() }
        return ItemPage(
            items: needsDocuments ? try documents(shown) : names(shown), next: isForward ? onward : back,
            previous: isForward ? back : onward,
            matched: matched)
    }

    private func place(_ candidate: SearchCandidate) -> PageToken.Position {
        order.timeIsDescending == nil ? .sorted(candidate.sortPosition) : .time(candidate.key)
    }

    /// The first items that match, at most `wanted`, and whether there are no more.
    private mutating func find(_ wanted: Int) throws -> (found: [SearchCandidate], isComplete: Bool) {
        var found: [SearchCandidate] = []
        while found.count < wanted, examined < Self.examinedMax {
            guard let batch = try nextBatch(wanted - found.count) else { return (found, true) }
            examined += batch.count
            let matching = try exact(batch.filter(filter.matches))
            found += matching.prefix(wanted - found.count)
            // Of what lies behind the last item that is wanted nothing is known yet.
            if found.count == wanted, let last = found.last { position = last.key }
        }
        return (found, false)
    }

    /// Those whose geometry meets the area, that fulfil the condition and that policy shows, with what they are sorted
    /// by.
    func exact(_ candidates: [SearchCandidate]) throws -> [SearchCandidate] {
        let condition = filter.condition
        let sorts = order.timeIsDescending == nil
        let tests = filter.directory.tests
        let needsAll = condition != nil || !tests.isEmpty || (sorts && order.needsProperties)
        let unsure = needsAll ? candidates : candidates.filter { !filter.isSurelyInside($0) }
        guard !unsure.isEmpty || sorts else { return candidates }
        let names = sorts || condition != nil ? filter.directory.names(of: Set(candidates.map(\.key.collection))) : [:]
        var kept: [Int64: SearchCandidate] = [:]
        for chunk in Chunks(unsure, bytes: \.size) {
            let known = Dictionary(chunk.map { ($0.number, $0) }) { first, _ in first }
            try reader.query(
                """
                SELECT item, \(filter.area == nil && condition?.needsGeometry != true ? "NULL" : "geometry"),
                \(needsAll ? "properties" : "NULL") FROM \(tables.documents) d WHERE item IN (\(Chunks.marks))
                """, Chunks.values(chunk)
            ) { row in
                guard var candidate = known[row.int(0)] else { return }
                let geometry = row.blobOrNil(1)
                if let area = filter.area, !filter.isSurelyInside(candidate), let geometry, let box = candidate.box {
                    let shape = try Geometry(parsing: JSONValue(parsing: geometry))
                    guard Footprint.meets(area, shape, box: box) else { return }
                }
                if needsAll {
                    let properties = PropertyBytes(row.blob(2))
                    let name = names[candidate.key.collection] ?? ""
                    if let test = tests[candidate.key.collection] {
                        let values = try ItemProperties.values(of: JSONValue(parsing: properties.bytes))
                        guard test.holds({ values[$0] ?? [] }) else { return }
                    }
                    guard try condition?.holds(candidate, in: name, properties, geometry) ?? true else { return }
                    if sorts { candidate.keys = order.keys(candidate, in: name, properties) }
                }
                kept[candidate.number] = candidate
            }
        }
        let looked = Set(unsure.map(\.number))
        return candidates.compactMap { candidate in
            guard !looked.contains(candidate.number) || !needsAll else { return kept[candidate.number] }
            guard kept[candidate.number] != nil || !looked.contains(candidate.number) else { return nil }
            var candidate = candidate
            if sorts { candidate.keys = order.keys(candidate, in: names[candidate.key.collection] ?? "", nil) }
            return candidate
        }
    }

    /// Items without documents.
    private func names(_ candidates: [SearchCandidate]) -> [ItemRecord] {
        let names = filter.directory.names(of: Set(candidates.map(\.key.collection)))
        return candidates.map { candidate in
            ItemRecord(
                collection: names[candidate.key.collection] ?? "", id: candidate.key.id, product: nil, tid: 0,
                updated: Timestamp(microseconds: 0), document: [], linksAt: 0)
        }
    }

    private func documents(_ candidates: [SearchCandidate]) throws -> [ItemRecord] {
        let names = filter.directory.names(of: Set(candidates.map(\.key.collection)))
        var records: [Int64: ItemRecord] = [:]
        for chunk in Chunks(candidates, bytes: \.size) {
            try reader.query(
                """
                SELECT i.id, i.product, i.tid, i.updated, i.links_at, d.document, i.number, i.collection
                FROM \(tables.items) i JOIN \(tables.documents) d ON d.item = i.number
                WHERE i.number IN (\(Chunks.marks))
                """, Chunks.values(chunk)
            ) { row in
                records[row.int(6)] = Catalogue.item(row, collection: names[row.int(7)] ?? "")
            }
        }
        return candidates.compactMap { records[$0.number] }
    }
}

extension CollectionDirectory {
    /// The names of a few collections by their row ids.
    func names(of wanted: Set<Int64>) -> [Int64: String] {
        var out: [Int64: String] = [:]
        for entry in entries where wanted.contains(entry.id) { out[entry.id] = entry.name }
        return out
    }
}

/// Candidates in groups that one statement fetches: few enough in number and in bytes to be held in memory.
struct Chunks: Sequence, IteratorProtocol {
    private static let countMax = 16
    private static let bytesMax: Int64 = 4 << 20
    static let marks = Array(repeating: "?", count: countMax).joined(separator: ", ")

    private var rest: ArraySlice<SearchCandidate>
    private let bytes: (SearchCandidate) -> Int64

    init(_ candidates: [SearchCandidate], bytes: @escaping (SearchCandidate) -> Int64) {
        rest = candidates[...]
        self.bytes = bytes
    }

    mutating func next() -> ArraySlice<SearchCandidate>? {
        guard !rest.isEmpty else { return nil }
        var count = 0
        var sum: Int64 = 0
        for candidate in rest.prefix(Self.countMax) {
            sum += bytes(candidate)
            if count > 0, sum > Self.bytesMax { break }
            count += 1
        }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    /// Always as many values, the last one again and again, so that one prepared statement serves all.
    static func values(_ chunk: ArraySlice<SearchCandidate>) -> [SQLValue] {
        let numbers = chunk.map { SQLValue($0.number) }
        return numbers + Array(repeating: numbers.last ?? .null, count: countMax - numbers.count)
    }
}
