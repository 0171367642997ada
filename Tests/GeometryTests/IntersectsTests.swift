import Geometry
import TestSupport
import Testing
import Wire

struct IntersectsTests {
    static let cases: [(Geometry, Geometry, Bool, String)] = [
        (.point(Position(1, 1)), .point(Position(1, 1)), true, "the same point"),
        (.point(Position(1, 1)), .point(Position(1, 2)), false, "two points"),
        (.point(Position(1, 1)), .lineString([Position(0, 0), Position(2, 2)]), true, "a point on a line"),
        (.point(Position(1, 1.1)), .lineString([Position(0, 0), Position(2, 2)]), false, "a point beside a line"),
        (.point(Position(3, 3)), .lineString([Position(0, 0), Position(2, 2)]), false, "a point beyond a line"),
        (.point(Position(5, 5)), .polygon([square(0, 0, 10)]), true, "a point inside"),
        (.point(Position(10, 5)), .polygon([square(0, 0, 10)]), true, "a point on an edge"),
        (.point(Position(10, 10)), .polygon([square(0, 0, 10)]), true, "a point on a corner"),
        (.point(Position(11, 5)), .polygon([square(0, 0, 10)]), false, "a point outside"),
        (.point(Position(5, 5)), .polygon([square(0, 0, 10), square(4, 4, 2)]), false, "a point in a hole"),
        (.point(Position(4, 5)), .polygon([square(0, 0, 10), square(4, 4, 2)]), true, "a point on a hole's edge"),
        (
            .lineString([Position(0, 0), Position(2, 2)]), .lineString([Position(0, 2), Position(2, 0)]), true,
            "lines that cross"
        ),
        (
            .lineString([Position(0, 0), Position(2, 2)]), .lineString([Position(1, 1), Position(2, 0)]), true,
            "a line that ends on a line"
        ),
        (
            .lineString([Position(0, 0), Position(2, 2)]), .lineString([Position(1, 1), Position(3, 3)]), true,
            "lines that share a piece"
        ),
        (
            .lineString([Position(0, 0), Position(2, 2)]), .lineString([Position(3, 3), Position(4, 4)]), false,
            "lines one after the other"
        ),
        (
            .lineString([Position(0, 0), Position(2, 2)]), .lineString([Position(0, 1), Position(1, 2)]), false,
            "parallel lines"
        ),
        (.lineString([Position(2, 2), Position(3, 3)]), .polygon([square(0, 0, 10)]), true, "a line inside"),
        (.lineString([Position(-5, 5), Position(15, 5)]), .polygon([square(0, 0, 10)]), true, "a line through"),
        (
            .lineString([Position(-5, 10), Position(15, 10)]), .polygon([square(0, 0, 10)]), true,
            "a line along an edge"
        ),
        (.lineString([Position(-5, 11), Position(15, 11)]), .polygon([square(0, 0, 10)]), false, "a line above"),
        (
            .lineString([Position(4.5, 4.5), Position(5, 5)]), .polygon([square(0, 0, 10), square(4, 4, 2)]), false,
            "a line in a hole"
        ),
        (.polygon([square(0, 0, 10)]), .polygon([square(5, 5, 10)]), true, "polygons that overlap"),
        (.polygon([square(0, 0, 10)]), .polygon([square(2, 2, 2)]), true, "a polygon inside"),
        (.polygon([square(0, 0, 10)]), .polygon([square(10, 10, 2)]), true, "polygons that share a corner"),
        (.polygon([square(0, 0, 10)]), .polygon([square(10, 2, 2)]), true, "polygons that share an edge"),
        (.polygon([square(0, 0, 10)]), .polygon([square(0, 0, 10)]), true, "the same polygon"),
        (.polygon([square(0, 0, 10)]), .polygon([square(11, 0, 2)]), false, "polygons apart"),
        (
            .polygon([square(0, 0, 10), square(2, 2, 6)]), .polygon([square(3, 3, 2)]), false, "a polygon in a hole"
        ),
        (
            .polygon([square(0, 0, 10), square(2, 2, 6)]), .polygon([square(2, 3, 2)]), true,
            "a polygon in a hole that touches its edge"
        ),
        (
            .polygon([square(0, 0, 10), square(2, 2, 6)]), .polygon([square(1, 1, 8), square(2, 2, 6)]), true,
            "a ring in a ring"
        ),
        (
            .multiPolygon([[square(0, 0, 1)], [square(20, 20, 5)]]), .polygon([square(21, 21, 1)]), true,
            "the second of two polygons"
        ),
        (
            .multiPolygon([[square(0, 0, 1)], [square(20, 20, 5)]]), .polygon([square(5, 5, 2)]), false,
            "between two polygons"
        ),
        (
            .collection([.point(Position(50, 50)), .polygon([square(0, 0, 10)])]),
            .multiPoint([Position(30, 30), Position(5, 5)]), true, "collections of parts"
        ),
        (
            .polygon([[Position(0, 0), Position(5, 5), Position(10, 0), Position(5, 10), Position(0, 0)]]),
            .point(Position(5, 3)), false, "the notch of an arrow"
        ),
        (
            .polygon([[Position(0, 0), Position(5, 5), Position(10, 0), Position(5, 10), Position(0, 0)]]),
            .point(Position(5, 5)), true, "the corner of the notch"
        ),
        (
            .polygon([[Position(0, 0), Position(4, 4), Position(8, 0), Position(8, 8), Position(0, 8), Position(0, 0)]]
            ),
            .point(Position(2, 4)), true, "a ray through a corner"
        ),
    ]

