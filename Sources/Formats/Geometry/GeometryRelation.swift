/// How two geometries lie to each other on the plane of longitude and latitude (OGC 06-103r4, §6.1.15).
///
/// Whether they meet is exact, as in `Geometry.intersects`. The rest is found from the pieces into which each one's
/// lines are cut where they meet the other's: the middle of each piece is inside of the other, on its boundary or
/// outside. Cuts are computed in floating point, so pieces shorter than 10⁻¹² of their line do not count.
package struct GeometryRelation: Sendable {
    /// Whether they have a point in common.
    private(set) var meets: Bool
    /// The dimension of what their interiors have in common; -1 for nothing.
    private(set) var shared = -1
    /// Whether the interior of the one reaches outside of the other.
    private(set) var firstReachesOut = false
    private(set) var secondReachesOut = false
    private let dimensions: (Int, Int)

    package init(_ first: Geometry, _ second: Geometry) {
        meets = first.intersects(second)
        dimensions = (first.dimension, second.dimension)
        guard meets else { return }
        let (one, other) = (Linework(first), Linework(second))
        let mine = Crossing(one, other)
        let theirs = Crossing(other, one)
        shared = max(mine.shared, theirs.shared)
        firstReachesOut = mine.reachesOut || theirs.otherReachesOut
        secondReachesOut = theirs.reachesOut || mine.otherReachesOut
    }

    package var touches: Bool { meets && shared < 0 }
    package var isWithin: Bool { shared >= 0 && !firstReachesOut }
    package var contains: Bool { shared >= 0 && !secondReachesOut }
    package var isEqual: Bool { isWithin && contains }

    package var overlaps: Bool {
        let (one, other) = dimensions
        guard one == other, firstReachesOut, secondReachesOut else { return false }
        return one == 1 ? shared == 1 : shared >= 0
    }

    package var crosses: Bool {
        let (one, other) = dimensions
        if one < other { return shared >= 0 && firstReachesOut }
        if one > other { return shared >= 0 && secondReachesOut }
        return one == 1 && shared == 0
    }
}

extension Geometry {
    /// 0 for points, 1 for lines, 2 for areas; of a collection the greatest.
    var dimension: Int {
        switch self {
        case .point, .multiPoint: 0
        case .lineString, .multiLineString: 1
        case .polygon, .multiPolygon: 2
        case .collection(let geometries): geometries.map(\.dimension).max() ?? 0
        }
    }
}

/// What one geometry has in common with another, looked at from its own lines and points.
private struct Crossing {
    var shared = -1
    var reachesOut = false
    var otherReachesOut = false

    /// Of a piece's length, what rounding may make of nothing.
    private static let least = 1e-12

    init(_ one: Linework, _ other: Linework) {
        for point in one.points { note(other.location(of: point), 0) }
        for edge in one.edges { follow(edge, one, other) }
        if !one.polygons.isEmpty, other.polygons.isEmpty { reachesOut = true }
        for polygon in one.polygons {
            guard let sample = Linework.interiorPosition(of: polygon) else { continue }
            note(other.location(of: sample), other.polygons.isEmpty ? 0 : 2)
        }
    }

    private mutating func note(_ location: Location, _ dimension: Int) {
        switch location {
        case .inside: shared = max(shared, dimension)
        case .outside: reachesOut = true
        case .boundary: break
        }
    }

    private mutating func follow(_ edge: Linework.Edge, _ one: Linework, _ other: Linework) {
        let segment = edge.segment
        guard segment.maximumX >= other.box.west, segment.minimumX <= other.box.east,
            segment.maximumY >= other.box.south, segment.minimumY <= other.box.north
        else {
            reachesOut = true
            return
        }
        var cuts = [0.0, 1.0]
        // Stretches that run along a line of the other.
        var along: [(range: ClosedRange<Double>, isRing: Bool)] = []
        for theirs in other.edges {
            switch segment.meeting(theirs.segment) {
            case .none: break
            case .stretch(let range):
                cuts += [range.lowerBound, range.upperBound]
                along.append((range, theirs.isRing))
            case .place(let place):
                cuts.append(place)
                if !edge.isRing, !theirs.isRing {
                    let position = segment.position(at: place)
                    if !one.isEnd(position), !other.isEnd(position) { shared = max(shared, 0) }
                }
            }
        }
        for point in other.points where segment.contains(point) { cuts.append(segment.place(of: point)) }
        cuts.sort()
        for (from, to) in zip(cuts, cuts.dropFirst()) where to - from > Self.least {
            let middle = (from + to) / 2
            if let stretch = along.first(where: { $0.range.contains(middle) }) {
                // Two lines that run together share that; a line along a ring lies in its boundary.
                if !stretch.isRing, !edge.isRing { shared = max(shared, 1) }
                continue
            }
            let location = other.location(of: segment.position(at: middle))
            if edge.isRing {
                if location == .inside, !other.polygons.isEmpty {
                    // On both sides of the ring is the other's interior: one side is ours, one is not.
                    shared = 2
                    otherReachesOut = true
                } else if location == .outside {
                    reachesOut = true
                }
            } else {
                note(location, 1)
            }
        }
    }
}

