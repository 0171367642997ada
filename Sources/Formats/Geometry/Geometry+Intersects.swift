extension Geometry {
    /// Whether the geometries have a point in common, on the plane of longitude and latitude. Boundaries belong to
    /// their geometry, so touching counts; what lies inside a hole does not.
    ///
    /// Boxes are compared first, then only the segments in the overlap of the boxes, by a sweep where they are many;
    /// 10⁵ positions against 10² take ten milliseconds.
    package func intersects(_ other: Geometry) -> Bool {
        let box = boundingBox
        let otherBox = other.boundingBox
        guard box.intersects(otherBox) else { return false }
        var mine = Parts()
        mine.add(self, within: otherBox)
        var theirs = Parts()
        theirs.add(other, within: box)
        if Segment.meet(mine.segments, theirs.segments) { return true }
        // No boundaries meet, so each part lies wholly inside or wholly outside of each polygon: one position tells.
        return mine.samples.contains { theirs.covers($0) } || theirs.samples.contains { mine.covers($0) }
    }

    /// Whether the position is on the geometry, its boundaries included.
    package func contains(_ position: Position) -> Bool {
        guard boundingBox.contains(position) else { return false }
        return intersects(.point(position))
    }
}

/// A geometry taken apart for comparison.
private struct Parts {
    var segments: [Segment] = []
    /// One position of each connected part.
    var samples: [Position] = []
    var polygons: [(rings: [[Position]], box: BoundingBox)] = []

    /// - Parameter box: only segments that reach into it are kept, for no others can meet what is inside of it.
    mutating func add(_ geometry: Geometry, within box: BoundingBox) {
        switch geometry {
        case .point(let position): add([position], box)
        case .multiPoint(let positions): for position in positions { add([position], box) }
        case .lineString(let line): add(line, box)
        case .multiLineString(let lines): for line in lines { add(line, box) }
        case .polygon(let rings): add(polygon: rings, box)
        case .multiPolygon(let polygons): for rings in polygons { add(polygon: rings, box) }
        case .collection(let geometries): for geometry in geometries { add(geometry, within: box) }
        }
    }

    private mutating func add(_ line: [Position], _ box: BoundingBox) {
        guard let first = line.first else { return }
        samples.append(first)
        addSegments(line, box)
    }

    private mutating func addSegments(_ line: [Position], _ box: BoundingBox) {
        guard let first = line.first else { return }
        var previous = first
        for position in line.count == 1 ? line[...] : line.dropFirst() {
            let segment = Segment(previous, position)
            if segment.minimumX <= box.east, segment.maximumX >= box.west, segment.minimumY <= box.north,
                segment.maximumY >= box.south
            {
                segments.append(segment)
            }
            previous = position
        }
    }

    private mutating func add(polygon rings: [[Position]], _ box: BoundingBox) {
        guard let outer = rings.first, let sample = outer.first else { return }
        samples.append(sample)
        for ring in rings { addSegments(ring, box) }
        let around = Geometry.lineString(outer).boundingBox
        if around.intersects(box) { polygons.append((rings, around)) }
    }

    /// Whether a position lies in one of the polygons, holes taken out.
    func covers(_ position: Position) -> Bool {
        polygons.contains { polygon in
            polygon.box.contains(position) && Location.of(position, polygon: polygon.rings) != .outside
        }
    }
}
