import Database
import Geometry

/// The table `item_areas`: an R*Tree over place and time on SQLite, boxes under a GiST index on PostgreSQL. What it
/// finds is a superset, since the R*Tree rounds outwards to 32 bits: the columns of `items` decide.
enum SpatialIndex {
    /// The R*Tree weighs all its axes alike: ten days of time are as much as one degree, so that decades compare with
    /// the globe.
    private static func axis(_ microseconds: Int64) -> Double { Double(microseconds) / 864e9 }

    static func remove(item: Int64, engine: Engine, in transaction: Transaction) throws {
        switch engine {
        case .sqlite:
            try transaction.run("DELETE FROM item_areas WHERE id IN (?, ?)", .init(item * 2), .init(item * 2 + 1))
        case .postgres:
            try transaction.run("DELETE FROM item_areas WHERE item = ?", .init(item))
        }
    }

    static func add(item: Int64, box: BoundingBox, datetime: Int64, engine: Engine, in transaction: Transaction) throws
    {
        for (half, box) in box.splitAtAntimeridian.enumerated() {
            switch engine {
            case .sqlite:
                let time = SQLValue(axis(datetime))
                try transaction.run(
                    "INSERT INTO item_areas (id, west, east, south, north, earliest, latest) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    .init(item * 2 + Int64(half)), .init(box.west), .init(box.east), .init(box.south), .init(box.north),
                    time, time)
            case .postgres:
                try transaction.run(
                    "INSERT INTO item_areas (item, datetime, area) VALUES (?, ?, box(point(?, ?), point(?, ?)))",
                    .init(item), .init(datetime), .init(box.west), .init(box.south), .init(box.east), .init(box.north))
            }
        }
    }

    /// A statement that finds items by box and `datetime`, in no order; an item may come twice.
    ///
    /// - Parameter condition: further terms on `i`, the row of `items`, each begun with AND; their values follow.
    static func select(
        _ columns: String, box: BoundingBox, datetimes: ClosedRange<Int64>, condition: String, values: [SQLValue],
        limit: Int, engine: Engine
    ) -> (sql: String, values: [SQLValue]) {
        let times: [SQLValue] = [.init(datetimes.lowerBound), .init(datetimes.upperBound)]
        switch engine {
        case .sqlite:
            // CROSS JOIN fixes the order: first the R*Tree, then one look-up for each hit.
            let sql = """
                SELECT \(columns) FROM item_areas a CROSS JOIN items i ON i.number = a.id >> 1
                WHERE a.west <= ? AND a.east >= ? AND a.south <= ? AND a.north >= ? AND a.earliest <= ? AND a.latest >= ?
                AND i.datetime >= ? AND i.datetime <= ?\(condition) LIMIT ?
                """
            let area: [SQLValue] = [
                .init(box.east), .init(box.west), .init(box.north), .init(box.south),
                .init(axis(datetimes.upperBound)), .init(axis(datetimes.lowerBound)),
            ]
            return (sql, area + times + values + [.init(limit)])
        case .postgres:
            let sql = """
                SELECT \(columns) FROM item_areas a JOIN items i ON i.number = a.item
                WHERE a.area && box(point(?, ?), point(?, ?)) AND a.datetime >= ? AND a.datetime <= ?\(condition) LIMIT ?
                """
            let area: [SQLValue] = [.init(box.west), .init(box.south), .init(box.east), .init(box.north)]
            return (sql, area + times + values + [.init(limit)])
        }
    }
}
