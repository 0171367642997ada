import Database
import Geometry
import Wire

// Pages in another order than that of time. Where each collection that is searched has an index of the first property,
// that is walked along; otherwise all candidates are looked at, however many, and the first of them kept.
extension SearchScan {
    /// The first items that match behind the token, at most `wanted`, and whether there are no more.
    mutating func findSorted(
        _ wanted: Int, after token: PageToken?
    ) throws -> (found: [SearchCandidate], isComplete: Bool) {
        var from: SortPosition?
        if case .sorted(let position) = token?.position { from = position }
        if let first = order.fields.first, filter.ids.isEmpty, try isWorthWalking(),
            let indexes = try indexes(of: first.property)
        {
            var found: [SearchCandidate] = []
            var (isComplete, isTooLong) = (true, false)
            for index in indexes where !isTooLong {
                if let (part, isWhole) = try walk(index: index, wanted, after: from) {
                    found += part
                    isComplete = isComplete && isWhole
                } else {
                    isTooLong = true
                }
            }
            if !isTooLong {
                found.sort { precedes($0.sortPosition, $1.sortPosition) }
                if token == nil {
                    counted = try countWalked(found.count, isComplete: isComplete && found.count < wanted)
                }
                return (Array(found.prefix(wanted)), isComplete && found.count <= wanted)
            }
        }
        return try sortAll(wanted, after: from, isFirst: token == nil)
    }

    private func precedes(_ a: SortPosition, _ b: SortPosition) -> Bool {
        isForward ? order.precedes(a, b) : order.precedes(b, a)
    }

    private func isBehind(_ from: SortPosition?, _ candidate: SearchCandidate) -> Bool {
        guard let from else { return true }
        return precedes(from, candidate.sortPosition)
    }

    // MARK: All candidates

    private mutating func sortAll(
        _ wanted: Int, after from: SortPosition?, isFirst: Bool
    ) throws -> (found: [SearchCandidate], isComplete: Bool) {
        var kept: [SearchCandidate] = []
        var matched: Int64 = 0
        var hasMore = false
        let keptMax = 2 * wanted + 1000
        func trim() {
            kept.sort { precedes($0.sortPosition, $1.sortPosition) }
            if kept.count > wanted {
                hasMore = true
                kept.removeLast(kept.count - wanted)
            }
        }
        while let batch = try nextBatch(1000) {
            let matching = try exact(batch.filter(filter.matches))
            matched += Int64(matching.count)
            kept += matching.filter { isBehind(from, $0) }
            if kept.count > keptMax { trim() }
        }
        trim()
        if isFirst { counted = MatchedCount(count: matched, isEstimate: false) }
        return (kept, !hasMore)
    }

    // MARK: Indexes

    /// Not where place or time leave few candidates, which are sorted sooner than an index is walked along.
    private func isWorthWalking() throws -> Bool {
        if case .listed = source { return false }
        guard tables.asOf == nil, filter.boxes == nil || filter.areaShare >= 0.1, let bounds else { return false }
        return try count(bounds, checksRanges: false) == nil
    }

    /// The first items that match along one index; nil where too few match for this to be the way.
    private mutating func walk(
        index: Int64, _ wanted: Int, after from: SortPosition?
    ) throws -> (found: [SearchCandidate], isComplete: Bool)? {
        let isDown = order.isDescending == isForward
        var found: [SearchCandidate] = []
        // Items of one value, of which more may follow: they are in order only when all are there.
        var group: [SearchCandidate] = []
        var groupKey: [UInt8]?
        let isSingle = order.fields.count == 1
        // Several fields: the group in which the last page ended is gone through again.
        var (value, number) = (from?.keys.first, isSingle ? from?.number : isDown ? Int64.max : Int64.min)
        func close() {
            group.sort { precedes($0.sortPosition, $1.sortPosition) }
            found += group.filter { isBehind(from, $0) }
            group = []
        }
        while found.count < wanted {
            let size = min(max(4 * wanted, 64), 1000)
            let batch = try step(index, value, number, isDown: isDown, size)
            examined += batch.count
            guard examined <= Self.examinedMax else { return nil }
            let candidates = batch.map(\.candidate)
            let matching = try exact(candidates.filter(filter.matches))
            let keys = Dictionary(batch.map { ($0.candidate.number, $0.value) }) { first, _ in first }
            for candidate in matching {
                let key = keys[candidate.number]
                if isSingle || key != groupKey { close() }
                groupKey = key
                group.append(candidate)
            }
            guard batch.count == size, let last = batch.last else {
                close()
                return (Array(found.prefix(wanted)), found.count <= wanted)
            }
            if isSingle || last.value != groupKey { close() }
            (value, number) = (last.value, last.candidate.number)
        }
        return (Array(found.prefix(wanted)), false)
    }

    private func step(
        _ index: Int64, _ value: [UInt8]?, _ number: Int64?, isDown: Bool, _ limit: Int
    ) throws -> [(value: [UInt8], candidate: SearchCandidate)] {
        var conditions = ["v.property = ?"]
        var values: [SQLValue] = [.init(index)]
        // What has no value stands at both ends; here it comes last.
        conditions.append("v.value \(isForward == isDown ? "<" : ">") ?")
        values.append(.init(isForward == isDown ? PropertyKey.last : PropertyKey.first))
        if let value, let number {
            conditions.append("v.value \(isDown ? "<=" : ">=") ?")
            conditions.append("(v.value, v.item) \(isDown ? "<" : ">") (?, ?)")
            values += [.init(value), .init(value), .init(number)]
        }
        let direction = isDown ? "DESC" : "ASC"
        return try reader.rows(
            """
            SELECT \(SearchCandidate.columns), v.value FROM item_values v JOIN items i ON i.number = v.item
            WHERE \(conditions.joined(separator: " AND ")) ORDER BY v.value \(direction), v.item \(direction) LIMIT ?
            """, values + [.init(limit)]
        ) { (value: $0.blob(11), candidate: SearchCandidate($0)) }
    }

    private func countWalked(_ found: Int, isComplete: Bool) throws -> MatchedCount {
        if isComplete { return MatchedCount(count: Int64(found), isEstimate: false) }
        if filter.boxes == nil, filter.condition == nil, filter.directory.tests.isEmpty,
            filter.interval == SearchInterval(from: nil, to: nil),
            filter.datetimes == Int64.min...Int64.max
        {
            return try countCollections()
        }
        let share = Double(found) / Double(max(examined, 1))
        let count = Int64(min(Double(filter.itemCount) * share, 1e15))
        return MatchedCount(count: max(Int64(found), count), isEstimate: true)
    }
}
