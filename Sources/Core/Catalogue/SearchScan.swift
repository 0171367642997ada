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
    let tables: ItemTables
    let engine: Engine
    let reader: Reader
    /// Whether items come newest first, as results do; the other way for a page before another.
    let isDescending: Bool
    /// The `datetime`s that can match.
    var bounds: ClosedRange<Int64>?
    /// Whether there are items with a time range.
    var hasRanges = false
    /// Candidates up to here, included, have been looked at.
    var position: SortKey?
    var source: Source
    var examined = 0

    enum Source {
        case ids
        case walk
        /// `edge` is where the next window begins, `width` how long it is.
        case windows(edge: Int64, width: Int64)
        /// One moment holds more candidates than a window may: a walk through it, then windows of `width` go on.
        case moment(Int64, width: Int64)
        case exhausted
    }

    /// Candidates that a walk may look at before it goes over to windows.
    static let walkedMax = 4000
    /// Candidates that a page may cost; it ends there with what was found, and the next one goes on.
    static let examinedMax = 200_000
    /// Items that are looked for on a first page, beyond its limit, to count what matches exactly.
    static let countedMax = 100

    init(
        _ filter: SearchFilter, _ tables: ItemTables, engine: Engine, reader: Reader, from token: PageToken?
    ) throws {
        self.filter = filter
        self.tables = tables
        self.engine = engine
        self.reader = reader
        isDescending = token?.direction != .previous
        position = token?.position
        source = .walk
        bounds = try readBounds()
        source = firstSource()
    }

    private func firstSource() -> Source {
        guard let bounds else { return .exhausted }
        // A token of another search may stand outside of what this one looks at.
        if let position, isDescending ? position.datetime < bounds.lowerBound : position.datetime > bounds.upperBound {
            return .exhausted
        }
        if !filter.ids.isEmpty { return .ids }
        // The past has no spatial index: it is walked through, which is right and slow.
        guard tables.asOf == nil else { return .walk }
        let isWalkShort =
            filter.area == nil || filter.areaShare >= 0.1 || (filter.collections != nil && filter.itemCount <= 2000)
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

    mutating func page(limit: Int, token: PageToken?) throws -> ItemPage {
        // What is looked up by id is there at once, so it is counted whole.
        let wanted = token != nil ? limit + 1 : filter.ids.isEmpty ? max(limit, Self.countedMax) + 1 : Self.examinedMax
        let (found, isComplete) = try find(wanted)
        let matched = try token?.matched ?? count(found, isComplete: isComplete)
        var shown = Array(found.prefix(limit))
        var bytes: Int64 = 0
        if let cut = shown.firstIndex(where: {
            bytes += $0.size; return bytes > ItemPage.documentBytesMax
        }) {
            shown.removeSubrange(max(cut, 1)...)
        }
        let hasMore = found.count > shown.count || !isComplete
        // Where a page ends early and empty, what was looked at last is where the next begins.
        let last = shown.count < found.count || isComplete ? shown.last?.key : position
        let onward = hasMore ? last.map { PageToken(isDescending ? .next : .previous, $0, matched) } : nil
        let back =
            token == nil
            ? nil
            : (shown.first?.key ?? token?.position)
                .map { PageToken(isDescending ? .previous : .next, $0, matched) }
        if !isDescending { shown.reverse() }
        return ItemPage(
            items: try documents(shown), next: isDescending ? onward : back, previous: isDescending ? back : onward,
            matched: matched)
    }

    /// The first items that match, at most `wanted`, and whether there are no more.
    private mutating func find(_ wanted: Int) throws -> (found: [SearchCandidate], isComplete: Bool) {
        var found: [SearchCandidate] = []
        while found.count < wanted, examined < Self.examinedMax {
            guard let batch = try nextBatch(wanted - found.count) else { return (found, true) }
            examined += batch.count
            let matching = try shown(try exact(batch.filter(filter.matches)))
            found += matching.prefix(wanted - found.count)
            // Of what lies behind the last item that is wanted nothing is known yet.
            if found.count == wanted, let last = found.last { position = last.key }
        }
        return (found, false)
    }

    /// Those whose geometry meets the area.
    private func exact(_ candidates: [SearchCandidate]) throws -> [SearchCandidate] {
        guard let area = filter.area else { return candidates }
        let unsure = candidates.filter { !filter.isSurelyInside($0) }
        guard !unsure.isEmpty else { return candidates }
        var outside = Set<Int64>()
        for chunk in Chunks(unsure, bytes: \.size) {
            let boxes = Dictionary(chunk.map { ($0.number, $0.box) }) { first, _ in first }
            try reader.query(
                "SELECT item, geometry FROM \(tables.documents) d WHERE item IN (\(Chunks.marks))", Chunks.values(chunk)
            ) { row in
                guard let box = boxes[row.int(0)] ?? nil else { return }
                let geometry = try Geometry(parsing: JSONValue(parsing: row.blob(1)))
                if !Footprint.meets(area, geometry, box: box) { outside.insert(row.int(0)) }
            }
        }
        return candidates.filter { !outside.contains($0.number) }
    }

    /// Those whose properties policy asks for, where it asks for some.
    private func shown(_ candidates: [SearchCandidate]) throws -> [SearchCandidate] {
        let tests = filter.directory.tests
        guard !tests.isEmpty else { return candidates }
        let unsure = candidates.filter { tests[$0.key.collection] != nil }
        var hidden = Set<Int64>()
        for chunk in Chunks(unsure, bytes: \.size) {
            let collections = Dictionary(chunk.map { ($0.number, $0.key.collection) }) { first, _ in first }
            try reader.query(
                "SELECT item, document FROM \(tables.documents) d WHERE item IN (\(Chunks.marks))", Chunks.values(chunk)
            ) { row in
                guard let test = collections[row.int(0)].flatMap({ tests[$0] }) else { return }
                let values = try ItemProperties.values(of: row.blob(1))
                if !test.holds({ values[$0] ?? [] }) { hidden.insert(row.int(0)) }
            }
        }
        return candidates.filter { !hidden.contains($0.number) }
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
private struct Chunks: Sequence, IteratorProtocol {
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
