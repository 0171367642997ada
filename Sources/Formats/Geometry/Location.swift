/// Where a position lies in relation to a ring, or to a geometry.
enum Location {
    case inside, boundary, outside

    /// Counts how often a ray to the east crosses the ring. An edge counts with its lower end and without its upper
    /// one, so that a ray through a corner counts right.
    static func of(_ p: Position, ring: [Position]) -> Location {
        guard var a = ring.first else { return .outside }
        var isInside = false
        for b in ring.dropFirst() {
            if (a.latitude > p.latitude) != (b.latitude > p.latitude) {
                let sign = orientation(a, b, p)
                if sign == 0 { return .boundary }
                if (sign > 0) == (b.latitude > a.latitude) { isInside.toggle() }
            } else if a.latitude == p.latitude || b.latitude == p.latitude, Segment(a, b).contains(p) {
                return .boundary
            }
            a = b
        }
        return isInside ? .inside : .outside
    }

    /// In a polygon, holes taken out.
    static func of(_ p: Position, polygon rings: [[Position]]) -> Location {
        guard let outer = rings.first else { return .outside }
        let location = of(p, ring: outer)
        guard location == .inside else { return location }
        for hole in rings.dropFirst() {
            switch of(p, ring: hole) {
            case .inside: return .outside
            case .boundary: return .boundary
            case .outside: break
            }
        }
        return .inside
    }
}
