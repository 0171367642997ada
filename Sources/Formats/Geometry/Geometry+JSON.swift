package import Wire

extension Geometry {
    package static let maximumPositions = 1_000_000
    package static let maximumCollectionDepth = 4

    /// Reads a GeoJSON geometry object. Other members than `type`, `coordinates` and `geometries` are ignored; a third
    /// number in a position (its altitude) is checked and dropped.
    ///
    /// - Throws: `GeometryError`, whose message begins with the place, like `coordinates[0][3]`.
    package init(parsing value: JSONValue) throws(GeometryError) {
        var reader = GeometryReader()
        self = try reader.geometry(value, path: "geometry", depth: 0)
    }

    /// Writes the geometry as a GeoJSON object.
    package func write(to writer: inout JSONWriter) {
        writer.object { w in
            w.member("type", type)
            w.key(isCollection ? "geometries" : "coordinates")
            switch self {
            case .point(let position): Self.write(position, to: &w)
            case .multiPoint(let positions), .lineString(let positions): Self.write(positions, to: &w)
            case .multiLineString(let lines), .polygon(let lines):
                w.array { w in for line in lines { Self.write(line, to: &w) } }
            case .multiPolygon(let polygons):
                w.array { w in
                    for polygon in polygons { w.array { w in for ring in polygon { Self.write(ring, to: &w) } } }
                }
            case .collection(let geometries): w.array { w in for geometry in geometries { geometry.write(to: &w) } }
            }
        }
    }

    private var isCollection: Bool { if case .collection = self { true } else { false } }

    private static func write(_ position: Position, to writer: inout JSONWriter) {
        writer.array { w in
            w.number(position.longitude)
            w.number(position.latitude)
        }
    }

    private static func write(_ positions: [Position], to writer: inout JSONWriter) {
        writer.array { w in for position in positions { write(position, to: &w) } }
    }
}

/// Reads a geometry and counts its positions.
private struct GeometryReader {
    private var positions = 0

    mutating func geometry(_ value: JSONValue, path: String, depth: Int) throws(GeometryError) -> Geometry {
        guard let object = value.object else {
            throw GeometryError(.malformed, "\(path) must be an object with type and coordinates")
        }
        guard let type = object["type"]?.string else { throw GeometryError(.malformed, "\(path) needs a type") }
        if type == "GeometryCollection" {
            guard depth < Geometry.maximumCollectionDepth else {
                throw GeometryError(
                    .tooLarge, "\(path): collections may be nested \(Geometry.maximumCollectionDepth) deep")
            }
            guard let items = object["geometries"]?.array, !items.isEmpty else {
                throw GeometryError(
                    .malformed, "\(path): a GeometryCollection needs geometries, a list that is not empty")
            }
            var out: [Geometry] = []
            for (index, item) in items.enumerated() {
                out.append(try geometry(item, path: "\(path).geometries[\(index)]", depth: depth + 1))
            }
            return .collection(out)
        }
        let place = "\(path).coordinates"
        guard let coordinates = object["coordinates"] else {
            throw GeometryError(.malformed, "\(path) needs coordinates")
        }
        switch type {
        case "Point": return .point(try position(coordinates, place))
        case "MultiPoint": return .multiPoint(try line(coordinates, place, minimum: 1))
        case "LineString": return .lineString(try line(coordinates, place, minimum: 2))
        case "MultiLineString":
            var lines: [[Position]] = []
            for (index, item) in try list(coordinates, place).enumerated() {
                lines.append(try line(item, "\(place)[\(index)]", minimum: 2))
            }
            return .multiLineString(lines)
        case "Polygon": return .polygon(try polygon(coordinates, place))
        case "MultiPolygon":
            var polygons: [[[Position]]] = []
            for (index, item) in try list(coordinates, place).enumerated() {
                polygons.append(try polygon(item, "\(place)[\(index)]"))
            }
            return .multiPolygon(polygons)
        default:
            throw GeometryError(
                .unknownType, "\(path): \"\(type.prefix(64))\" is not one of the seven geometry types of GeoJSON")
        }
    }

    private func list(_ value: JSONValue, _ path: String) throws(GeometryError) -> [JSONValue] {
        guard let items = value.array, !items.isEmpty else {
            throw GeometryError(.malformed, "\(path) must be a list that is not empty")
        }
        return items
    }

    private mutating func polygon(_ value: JSONValue, _ path: String) throws(GeometryError) -> [[Position]] {
        var rings: [[Position]] = []
        for (index, item) in try list(value, path).enumerated() {
            let place = "\(path)[\(index)]"
            let ring = try line(item, place, minimum: 4)
            guard ring.first == ring.last else {
                throw GeometryError(.ringNotClosed, "\(place): a ring's last position must be the same as its first")
            }
            rings.append(ring)
        }
        return rings
    }

    private mutating func line(_ value: JSONValue, _ path: String, minimum: Int) throws(GeometryError) -> [Position] {
        let items = try list(value, path)
        guard items.count >= minimum else {
            throw GeometryError(.tooFewPositions, "\(path) has \(items.count) positions but needs at least \(minimum)")
        }
        guard items.count <= Geometry.maximumPositions - positions else {
            throw GeometryError(.tooLarge, "a geometry may have up to \(Geometry.maximumPositions) positions")
        }
        var out: [Position] = []
        out.reserveCapacity(items.count)
        for (index, item) in items.enumerated() {
            guard let position = Self.plainPosition(item) else {
                throw Self.fault(item, "\(path)[\(index)]")
            }
            out.append(position)
        }
        positions += out.count
        return out
    }

    private mutating func position(_ value: JSONValue, _ path: String) throws(GeometryError) -> Position {
        guard positions < Geometry.maximumPositions else {
            throw GeometryError(.tooLarge, "a geometry may have up to \(Geometry.maximumPositions) positions")
        }
        guard let position = Self.plainPosition(value) else { throw Self.fault(value, path) }
        positions += 1
        return position
    }

    /// The position, or nil for anything wrong: what it is, and where, is put in words only when it happens.
    private static func plainPosition(_ value: JSONValue) -> Position? {
        guard case .array(let numbers) = value, numbers.count == 2 || numbers.count == 3,
            let longitude = numbers[0].number,
            let latitude = numbers[1].number, abs(longitude) <= 180, abs(latitude) <= 90
        else { return nil }
        if numbers.count == 3, numbers[2].number?.isFinite != true { return nil }
        return Position(longitude, latitude)
    }

    private static func fault(_ value: JSONValue, _ path: String) -> GeometryError {
        guard let items = value.array, items.count == 2 || items.count == 3, items.allSatisfy({ $0.number != nil })
        else {
            return GeometryError(.malformed, "\(path) must be a longitude, a latitude and perhaps an altitude")
        }
        let longitude = items[0].number ?? 0
        guard abs(longitude) <= 180 else {
            return GeometryError(.outOfRange, "\(path): the longitude \(longitude) must be from -180 to 180")
        }
        let latitude = items[1].number ?? 0
        guard abs(latitude) <= 90 else {
            return GeometryError(.outOfRange, "\(path): the latitude \(latitude) must be from -90 to 90")
        }
        return GeometryError(.outOfRange, "\(path): the altitude must be a finite number")
    }
}
