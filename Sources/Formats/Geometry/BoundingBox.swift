package import Wire

/// A box along meridians and parallels (RFC 7946 §5), in degrees. Where `west` is greater than `east`, it crosses the
/// antimeridian (§5.2).
package struct BoundingBox: Hashable, Sendable {
    package private(set) var west: Double
    package private(set) var south: Double
    package private(set) var east: Double
    package private(set) var north: Double

    /// - Throws: `outOfRange` for a longitude beyond ±180 or a latitude beyond ±90, `malformed` for a south above the
    ///   north.
    package init(west: Double, south: Double, east: Double, north: Double) throws(GeometryError) {
        for longitude in [west, east] where !(abs(longitude) <= 180) {
            throw GeometryError(.outOfRange, "bbox: the longitude \(longitude) must be from -180 to 180")
        }
        for latitude in [south, north] where !(abs(latitude) <= 90) {
            throw GeometryError(.outOfRange, "bbox: the latitude \(latitude) must be from -90 to 90")
        }
        guard south <= north else {
            throw GeometryError(.malformed, "bbox: the south \(south) must not be greater than the north \(north)")
        }
        self.init(unchecked: west, south, east, north)
    }

    private init(unchecked west: Double, _ south: Double, _ east: Double, _ north: Double) {
        (self.west, self.south, self.east, self.north) = (west, south, east, north)
    }

    /// Holds nothing, and grows with ``extend(to:)``.
    static let nothing = BoundingBox(unchecked: .infinity, .infinity, -.infinity, -.infinity)

    /// Four numbers (west, south, east, north), or six with the least height third and the greatest last, which are
    /// dropped.
    package init(parsing numbers: [Double]) throws(GeometryError) {
        switch numbers.count {
        case 4: try self.init(west: numbers[0], south: numbers[1], east: numbers[2], north: numbers[3])
        case 6:
            guard numbers[2] <= numbers[5], (numbers[2] - numbers[5]).isFinite else {
                throw GeometryError(.malformed, "bbox: the third number, a height, must not be greater than the sixth")
            }
            try self.init(west: numbers[0], south: numbers[1], east: numbers[3], north: numbers[4])
        default: throw GeometryError(.malformed, "a bbox has 4 or 6 numbers, this one has \(numbers.count)")
        }
    }

    /// A JSON list of four or six numbers.
    package init(parsing value: JSONValue) throws(GeometryError) {
        guard let items = value.array, items.count <= 6, items.allSatisfy({ $0.number != nil }) else {
            throw GeometryError(.malformed, "a bbox must be a list of 4 or 6 numbers")
        }
        try self.init(parsing: items.compactMap(\.number))
    }

    package func write(to writer: inout JSONWriter) {
        writer.array { w in for number in [west, south, east, north] { w.number(number) } }
    }

    package var crossesAntimeridian: Bool { west > east }

    /// The box itself, or its two halves where it crosses the antimeridian: none of the results crosses it.
    package var splitAtAntimeridian: [BoundingBox] {
        guard crossesAntimeridian else { return [self] }
        return [BoundingBox(unchecked: west, south, 180, north), BoundingBox(unchecked: -180, south, east, north)]
    }

    package func contains(_ position: Position) -> Bool {
        guard position.latitude >= south, position.latitude <= north else { return false }
        return crossesAntimeridian
            ? position.longitude >= west || position.longitude <= east
            : position.longitude >= west && position.longitude <= east
    }

    /// Whether the boxes have a point in common; a common edge counts.
    package func intersects(_ other: BoundingBox) -> Bool {
        guard south <= other.north, other.south <= north else { return false }
        if crossesAntimeridian, other.crossesAntimeridian { return true }
        if crossesAntimeridian { return other.east >= west || other.west <= east }
        if other.crossesAntimeridian { return east >= other.west || west <= other.east }
        return west <= other.east && other.west <= east
    }

    /// Whether the box and the geometry have a point in common. A box across the antimeridian counts as its two halves.
    package func intersects(_ geometry: Geometry) -> Bool {
        let around = geometry.boundingBox
        guard intersects(around) else { return false }
        return splitAtAntimeridian.contains { half in
            guard half.intersects(around) else { return false }
            if half.west <= around.west, around.east <= half.east, half.south <= around.south,
                around.north <= half.north
            {
                return true
            }
            return geometry.intersects(.polygon([half.ring]))
        }
    }

    /// The box as a polygon; across the antimeridian as two.
    package var geometry: Geometry {
        crossesAntimeridian ? .multiPolygon(splitAtAntimeridian.map { [$0.ring] }) : .polygon([ring])
    }

    private var ring: [Position] {
        [
            Position(west, south), Position(east, south), Position(east, north), Position(west, north),
            Position(west, south),
        ]
    }

    mutating func extend(to position: Position) {
        west = min(west, position.longitude)
        east = max(east, position.longitude)
        south = min(south, position.latitude)
        north = max(north, position.latitude)
    }
}
