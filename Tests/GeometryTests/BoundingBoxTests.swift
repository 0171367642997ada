import Geometry
import Testing
import Wire

struct BoundingBoxTests {
    @Test("four and six numbers are read")
    func numbers() throws {
        #expect(try BoundingBox(parsing: [1, 2, 3, 4]) == box(1, 2, 3, 4))
        #expect(try BoundingBox(parsing: [1, 2, -50, 3, 4, 900]) == box(1, 2, 3, 4))
        let parsed = try BoundingBox(parsing: try JSONValue(parsing: "[170,-10.5,-170,10]"))
        #expect(parsed.crossesAntimeridian)
        var writer = JSONWriter()
        parsed.write(to: &writer)
        #expect(writer.bytes == Array("[170,-10.5,-170,10]".utf8))
    }

    @Test(
        "what is no box is refused",
        arguments: [
            "[]", "[1,2,3]", "[1,2,3,4,5]", "[1,2,3,4,5,6,7]", "[1,4,3,2]", "[-181,0,1,1]", "[0,0,181,1]",
            "[0,-91,1,1]",
            "[0,0,1,91]", "[\"0\",0,1,1]", "{}", "[0,0,9,1,1,8]", "null",
        ])
    func refused(text: String) throws {
        let value = try JSONValue(parsing: text)
        #expect(throws: GeometryError.self) { try BoundingBox(parsing: value) }
        #expect(throws: GeometryError.self) { try BoundingBox(west: .nan, south: 0, east: 0, north: 0) }
    }

    @Test("a box across the antimeridian becomes two, another stays one")
    func split() throws {
        #expect(try box(170, -5, -170, 5).splitAtAntimeridian == [box(170, -5, 180, 5), box(-180, -5, -170, 5)])
        #expect(try box(-170, -5, 170, 5).splitAtAntimeridian == [box(-170, -5, 170, 5)])
    }

    @Test(
        "boxes meet",
        arguments: [
            ([0, 0, 2, 2], [1, 1, 3, 3], true), ([0, 0, 2, 2], [2, 2, 3, 3], true),
            ([0, 0, 2, 2], [2.1, 0, 3, 2], false),
            ([0, 0, 2, 2], [0, 3, 2, 4], false), ([170, 0, -170, 2], [175, 1, 176, 3], true),
            ([170, 0, -170, 2], [-175, 1, -174, 3], true), ([170, 0, -170, 2], [0, 0, 10, 2], false),
            ([170, 0, -170, 2], [160, 0, 170, 2], true), ([170, 0, -170, 2], [179, 0, -179, 2], true),
        ] as [([Double], [Double], Bool)])
    func boxes(a: [Double], b: [Double], expected: Bool) throws {
        let (a, b) = (try BoundingBox(parsing: a), try BoundingBox(parsing: b))
        #expect(a.intersects(b) == expected)
        #expect(b.intersects(a) == expected)
    }

    @Test("a box contains positions, on its edges and across the antimeridian")
    func positions() throws {
        let plain = try box(0, 0, 10, 10)
        #expect(plain.contains(Position(0, 10)))
        #expect(!plain.contains(Position(10.1, 5)))
        #expect(!plain.contains(Position(5, -0.1)))
        let crossing = try box(170, -5, -170, 5)
        #expect(crossing.contains(Position(180, 0)))
        #expect(crossing.contains(Position(-180, 0)))
        #expect(crossing.contains(Position(-170, 5)))
        #expect(!crossing.contains(Position(0, 0)))
    }

    @Test("a geometry's box is its minimum and maximum")
    func around() throws {
        let parsed = try geometry(
            #"{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[4,6]},{"type":"LineString","coordinates":[[-4,60],[7,-10]]}]}"#
        )
        #expect(try parsed.boundingBox == box(-4, -10, 7, 60))
    }

    @Test("a box meets a geometry by its shape, not by its box")
    func shapes() throws {
        let diagonal = Geometry.lineString([Position(0, 0), Position(10, 10)])
        #expect(try box(4, 4, 6, 6).intersects(diagonal))
        #expect(try !box(6, 0, 10, 4).intersects(diagonal))
        #expect(try box(-1, -1, 11, 11).intersects(diagonal))
        let holed = Geometry.polygon([square(0, 0, 10), square(2, 2, 6)])
        #expect(try !box(3, 3, 7, 7).intersects(holed))
        #expect(try box(3, 3, 8, 7).intersects(holed))
        #expect(try box(5, 1, 5, 1).intersects(holed))
        #expect(try !box(5, 5, 5, 5).intersects(holed))
        let east = Geometry.polygon([square(-179, 0, 2)])
        #expect(try box(175, 1, -178, 2).intersects(east))
        #expect(try !box(175, 1, -179.5, 2).intersects(east))
    }
}
