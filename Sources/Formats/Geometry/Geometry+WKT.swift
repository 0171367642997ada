import Wire

extension Geometry {
    /// The geometry as well-known text (OGC 06-103r4, §7): `POINT(7 51)`.
    package var wellKnownText: String {
        func text(_ position: Position) -> String { "\(Self.text(position.longitude)) \(Self.text(position.latitude))" }
        func list(_ parts: [String]) -> String { "(" + parts.joined(separator: ",") + ")" }
        func line(_ positions: [Position]) -> String { list(positions.map(text)) }
        return switch self {
        case .point(let position): "POINT(\(text(position)))"
        case .multiPoint(let positions): "MULTIPOINT" + list(positions.map { "(\(text($0)))" })
        case .lineString(let positions): "LINESTRING" + line(positions)
        case .multiLineString(let lines): "MULTILINESTRING" + list(lines.map(line))
        case .polygon(let rings): "POLYGON" + list(rings.map(line))
        case .multiPolygon(let polygons): "MULTIPOLYGON" + list(polygons.map { list($0.map(line)) })
        case .collection(let parts): "GEOMETRYCOLLECTION" + list(parts.map(\.wellKnownText))
        }
    }

    private static func text(_ number: Double) -> String {
        var writer = JSONWriter(capacity: 24)
        writer.number(number)
        return writer.text
    }

    /// The type of GeoJSON for a type of well-known text, which may be written in any case.
    package static func type(wellKnown name: String) -> String? {
        switch name.uppercased() {
        case "POINT": "Point"
        case "MULTIPOINT": "MultiPoint"
        case "LINESTRING": "LineString"
        case "MULTILINESTRING": "MultiLineString"
        case "POLYGON": "Polygon"
        case "MULTIPOLYGON": "MultiPolygon"
        case "GEOMETRYCOLLECTION": "GeometryCollection"
        default: nil
        }
    }
}
