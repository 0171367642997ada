extension Geometry {
    /// The geometry with longitudes from 0 to 360: on that plane one that crosses the antimeridian hangs together.
    package var inEasternLongitudes: Geometry {
        map { $0.longitude < 0 ? Position($0.longitude + 360, $0.latitude) : $0 }
    }

    private func map(_ change: (Position) -> Position) -> Geometry {
        switch self {
        case .point(let position): .point(change(position))
        case .multiPoint(let positions): .multiPoint(positions.map(change))
        case .lineString(let line): .lineString(line.map(change))
        case .multiLineString(let lines): .multiLineString(lines.map { $0.map(change) })
        case .polygon(let rings): .polygon(rings.map { $0.map(change) })
        case .multiPolygon(let polygons): .multiPolygon(polygons.map { $0.map { $0.map(change) } })
        case .collection(let geometries): .collection(geometries.map { $0.map(change) })
        }
    }
}
