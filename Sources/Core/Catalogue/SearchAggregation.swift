import Database
import Geometry
import Journal
import Wire

extension Catalogue {
    /// Counts the items that a query finds, whatever its order, limit and token are.
    ///
    /// - Returns: as many results as were asked for, in the same order.
    /// - Throws: ``CatalogueError`` `.tooBroad` where more than a million items would have to be looked at one by one;
    ///   `PastError` for a state that cannot be read.
    package func aggregate(_ query: SearchQuery, _ wanted: [Aggregation]) async throws -> [AggregationResult] {
        var query = query
        // What is sorted by is what is read of each item.
        let properties = wanted.compactMap { if case .values(let property, _) = $0 { property } else { nil } }
        query.order = SortOrder(properties.map { SortOrder.Field($0, isDescending: false) })
        guard let filter = SearchFilter(query) else { return Aggregator(wanted, properties).results }
        let engine = journal.database.engine
        let covers = { @Sendable in filter.collections == nil || filter.collectionSet.contains($0) }
        let (order, asOf) = (query.order, query.asOf)
        return try await read(asOf: asOf, covers: covers) { reader in
            var scan = try SearchScan(
                filter, order, ItemTables(asOf: asOf), engine: engine, reader: reader, from: nil)
            return try scan.aggregate(wanted)
        }
    }
}

extension SearchScan {
    /// Items that an aggregation looks at one by one at most.
    private static let aggregatedMax = 1_000_000

    fileprivate mutating func aggregate(_ wanted: [Aggregation]) throws -> [AggregationResult] {
        var aggregator = Aggregator(wanted, order.fields.map(\.property))
        if aggregator.needsTimesOnly, filter.boxes == nil, filter.ids.isEmpty, filter.condition == nil,
            filter.directory.tests.isEmpty
        {
            try countHours(&aggregator)
            return aggregator.results
        }
        while let batch = try nextBatch(1000) {
            examined += batch.count
            guard examined <= Self.aggregatedMax else {
                throw CatalogueError(
                    .tooBroad,
                    "aggregations: more than \(Self.aggregatedMax) items would have to be looked at: narrow the search")
            }
            let matching = try exact(batch.filter(filter.matches))
            let shapes = aggregator.needsGeometry ? try geometries(matching) : [:]
            let names =
                aggregator.needsCollections ? filter.directory.names(of: Set(matching.map(\.key.collection))) : [:]
            for candidate in matching {
                aggregator.add(candidate, in: names[candidate.key.collection] ?? "", shapes[candidate.number])
            }
        }
        return aggregator.results
    }

    /// All that time and collection say is counted by the engine, by the hour.
    private mutating func countHours(_ aggregator: inout Aggregator) throws {
        guard let bounds else { return }
        var conditions = ["datetime >= ?", "datetime <= ?"]
        var values: [SQLValue] = [.init(bounds.lowerBound), .init(bounds.upperBound)]
        if hasRanges {
            conditions += ["end_time >= ?", "start_time <= ?"]
            values += [
                .init(filter.interval.from?.microseconds ?? .min), .init(filter.interval.to?.microseconds ?? .max),
            ]
        }
        if let collections = filter.collections, collections.count <= Self.countedCollectionsMax {
            conditions.append("collection IN (\(collections.map { _ in "?" }.joined(separator: ", ")))")
            values += collections.map { .init($0) }
        }
        // Counted from the year 0, so that the division rounds down.
        let hours = "(datetime + 62167219200000000) / 3600000000"
        var names: [Int64: String] = [:]
        for entry in filter.directory.entries { names[entry.id] = entry.name }
        try reader.query(
            """
            SELECT collection, \(hours), count(*), min(datetime), max(datetime) FROM \(tables.items) i
            WHERE \(conditions.joined(separator: " AND ")) GROUP BY 1, 2
            """, values
        ) { row in
            guard filter.collections == nil || filter.collectionSet.contains(row.int(0)) else { return }
            aggregator.add(
                row.int(2), from: Timestamp(microseconds: row.int(3)), to: Timestamp(microseconds: row.int(4)),
                in: names[row.int(0)] ?? "")
        }
    }

    private static let countedCollectionsMax = 500

    private func geometries(_ candidates: [SearchCandidate]) throws -> [Int64: Geometry] {
        var out: [Int64: Geometry] = [:]
        for chunk in Chunks(candidates, bytes: \.size) {
            try reader.query(
                "SELECT item, geometry FROM \(tables.documents) d WHERE item IN (\(Chunks.marks))",
                Chunks.values(chunk)
            ) { row in
                guard let geometry = row.blobOrNil(1) else { return }
                out[row.int(0)] = try Geometry(parsing: JSONValue(parsing: geometry))
            }
        }
        return out
    }
}

/// Counts items as they come.
private struct Aggregator {
    typealias Key = AggregationResult.Bucket.Key

    private let wanted: [Aggregation]
    /// What candidates bring as their keys.
    private let properties: [String]
    private var total: Int64 = 0
    private var first: Timestamp?
    private var last: Timestamp?
    private var counts: [[Key: Int64]]
    private var overflows: [Int64]

    /// Cells that one item is counted in at most: more is overflow.
    private static let cellsMax = 4096