/// A geometry taken apart into points, edges and areas.
private struct Linework {
    struct Edge {
        var segment: Segment
        var isRing: Bool
    }

    var points: [Position] = []
    var edges: [Edge] = []
    var polygons: [[[Position]]] = []
    let box: BoundingBox
    /// The ends of lines: one where an odd number of lines ends (§6.1.8).
    private var ends = Set<Position>()

    init(_ geometry: Geometry) {
        box = geometry.boundingBox
        add(geometry)
    }

    func isEnd(_ position: Position) -> Bool { ends.contains(position) }

    private mutating func add(_ geometry: Geometry) {
        switch geometry {
        case .point(let position): points.append(position)
        case .multiPoint(let positions): points += positions
        case .lineString(let line): add(line)
        case .multiLineString(let lines): for line in lines { add(line) }
        case .polygon(let rings): add(polygon: rings)
        case .multiPolygon(let polygons): for rings in polygons { add(polygon: rings) }
        case .collection(let geometries): for geometry in geometries { add(geometry) }
        }
    }

    private mutating func add(_ line: [Position]) {
        addEdges(line, isRing: false)
        for end in [line.first, line.last].compactMap({ $0 }) where ends.remove(end) == nil { ends.insert(end) }
    }

    private mutating func add(polygon rings: [[Position]]) {
        polygons.append(rings)
        for ring in rings { addEdges(ring, isRing: true) }
    }

    private mutating func addEdges(_ line: [Position], isRing: Bool) {
        for (a, b) in zip(line, line.dropFirst()) where a != b {
            edges.append(Edge(segment: Segment(a, b), isRing: isRing))
        }
    }

    func location(of p: Position) -> Location {
        guard box.contains(p) else { return .outside }
        var found = Location.outside
        for rings in polygons {
            switch Location.of(p, polygon: rings) {
            case .inside: return .inside
            case .boundary: found = .boundary
            case .outside: break
            }
        }
        if edges.contains(where: { !$0.isRing && $0.segment.contains(p) }) {
            if !isEnd(p) { return .inside }
            found = .boundary
        }
        return points.contains(p) ? .inside : found
    }

    /// A position inside of a polygon: the middle of the widest stretch of a line from west to east through it.
    static func interiorPosition(of rings: [[Position]]) -> Position? {
        let heights = Set(rings.first?.map(\.latitude) ?? []).sorted()
        guard heights.count > 1 else { return nil }
        let middle = heights.count / 2
        let y = (heights[middle - 1] + heights[middle]) / 2
        var crossings: [Double] = []
        for ring in rings {
            for (a, b) in zip(ring, ring.dropFirst()) where (a.latitude > y) != (b.latitude > y) {
                let share = (y - a.latitude) / (b.latitude - a.latitude)
                crossings.append(a.longitude + share * (b.longitude - a.longitude))
            }
        }
        crossings.sort()
        let stretches = stride(from: 0, to: crossings.count - 1, by: 2).map { (crossings[$0], crossings[$0 + 1]) }
        return stretches.max { $0.1 - $0.0 < $1.1 - $1.0 }.map { Position(($0.0 + $0.1) / 2, y) }
    }
}

extension Segment {
    fileprivate enum Meeting {
        case none
        /// A place along this segment, 0 at `a` and 1 at `b`.
        case place(Double)
        case stretch(ClosedRange<Double>)
    }

    fileprivate func position(at place: Double) -> Position {
        if place == 0 { return a }
        if place == 1 { return b }
        return Position(
            a.longitude + place * (b.longitude - a.longitude), a.latitude + place * (b.latitude - a.latitude))
    }

    /// The place of a position that is on this segment.
    fileprivate func place(of p: Position) -> Double {
        let (x, y) = (b.longitude - a.longitude, b.latitude - a.latitude)
        let place = abs(x) > abs(y) ? (p.longitude - a.longitude) / x : (p.latitude - a.latitude) / y
        return min(1, max(0, place))
    }

    fileprivate func meeting(_ other: Segment) -> Meeting {
        guard intersects(other) else { return .none }
        let (c, d) = (orientation(a, b, other.a), orientation(a, b, other.b))
        if c == 0, d == 0 {
            let (from, to) = (place(of: other.a), place(of: other.b))
            let range = min(from, to)...max(from, to)
            return range.lowerBound == range.upperBound ? .place(range.lowerBound) : .stretch(range)
        }
        if c == 0 { return .place(place(of: other.a)) }
        if d == 0 { return .place(place(of: other.b)) }
        if orientation(other.a, other.b, a) == 0 { return .place(0) }
        if orientation(other.a, other.b, b) == 0 { return .place(1) }
        let (x, y) = (b.longitude - a.longitude, b.latitude - a.latitude)
        let (u, v) = (other.b.longitude - other.a.longitude, other.b.latitude - other.a.latitude)
        let determinant = x * v - y * u
        guard determinant != 0 else { return .place(0.5) }
        let place = ((other.a.longitude - a.longitude) * v - (other.a.latitude - a.latitude) * u) / determinant
        return .place(min(1, max(0, place)))
    }
}
