import Console
import Geometry
import Testing
import Wire

@Suite("Maps")
struct MapTests {
    private func box(_ west: Double, _ south: Double, _ east: Double, _ north: Double) throws -> BoundingBox {
        try BoundingBox(west: west, south: south, east: east, north: north)
    }

    @Test("boxes are joined on the side where they lie closer together")
    func union() throws {
        #expect(MapFigure.union([]) == nil)
        #expect(MapFigure.union([try box(1, 2, 3, 4), try box(-5, 3, -4, 9)]) == (try box(-5, 2, 3, 9)))
        #expect(MapFigure.union([try box(170, 0, 175, 1), try box(-179, 0, -178, 1)]) == (try box(170, 0, -178, 1)))
        #expect(MapFigure.union([try box(179, 0, -179, 1)]) == (try box(179, 0, -179, 1)))
        #expect(MapFigure.union([try box(179, 0, -179, 1), try box(-10, 0, 10, 1)]) == (try box(-180, 0, 180, 1)))
        #expect(MapFigure.union([try box(-180, -90, 180, 90)]) == (try box(-180, -90, 180, 90)))
    }
}

@Suite("The outline of the world")
struct WorldOutlineTests {
    @Test("the lines close, stay on the Earth, and make an SVG of two paths")
    func lines() throws {
        let world = try JSONValue(parsing: WorldOutline.bytes)
        for (name, least) in [("land", 100), ("borders", 200)] {
            let lines = try #require(world[name]?.array)
            #expect(lines.count > least)
            for line in lines {
                let numbers = try #require(line.array).map { try #require($0.integer) }
                #expect(numbers.count >= 4 && numbers.count.isMultiple(of: 2))
                var (x, y) = (0 as Int64, 0 as Int64)
                for index in stride(from: 0, to: numbers.count, by: 2) {
                    (x, y) = (x + numbers[index], y + numbers[index + 1])
                    #expect((-1800...1800).contains(x) && (-900...900).contains(y))
                }
            }
        }
        let svg = String(decoding: WorldOutline.svg, as: UTF8.self)
        #expect(svg.contains("<path id=\"land\"") && svg.contains("<path id=\"borders\""))
        #expect(svg.utf8.count > 30_000 && svg.utf8.count < 100_000)
    }
}
