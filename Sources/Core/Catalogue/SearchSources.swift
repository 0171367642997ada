import Database
import Geometry

// Where candidates come from. Each batch holds, in order, all candidates between `position` and where it ends.
extension SearchScan {
    /// The next batch, which may be empty; nil when there are no more.
    mutating func nextBatch(_ wanted: Int) throws -> [SearchCandidate]? {
        guard let bounds else { return nil }
        switch source {
        case .exhausted: return nil
        case .ids:
            source = .exhausted
            return ordered(try lookUp(filter.ids))
        case .listed(let numbers):
            source = .exhausted
            return ordered(try lookUp(numbers))
        case .walk:
            let size = min(max(wanted + 1, 16) * (filter.boxes == nil && !filter.asksEach ? 1 : 4), 1000)
            let batch = try walk(bounds, limit: size)
            if batch.count < size {
                source = .exhausted
            } else if filter.asksEach, tables.asOf == nil, examined > Self.walkedMax, !isProbed {
                isProbed = true
                if let listed = try probe(limit: Self.listedLateMax) { source = .listed(listed) }
            } else if filter.boxes != nil, tables.asOf == nil, examined > Self.walkedMax {
                advance(batch)
                // The guess was wrong: there is far less in the area than its size lets expect.
                source = .windows(
                    edge: position?.datetime ?? bounds.upperBound, width: (bounds.upperBound - bounds.lowerBound) / 64)
                return batch
            }
            advance(batch)
            return batch
        case .moment(let moment, let width):
            let batch = try walk(moment...moment, limit: 1000)
            advance(batch)
            if batch.count < 1000 { leave(moment, bounds, width: width) }
            return batch
        case .windows(let edge, let width):
            return try window(edge, width, bounds, wanted)
        }
    }

    private mutating func advance(_ batch: [SearchCandidate]) {
        if let last = batch.last { position = last.key }
    }

    /// Goes on with a window behind a moment, if any of the bounds is left.
    private mutating func leave(_ moment: Int64, _ bounds: ClosedRange<Int64>, width: Int64) {
        let isLast = isDescending ? moment <= bounds.lowerBound : moment >= bounds.upperBound
        source = isLast ? .exhausted : .windows(edge: isDescending ? moment - 1 : moment + 1, width: width)
    }

    private func ordered(_ candidates: [SearchCandidate]) -> [SearchCandidate] {
        var seen = Set<Int64>()
        let rest = candidates.filter { candidate in
            guard seen.insert(candidate.number).inserted else { return false }
            guard let position else { return true }
            return isDescending ? candidate.key < position : position < candidate.key
        }
        return rest.sorted { isDescending ? $1.key < $0.key : $0.key < $1.key }
    }

    // MARK: Windows

    private mutating func window(
        _ edge: Int64, _ width: Int64, _ bounds: ClosedRange<Int64>, _ wanted: Int
    ) throws -> [SearchCandidate] {
        let hitsMax = max(64, wanted * 4)
        // Compared by the room that is left, which cannot overflow.
        let window =
            isDescending
            ? (edge - bounds.lowerBound <= width ? bounds.lowerBound : edge - width)...edge
            : edge...(bounds.upperBound - edge <= width ? bounds.upperBound : edge + width)
        var hits: [SearchCandidate] = []
        for box in filter.boxes ?? [] {
            let left = hitsMax + 1 - hits.count
            let statement = SpatialIndex.select(
                SearchCandidate.columns, box: box, datetimes: window, condition: collectionCondition.sql,
                values: collectionCondition.values, limit: left, engine: engine)
            hits += try reader.rows(statement.sql, statement.values) { SearchCandidate($0) }
            if hits.count > hitsMax { break }
        }
        guard hits.count <= hitsMax else {
            source = window.count == 1 ? .moment(edge, width: 1000) : .windows(edge: edge, width: width / 8)
            examined += hits.count
            return []
        }
        let far = isDescending ? window.lowerBound : window.upperBound
        let batch = ordered(hits)
        advance(batch)
        let (wider, isTooWide) = max(width, 1).multipliedReportingOverflow(by: hits.count * 4 < hitsMax ? 8 : 1)
        leave(far, bounds, width: isTooWide ? .max / 2 : wider)
        return batch
    }

