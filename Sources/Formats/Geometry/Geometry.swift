/// A place on the globe in degrees: WGS 84 longitude and latitude.
package struct Position: Hashable, Sendable {
    package var longitude: Double
    package var latitude: Double

    package init(_ longitude: Double, _ latitude: Double) {
        self.longitude = longitude
        self.latitude = latitude
    }
}

/// A geometry of GeoJSON (RFC 7946 §3.1), without altitude.
///
/// What ``init(parsing:)`` returns is never empty: every part has its positions, and every ring is closed. A geometry
/// that is built by hand must be so as well.
package enum Geometry: Hashable, Sendable {
    case point(Position)
    case multiPoint([Position])
    case lineString([Position])
    case multiLineString([[Position]])
    /// The outer ring, then the holes.
    case polygon([[Position]])
    case multiPolygon([[[Position]]])
    case collection([Geometry])

    /// The `type` of RFC 7946 §1.4.
    package var type: String {
        switch self {
        case .point: "Point"
        case .multiPoint: "MultiPoint"
        case .lineString: "LineString"
        case .multiLineString: "MultiLineString"
        case .polygon: "Polygon"
        case .multiPolygon: "MultiPolygon"
        case .collection: "GeometryCollection"
        }
    }

    /// The least box around all positions: their plain minimum and maximum. A geometry that was cut at the
    /// antimeridian, as RFC 7946 §3.1.9 asks, has one from -180 to 180.
    package var boundingBox: BoundingBox {
        var box = BoundingBox.nothing
        forEachPosition { box.extend(to: $0) }
        return box
    }

    /// How many positions there are in all.
    package var positionCount: Int {
        var count = 0
        forEachPosition { _ in count += 1 }
        return count
    }

    private func forEachPosition(_ body: (Position) -> Void) {
        switch self {
        case .point(let position): body(position)
        case .multiPoint(let positions), .lineString(let positions): positions.forEach(body)
        case .multiLineString(let lines), .polygon(let lines): for line in lines { line.forEach(body) }
        case .multiPolygon(let polygons): for polygon in polygons { for ring in polygon { ring.forEach(body) } }
        case .collection(let geometries): for geometry in geometries { geometry.forEachPosition(body) }
        }
    }
}
