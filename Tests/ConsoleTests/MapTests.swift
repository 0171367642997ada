import Console
import Geometry
import Testing

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