    /// Only where few collections are asked for; among many, those that do not count are left out afterwards.
    private var collectionCondition: (sql: String, values: [SQLValue]) {
        guard let collections = filter.collections, collections.count <= 8 else { return ("", []) }
        let marks = collections.map { _ in "?" }.joined(separator: ", ")
        return (" AND i.collection IN (\(marks))", collections.map { .init($0) })
    }

    // MARK: Walks

    private func walk(_ datetimes: ClosedRange<Int64>, limit: Int) throws -> [SearchCandidate] {
        guard let collections = filter.collections else { return try walk(datetimes, collection: nil, limit: limit) }
        if collections.count == 1 { return try walk(datetimes, collection: collections[0], limit: limit) }
        // Either a walk through all items that leaves out the others, or one through each collection.
        let share = Double(max(filter.itemCount, 1)) / Double(max(filter.directory.itemCount, 1))
        let isPartOfWhole = filter.directory.isWhole || filter.directory.ids.count == collections.count
        guard Double(collections.count) * share < 1 || !isPartOfWhole else {
            return try walk(datetimes, collection: nil, limit: limit)
        }
        var merged: [SearchCandidate] = []
        for collection in collections {
            merged += try walk(datetimes, collection: collection, limit: limit)
            if merged.count > 4 * limit { merged = Array(ordered(merged).prefix(limit)) }
        }
        return Array(ordered(merged).prefix(limit))
    }

    private func walk(_ datetimes: ClosedRange<Int64>, collection: Int64?, limit: Int) throws -> [SearchCandidate] {
        var conditions = ["i.datetime >= ?", "i.datetime <= ?"]
        var values: [SQLValue] = [.init(datetimes.lowerBound), .init(datetimes.upperBound)]
        if let collection {
            conditions.append("i.collection = ?")
            values.append(.init(collection))
        }
        if let position {
            // Said once more by `datetime` alone, where a planner cannot take the bound out of the row comparison.
            conditions.append("i.datetime \(isDescending ? "<=" : ">=") ?")
            conditions.append("(i.datetime, i.collection, i.id) \(isDescending ? "<" : ">") (?, ?, ?)")
            values += [
                .init(position.datetime), .init(position.datetime), .init(position.collection), .init(position.id),
            ]
        }
        let direction = isDescending ? "DESC" : "ASC"
        let order = (collection == nil ? ["i.datetime", "i.collection", "i.id"] : ["i.datetime", "i.id"])
            .map { "\($0) \(direction)" }.joined(separator: ", ")
        return try reader.rows(
            """
            SELECT \(SearchCandidate.columns) FROM \(tables.items) i WHERE \(conditions.joined(separator: " AND "))
            ORDER BY \(order) LIMIT ?
            """, values + [.init(limit)]
        ) { SearchCandidate($0) }
    }

    // MARK: Look-ups

    private func lookUp(_ numbers: [Int64]) throws -> [SearchCandidate] {
        let size = 16
        let marks = Array(repeating: "?", count: size).joined(separator: ", ")
        var out: [SearchCandidate] = []
        for start in stride(from: 0, to: numbers.count, by: size) {
            let chunk = numbers[start..<min(start + size, numbers.count)].map { SQLValue($0) }
            let values = chunk + Array(repeating: chunk.last ?? .null, count: size - chunk.count)
            out += try reader.rows(
                "SELECT \(SearchCandidate.columns) FROM \(tables.items) i WHERE i.number IN (\(marks))", values
            ) { SearchCandidate($0) }
        }
        return out
    }

    private func lookUp(_ ids: [String]) throws -> [SearchCandidate] {
        let size = 16
        let condition = collectionCondition
        let marks = Array(repeating: "?", count: size).joined(separator: ", ")
        var out: [SearchCandidate] = []
        for start in stride(from: 0, to: ids.count, by: size) {
            let chunk = ids[start..<min(start + size, ids.count)].map { SQLValue($0) }
            let values = chunk + Array(repeating: chunk.last ?? .null, count: size - chunk.count)
            out += try reader.rows(
                "SELECT \(SearchCandidate.columns) FROM \(tables.items) i WHERE i.id IN (\(marks))\(condition.sql)",
                values + condition.values
            ) { SearchCandidate($0) }
            guard out.count < Self.examinedMax else {
                throw CatalogueError(
                    .tooLarge,
                    "these ids stand for more than \(Self.examinedMax) items: ask for fewer ids, or name collections")
            }
        }
        return out
    }
}
