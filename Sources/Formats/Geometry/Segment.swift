/// A piece of a line or of a ring, or a point (both ends the same), with its box.
struct Segment {
    let a: Position
    let b: Position
    let minimumX: Double
    let maximumX: Double
    let minimumY: Double
    let maximumY: Double

    init(_ a: Position, _ b: Position) {
        self.a = a
        self.b = b
        minimumX = min(a.longitude, b.longitude)
        maximumX = max(a.longitude, b.longitude)
        minimumY = min(a.latitude, b.latitude)
        maximumY = max(a.latitude, b.latitude)
    }

    /// Whether a position that is known to be on the segment's line is on the segment.
    private func spans(_ p: Position) -> Bool {
        p.longitude >= minimumX && p.longitude <= maximumX && p.latitude >= minimumY && p.latitude <= maximumY
    }

    func contains(_ p: Position) -> Bool { spans(p) && orientation(a, b, p) == 0 }

    /// Whether the segments have a point in common; touching counts.
    func intersects(_ other: Segment) -> Bool {
        guard minimumX <= other.maximumX, other.minimumX <= maximumX, minimumY <= other.maximumY,
            other.minimumY <= maximumY
        else { return false }
        let c = orientation(a, b, other.a)
        let d = orientation(a, b, other.b)
        if c * d > 0 { return false }
        let e = orientation(other.a, other.b, a)
        let f = orientation(other.a, other.b, b)
        if e * f > 0 { return false }
        if c * d < 0, e * f < 0 { return true }
        return c == 0 && spans(other.a) || d == 0 && spans(other.b) || e == 0 && other.spans(a)
            || f == 0 && other.spans(b)
    }

    /// Whether any segment of one list meets any of the other.
    ///
    /// Many pairs are not all compared: both lists are gone through from west to east, and a segment meets only those
    /// of the other list that have begun and not yet ended. That costs (n + m) log (n + m) and the pairs that overlap
    /// in longitude.
    static func meet(_ one: [Segment], _ other: [Segment]) -> Bool {
        if one.count * other.count <= 4096 {
            for a in one { for b in other where a.intersects(b) { return true } }
            return false
        }
        let sortedOne = one.sorted { $0.minimumX < $1.minimumX }
        let sortedOther = other.sorted { $0.minimumX < $1.minimumX }
        var openOne: [Segment] = []
        var openOther: [Segment] = []
        var i = 0
        var k = 0
        while i < sortedOne.count || k < sortedOther.count {
            if k == sortedOther.count || (i < sortedOne.count && sortedOne[i].minimumX <= sortedOther[k].minimumX) {
                if k == sortedOther.count && openOther.isEmpty { return false }
                if meets(sortedOne[i], &openOther) { return true }
                openOne.append(sortedOne[i])
                i += 1
            } else {
                if i == sortedOne.count && openOne.isEmpty { return false }
                if meets(sortedOther[k], &openOne) { return true }
                openOther.append(sortedOther[k])
                k += 1
            }
        }
        return false
    }

    /// Compares a segment with the open ones of the other list, and closes those that ended before it.
    private static func meets(_ segment: Segment, _ open: inout [Segment]) -> Bool {
        var kept = 0
        for index in open.indices where open[index].maximumX >= segment.minimumX {
            if open[index].intersects(segment) { return true }
            if kept != index { open[kept] = open[index] }
            kept += 1
        }
        open.removeLast(open.count - kept)
        return false
    }
}
