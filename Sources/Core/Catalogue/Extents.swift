import Database
import Geometry
import Wire

/// The row that each collection has in the catalogue: how many items, and what they cover. It is kept right by the
/// transaction that changes an item.
enum Extents {
    /// What the items of one transaction add.
    struct Growth {
        private var count: Int64 = 0
        private var times: ClosedRange<Int64>?
        private var bounds: Bounds?
        private var before: Int64 = 0
        private var after: Int64 = 0

        /// Counts an item in.
        ///
        /// - Parameter isNew: false for one that takes another's place, which only can widen what is covered.
        mutating func add(_ item: ItemDocument, isNew: Bool) {
            if isNew { count += 1 }
            let (start, end) = (item.times.lowerBound.microseconds, item.times.upperBound.microseconds)
            times = min(times?.lowerBound ?? start, start)...max(times?.upperBound ?? end, end)
            if let box = item.box.map(Bounds.init) { bounds = bounds?.union(box) ?? box }
            before = max(before, item.datetime.microseconds.subtractingReportingOverflow(start).partialValue)
            after = max(after, end.subtractingReportingOverflow(item.datetime.microseconds).partialValue)
        }

        func write(collection: Int64, in transaction: Transaction) throws {
            guard let times else { return }
            try transaction.run(
                upsert, .init(collection), .init(count), .init(times.lowerBound), .init(bounds?.west),
                .init(bounds?.eastWest), .init(bounds?.south), .init(times.upperBound), .init(bounds?.east),
                .init(bounds?.eastEast), .init(bounds?.north))
            // Statements of their own: their indexes are touched only by the few items that reach further than all
            // before.
            for (column, reach) in [("reach_before", before), ("reach_after", after)] where reach > 0 {
                try transaction.run(
                    "UPDATE catalogue_collections SET \(column) = ? WHERE collection = ? AND \(column) < ?",
                    .init(reach), .init(collection), .init(reach))
            }
        }
    }

    private static let upsert: String = {
        let least = ["start_time", "west", "east_west", "south"]
        let greatest = ["end_time", "east", "east_east", "north"]
        let widened = least.map { widen($0, "<") } + greatest.map { widen($0, ">") }
        return """
            INSERT INTO catalogue_collections (
                collection, items, \(least.joined(separator: ", ")), \(greatest.joined(separator: ", ")),
                reach_before, reach_after)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)
            ON CONFLICT (collection) DO UPDATE SET items = catalogue_collections.items + excluded.items,
            \(widened.joined(separator: ", "))
            """
    }()

    private static func widen(_ column: String, _ comparison: String) -> String {
        """
        \(column) = CASE WHEN catalogue_collections.\(column) IS NULL
        OR excluded.\(column) \(comparison) catalogue_collections.\(column)
        THEN excluded.\(column) ELSE catalogue_collections.\(column) END
        """
    }

    /// Counts items out. What is covered stays as it is until none is left: to shrink it would cost a walk over the
    /// collection for each item that lies at its edge.
    static func remove(_ count: Int, collection: Int64, in transaction: Transaction) throws {
        try transaction.run(
            "UPDATE catalogue_collections SET items = items - ? WHERE collection = ?", .init(count), .init(collection))
        try transaction.run(
            """
            UPDATE catalogue_collections SET start_time = NULL, end_time = NULL, west = NULL, east = NULL,
            east_west = NULL, east_east = NULL, south = NULL, north = NULL, reach_before = 0, reach_after = 0
            WHERE collection = ? AND items = 0
            """,
            .init(collection))
    }

    /// The narrower of the two ways to bound the longitudes.
    static func area(_ row: borrowing Row, from column: Int) -> BoundingBox? {
        guard let west = row.doubleOrNil(column), let east = row.doubleOrNil(column + 1),
            let eastWest = row.doubleOrNil(column + 2), let eastEast = row.doubleOrNil(column + 3),
            let south = row.doubleOrNil(column + 4), let north = row.doubleOrNil(column + 5)
        else { return nil }
        if eastEast - eastWest < east - west, eastWest <= 180, eastEast > 180 {
            return try? BoundingBox(west: eastWest, south: south, east: eastEast - 360, north: north)
        }
        return try? BoundingBox(west: west, south: south, east: east, north: north)
    }

    static let areaColumns = "west, east, east_west, east_east, south, north"
}

/// A box in longitudes from -180 to 180 and from 0 to 360.
private struct Bounds {
    var west, east, eastWest, eastEast, south, north: Double

    func union(_ other: Bounds) -> Bounds {
        var out = self
        (out.west, out.east) = (min(west, other.west), max(east, other.east))
        (out.eastWest, out.eastEast) = (min(eastWest, other.eastWest), max(eastEast, other.eastEast))
        (out.south, out.north) = (min(south, other.south), max(north, other.north))
        return out
    }

    init(_ box: BoundingBox) {
        (south, north) = (box.south, box.north)
        if box.crossesAntimeridian {
            (west, east) = (-180, 180)
            (eastWest, eastEast) = (box.west, box.east + 360)
        } else {
            (west, east) = (box.west, box.east)
            if box.west >= 0 {
                (eastWest, eastEast) = (box.west, box.east)
            } else if box.east < 0 {
                (eastWest, eastEast) = (box.west + 360, box.east + 360)
            } else {
                (eastWest, eastEast) = (0, 360)
            }
        }
    }
}