    @Test("hand-made cases, both ways round, moved, and the other way along", arguments: cases.indices)
    func table(index: Int) {
        let (a, b, expected, name) = Self.cases[index]
        #expect(a.intersects(b) == expected, "\(name)")
        #expect(b.intersects(a) == expected, "\(name)")
        for (dx, dy) in [(-32.0, 16.0), (0.5, -64.25), (-128, -32)] {
            #expect(a.moved(dx, dy).intersects(b.moved(dx, dy)) == expected, "\(name)")
        }
        #expect(a.reversed.intersects(b) == expected, "\(name)")
        #expect(a.swapped.intersects(b.swapped) == expected, "\(name)")
    }

    @Test("contains is about single positions")
    func contains() {
        let holed = Geometry.polygon([square(0, 0, 10), square(4, 4, 2)])
        #expect(holed.contains(Position(1, 1)))
        #expect(!holed.contains(Position(5, 5)))
        #expect(!holed.contains(Position(50, 5)))
    }

    @Test("a position a rounding error beside a line is not on it")
    func exact() {
        // The differences to the ends round here, so that only exact arithmetic tells the neighbours apart.
        let line = Geometry.lineString([Position(-24, -24), Position(24, 24)])
        let step = 0.5.ulp
        for i in -20...20 {
            for j in -20...20 {
                #expect(line.contains(Position(0.5 + Double(i) * step, 0.5 + Double(j) * step)) == (i == j))
            }
        }
        // Three up for one along: here rounding makes positions on the line look as if they were beside it.
        let steep = Geometry.lineString([Position(-24, -72), Position(24, 72)])
        for i in stride(from: -400, through: 400, by: 2) {
            let place = Position(0.5 + Double(i) * step, 1.5 + 3 * Double(i) * step)
            #expect(steep.contains(place))
            #expect(!steep.contains(Position(place.longitude, place.latitude.nextUp)))
        }
    }

