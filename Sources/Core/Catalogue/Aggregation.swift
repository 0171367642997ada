package import Geometry
package import Wire

/// What can be counted of the items that a search finds (STAC's aggregation extension 0.3.0).
package enum Aggregation: Sendable, Hashable {
    case totalCount
    case datetimeMin
    case datetimeMax
    case collections
    /// How many items there are in each hour, day and so on, by their `datetime`.
    case datetimes(CalendarInterval)
    /// How many items each cell of a grid has: by the centre of an item's box, or by all that its geometry touches.
    case cells(GridCell.Grid, precision: Int, isCentroid: Bool)
    /// How many items have each value of a property; or, for numbers, lie between the bounds: below the first, from one
    /// up to but not including the next, from the last on.
    case values(property: String, bounds: [Double])

    /// Buckets that one result has at most; items in others are counted as its overflow.
    package static let bucketsMax = 10_000
}

/// A unit of the calendar, in UTC; weeks begin on Monday.
package enum CalendarInterval: String, Sendable, Hashable, CaseIterable {
    case hour, day, week, month, quarter, year

    /// The beginning of the unit that a moment lies in.
    package func start(of moment: Timestamp) -> Timestamp {
        let p = moment.parts
        var (month, day, hour) = (p.month, p.day, 0)
        switch self {
        case .hour: hour = p.hour
        case .day: break
        case .week:
            let midnight = Timestamp(year: p.year, month: p.month, day: p.day) ?? moment
            return midnight.adding(seconds: -86_400 * Int64((p.weekday + 6) % 7))
        case .month: day = 1
        case .quarter: (month, day) = ((month - 1) / 3 * 3 + 1, 1)
        case .year: (month, day) = (1, 1)
        }
        return Timestamp(year: p.year, month: month, day: day, hour: hour) ?? moment
    }
}

/// What came of an ``Aggregation``.
package enum AggregationResult: Sendable, Hashable {
    case count(Int64)
    /// Nil where no item matches.
    case moment(Timestamp?)
    /// Moments in their order, bounds in theirs, others the most frequent first.
    case buckets([Bucket], overflow: Int64)

    package struct Bucket: Sendable, Hashable {
        package enum Key: Sendable, Hashable {
            case text(String)
            case number(Double)
            case bool(Bool)
            case moment(Timestamp)
            /// From the first up to but not including the second; nil for an open end.
            case range(Double?, Double?)
        }

        package var key: Key
        package var frequency: Int64

        package init(key: Key, frequency: Int64) {
            self.key = key
            self.frequency = frequency
        }
    }
}
