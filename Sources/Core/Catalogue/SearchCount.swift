import Database
import Wire

extension SearchScan {
    /// Counts beyond which a search by time is estimated.
    private static let indexCountMax = 1000
    /// Collections whose counts are read anew; of more, the directory's counts are taken, a second old.
    private static let freshMax = 100

    /// How many items match, given the first of them.
    func count(_ found: [SearchCandidate], isComplete: Bool) throws -> MatchedCount {
        if let counted { return counted }
        if isComplete { return MatchedCount(count: Int64(found.count), isEstimate: false) }
        // What policy hides is counted by nothing that has not looked at it.
        guard filter.directory.tests.isEmpty else {
            return MatchedCount(count: try estimate(found), isEstimate: true)
        }
        if filter.boxes == nil, filter.ids.isEmpty, filter.condition == nil {
            if tables.asOf == nil, filter.interval.from == nil, filter.interval.to == nil,
                filter.datetimes == Int64.min...Int64.max
            {
                return try countCollections()
            }
            if let exact = try countInterval() { return MatchedCount(count: exact, isEstimate: false) }
        }
        return MatchedCount(count: try estimate(found), isEstimate: true)
    }

    func countCollections() throws -> MatchedCount {
        let collections = filter.collections ?? filter.directory.entries.map(\.id)
        guard collections.count <= Self.freshMax else { return MatchedCount(count: filter.itemCount, isEstimate: true) }
        let marks = collections.map { _ in "?" }.joined(separator: ", ")
        let count = try reader.scalar(
            "SELECT CAST(sum(items) AS INTEGER) FROM catalogue_collections WHERE collection IN (\(marks))",
            collections.map { .init($0) })
        return MatchedCount(count: count ?? 0, isEstimate: false)
    }

    /// How many items of the collections match by time; nil for more than can be counted quickly.
    private func countInterval() throws -> Int64? {
        guard let bounds else { return 0 }
        return try count(bounds, checksRanges: hasRanges)
    }

    func count(_ datetimes: ClosedRange<Int64>, checksRanges: Bool) throws -> Int64? {
        var count: Int64 = 0
        let collections: [Int64?] = filter.collections ?? [nil]
        guard collections.count <= Self.freshMax else { return nil }
        for collection in collections {
            let left = Int64(Self.indexCountMax) + 1 - count
            var condition = "datetime >= ? AND datetime <= ?"
            var values: [SQLValue] = [.init(datetimes.lowerBound), .init(datetimes.upperBound)]
            if let collection {
                condition += " AND collection = ?"
                values.append(.init(collection))
            }
            // Left out where they can be: the index alone answers then.
            if checksRanges {
                condition += " AND end_time >= ? AND start_time <= ?"
                values += [
                    .init(filter.interval.from?.microseconds ?? .min), .init(filter.interval.to?.microseconds ?? .max),
                ]
            }
            count +=
                try reader.scalar(
                    "SELECT count(*) FROM (SELECT 1 FROM \(tables.items) i WHERE \(condition) LIMIT ?) AS found",
                    values + [.init(left)]) ?? 0
            if count > Self.indexCountMax { return nil }
        }
        return count
    }

    /// The share that was found of what was passed on the way, of all that there is; where too much was passed to be
    /// counted, the share of the time.
    private func estimate(_ found: [SearchCandidate]) throws -> Int64 {
        guard let bounds, let last = found.last else { return filter.itemCount }
        let least = Int64(found.count)
        let most = max(filter.itemCount, least)
        let seen =
            isDescending
            ? min(last.key.datetime, bounds.upperBound)...bounds.upperBound
            : bounds.lowerBound...max(last.key.datetime, bounds.lowerBound)
        let scale: Double
        if filter.boxes != nil || filter.condition != nil, let passed = try count(seen, checksRanges: false),
            passed >= least
        {
            scale = Double(try countInterval() ?? most) / Double(passed)
        } else {
            let whole = Double(bounds.upperBound) - Double(bounds.lowerBound)
            scale = whole / max(1, Double(seen.upperBound) - Double(seen.lowerBound))
        }
        return max(least, min(most, Int64(min(Double(least) * scale, 1e15))))
    }
}
