import Geometry

/// How an item's geometry and box are read where the antimeridian is near.
enum Footprint {
    /// The box that an item is found by: the one that it gives; but for a geometry that was cut at the antimeridian and
    /// given a box around the whole world, the box across the antimeridian.
    static func box(of geometry: Geometry, given box: BoundingBox) -> BoundingBox {
        guard !box.crossesAntimeridian, box.west <= -180, box.east >= 180 else { return box }
        let parts = parts(of: geometry).map(\.boundingBox)
        let eastern = parts.filter { $0.west >= 0 }
        let western = parts.filter { $0.east <= 0 }
        guard eastern.count + western.count == parts.count, let west = eastern.map(\.west).min(),
            let east = western.map(\.east).max(), west > east
        else { return box }
        return (try? BoundingBox(west: west, south: box.south, east: east, north: box.north)) ?? box
    }

    private static func parts(of geometry: Geometry) -> [Geometry] {
        switch geometry {
        case .point, .lineString, .polygon: [geometry]
        case .multiPoint(let positions): positions.map { .point($0) }
        case .multiLineString(let lines): lines.map { .lineString($0) }
        case .multiPolygon(let polygons): polygons.map { .polygon($0) }
        case .collection(let geometries): geometries.flatMap(parts)
        }
    }

    /// The boxes of a search area, none across the antimeridian.
    static func boxes(of area: SearchArea) -> [BoundingBox] {
        switch area {
        case .box(let box): box.splitAtAntimeridian
        case .geometry(let geometry): box(of: geometry, given: geometry.boundingBox).splitAtAntimeridian
        }
    }

    /// An item's geometry; one that is drawn across the antimeridian, not cut there, on a plane from 0 to 360.
    static func unwrapped(_ geometry: Geometry, box: BoundingBox) -> Geometry {
        box.crossesAntimeridian && spansWorld(geometry) ? geometry.inEasternLongitudes : geometry
    }

    /// Whether an item's geometry has a point in common with a search area.
    static func meets(_ area: SearchArea, _ geometry: Geometry, box: BoundingBox) -> Bool {
        guard box.crossesAntimeridian, spansWorld(geometry) else {
            switch area {
            case .box(let area): return area.intersects(geometry)
            case .geometry(let area): return area.intersects(geometry)
            }
        }
        // Not cut, but drawn across: an edge leads from 179 to -179. On a plane from 0 to 360 it is what it means.
        let unwrapped = geometry.inEasternLongitudes
        let areas: [Geometry] =
            switch area {
            case .box(let area): area.splitAtAntimeridian.map(\.geometry)
            case .geometry(let area): [area]
            }
        return areas.contains { area in
            unwrapped.intersects(area) || unwrapped.intersects(area.inEasternLongitudes)
        }
    }

    /// Whether an edge is longer than half around the world.
    private static func spansWorld(_ geometry: Geometry) -> Bool {
        func spans(_ line: [Position]) -> Bool {
            zip(line, line.dropFirst()).contains { abs($0.longitude - $1.longitude) > 180 }
        }
        switch geometry {
        case .point, .multiPoint: return false
        case .lineString(let line): return spans(line)
        case .multiLineString(let lines), .polygon(let lines): return lines.contains(where: spans)
        case .multiPolygon(let polygons): return polygons.contains { $0.contains(where: spans) }
        case .collection(let geometries): return geometries.contains(where: spansWorld)
        }
    }
}