    @Test("random polygons give the same either way round, moved, and as a brute-force model says")
    func properties() {
        var random = SeededGenerator(seed: 9)
        func ring() -> [Position] {
            let x = Double(Int.random(in: -40...40, using: &random))
            let y = Double(Int.random(in: -40...40, using: &random))
            // A star around its centre does not cross itself; integers make touching common.
            var corners = [(6.0, 0.0), (4, 4), (0, 6), (-4, 4), (-6, 0), (-4, -4), (0, -6), (4, -4)].map { dx, dy in
                let scale = Double(Int.random(in: 1...3, using: &random))
                return Position(x + dx * scale, y + dy * scale)
            }
            corners.append(corners[0])
            return corners
        }
        var met = 0
        for _ in 0..<600 {
            let a = Geometry.polygon([ring()])
            let b = Geometry.polygon([ring()])
            let result = a.intersects(b)
            if result { met += 1 }
            #expect(b.intersects(a) == result)
            #expect(a.reversed.intersects(b) == result)
            #expect(a.moved(0.25, -0.5).intersects(b.moved(0.25, -0.5)) == result)
            // If any place of a fine grid is in both, they meet.
            if !result {
                for x in stride(from: -58.0, through: 58, by: 4) {
                    for y in stride(from: -58.0, through: 58, by: 4) where a.contains(Position(x, y)) {
                        #expect(!b.contains(Position(x, y)))
                    }
                }
            }
        }
        #expect(met > 60 && met < 540)
    }

    @Test("the sweep finds what comparing all pairs finds")
    func sweep() {
        var random = SeededGenerator(seed: 21)
        var met = 0
        for _ in 0..<60 {
            func lines(_ count: Int) -> [[Position]] {
                (0..<count).map { _ in
                    let x = Double.random(in: -100...100, using: &random)
                    let y = Double.random(in: -60...60, using: &random)
                    let dx = Double.random(in: -1...1, using: &random)
                    return [Position(x, y), Position(x + dx, y + Double.random(in: -1...1, using: &random))]
                }
            }
            let a = lines(100)
            let b = lines(100)
            let pairs = a.contains { one in b.contains { Geometry.lineString(one).intersects(.lineString($0)) } }
            if pairs { met += 1 }
            #expect(Geometry.multiLineString(a).intersects(.multiLineString(b)) == pairs)
        }
        #expect(met > 5 && met < 55)
    }

    @Test("a hundred thousand positions against a hundred are compared quickly", .timeLimit(.minutes(1)))
    func large() {
        var ring: [Position] = []
        for step in 0..<100_000 {
            let t = Double(step) / 100_000
            // A saw-toothed square of 100 degrees.
            let side = Int(t * 4)
            let u = (t * 4 - Double(side)) * 100 - 50
            let tooth = step % 2 == 0 ? 50.0 : 50.5
            ring.append([Position(u, -tooth), Position(tooth, u), Position(-u, tooth), Position(-tooth, -u)][side])
        }
        ring.append(ring[0])
        let coast = Geometry.polygon([ring])
        var circle = (0..<100).map { Position(Double($0 % 10) * 4 - 20, Double($0 / 10) * 4 - 20) }
        #expect(coast.intersects(.lineString(circle)))
        circle = circle.map { Position($0.longitude * 2.4, $0.latitude * 0.1 + 55) }
        #expect(!coast.intersects(.lineString(circle)))
    }
}

extension Geometry {
    /// The same geometry with every position changed, and every list of positions.
    private func mapped(_ list: ([Position]) -> [Position]) -> Geometry {
        switch self {
        case .point(let p): .point(list([p])[0])
        case .multiPoint(let positions): .multiPoint(list(positions))
        case .lineString(let positions): .lineString(list(positions))
        case .multiLineString(let lines): .multiLineString(lines.map(list))
        case .polygon(let rings): .polygon(rings.map(list))
        case .multiPolygon(let polygons): .multiPolygon(polygons.map { $0.map(list) })
        case .collection(let geometries): .collection(geometries.map { $0.mapped(list) })
        }
    }

    func moved(_ dx: Double, _ dy: Double) -> Geometry {
        mapped { $0.map { Position($0.longitude + dx, $0.latitude + dy) } }
    }

    var reversed: Geometry { mapped { $0.reversed() } }
    var swapped: Geometry { mapped { $0.map { Position($0.latitude, $0.longitude) } } }
}