    init(_ wanted: [Aggregation], _ properties: [String]) {
        self.wanted = wanted
        self.properties = properties
        counts = Array(repeating: [:], count: wanted.count)
        overflows = Array(repeating: 0, count: wanted.count)
    }

    var needsTimesOnly: Bool {
        wanted.allSatisfy { if case .cells = $0 { false } else if case .values = $0 { false } else { true } }
    }
    var needsGeometry: Bool {
        wanted.contains { if case .cells(_, _, let isCentroid) = $0 { !isCentroid } else { false } }
    }
    var needsCollections: Bool { wanted.contains(.collections) }

    /// Several items between two moments of one hour.
    mutating func add(_ count: Int64, from: Timestamp, to: Timestamp, in collection: String) {
        total += count
        first = min(first ?? from, from)
        last = max(last ?? to, to)
        for (index, aggregation) in wanted.enumerated() {
            switch aggregation {
            case .collections: self.count(.text(collection), count, at: index)
            case .datetimes(let interval): self.count(.moment(interval.start(of: from)), count, at: index)
            default: break
            }
        }
    }

    mutating func add(_ candidate: SearchCandidate, in collection: String, _ geometry: Geometry?) {
        let moment = Timestamp(microseconds: candidate.key.datetime)
        add(1, from: moment, to: moment, in: collection)
        for (index, aggregation) in wanted.enumerated() {
            switch aggregation {
            case .cells(let grid, let precision, let isCentroid):
                guard let box = candidate.box else { continue }
                if isCentroid {
                    count(.text(GridCell(grid, precision: precision, at: box.centre).text), 1, at: index)
                } else {
                    add(box, geometry, grid, precision, at: index)
                }
            case .values(let property, let bounds):
                guard let place = properties.firstIndex(of: PropertyBytes.name(property)),
                    place < candidate.keys.count, let key = PropertyKey.value(of: candidate.keys[place])
                else { continue }
                count(Self.bucket(key, bounds), 1, at: index)
            default: break
            }
        }
    }

    private mutating func add(
        _ box: BoundingBox, _ geometry: Geometry?, _ grid: GridCell.Grid, _ precision: Int, at index: Int
    ) {
        var cells = Set<GridCell>()
        for half in box.splitAtAntimeridian {
            guard let part = GridCell.covering(half, grid, precision: precision, most: Self.cellsMax) else {
                overflows[index] += 1
                return
            }
            cells.formUnion(part)
        }
        for cell in cells {
            if cells.count > 1, let geometry, let square = cell.box,
                !Footprint.meets(.box(square), geometry, box: box)
            {
                continue
            }
            count(.text(cell.text), 1, at: index)
        }
    }

    private static func bucket(_ key: Key, _ bounds: [Double]) -> Key {
        guard case .number(let number) = key, let least = bounds.first else { return key }
        guard number >= least else { return .range(nil, least) }
        let place = bounds.lastIndex { $0 <= number } ?? 0
        return .range(bounds[place], place + 1 < bounds.count ? bounds[place + 1] : nil)
    }

    private mutating func count(_ key: Key, _ count: Int64, at index: Int) {
        if counts[index][key] == nil, counts[index].count >= Aggregation.bucketsMax {
            overflows[index] += count
        } else {
            counts[index][key, default: 0] += count
        }
    }

    var results: [AggregationResult] {
        wanted.enumerated().map { index, aggregation in
            switch aggregation {
            case .totalCount: .count(total)
            case .datetimeMin: .moment(first)
            case .datetimeMax: .moment(last)
            default:
                .buckets(
                    counts[index].map { AggregationResult.Bucket(key: $0.key, frequency: $0.value) }.sorted(
                        by: Self.order),
                    overflow: overflows[index])
            }
        }
    }

    private static func order(_ a: AggregationResult.Bucket, _ b: AggregationResult.Bucket) -> Bool {
        switch (a.key, b.key) {
        case (.moment(let a), .moment(let b)): return a < b
        case (.range(let a, _), .range(let b, _)): return (a ?? -.infinity) < (b ?? -.infinity)
        default:
            if a.frequency != b.frequency { return a.frequency > b.frequency }
            switch (a.key, b.key) {
            case (.text(let a), .text(let b)): return a < b
            case (.number(let a), .number(let b)): return a < b
            default: return false
            }
        }
    }
}

extension BoundingBox {
    /// In the middle between its sides, also across the antimeridian.
    fileprivate var centre: Position {
        let east = crossesAntimeridian ? east + 360 : east
        let middle = (west + east) / 2
        return Position(middle > 180 ? middle - 360 : middle, (south + north) / 2)
    }
}

extension PropertyKey {
    /// The value that a key was made of; nil for a key that stands for none.
    fileprivate static func value(of key: [UInt8]) -> AggregationResult.Bucket.Key? {
        guard key != first, key != last, let tag = key.first else { return nil }
        let rest = key.dropFirst()
        let bits = rest.reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        switch tag {
        case Tag.bool: return .bool(rest.first == 1)
        case Tag.number: return .number(Double(bitPattern: bits >> 63 == 1 ? bits & ~(1 << 63) : ~bits))
        case Tag.moment: return .moment(Timestamp(microseconds: Int64(bitPattern: bits ^ 1 << 63)))
        case Tag.text: return .text(String(decoding: rest, as: UTF8.self))
        default: return nil
        }
    }
}
