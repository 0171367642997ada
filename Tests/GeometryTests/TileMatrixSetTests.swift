import Geometry
import Testing

@Suite struct TileMatrixSetTests {
    @Test("the scales are those of the standard")
    func scales() {
        // OGC 17-083r4, annex D.1 and D.2.
        #expect(abs(TileMatrixSet.webMercatorQuad.scaleDenominator(ofZoom: 0) - 559_082_264.028717) < 0.01)
        #expect(abs(TileMatrixSet.webMercatorQuad.scaleDenominator(ofZoom: 18) - 2132.72958384978) < 1e-6)
        #expect(abs(TileMatrixSet.worldCRS84Quad.scaleDenominator(ofZoom: 0) - 279_541_132.014358) < 0.01)
    }

    @Test("a tile lies where every map has it")
    func places() throws {
        let world = TileMatrixSet.webMercatorQuad
        let all = try #require(world.box(of: .init(zoom: 0, column: 0, row: 0)))
        #expect(abs(all.north - 85.0511287798066) < 1e-9 && all.west == -180)
        // Zürich.
        let zurich = try #require(world.box(of: .init(zoom: 10, column: 536, row: 358)))
        #expect(zurich.west < 8.54 && zurich.east > 8.54 && zurich.south < 47.38 && zurich.north > 47.38)
        let degrees = TileMatrixSet.worldCRS84Quad
        #expect(degrees.bounds(of: .init(zoom: 0, column: 1, row: 0)) == [0, -90, 180, 90])
        #expect(degrees.bounds(of: .init(zoom: 1, column: 0, row: 1)) == [-180, -90, -90, 0])
        #expect(world.contains(.init(zoom: 3, column: 7, row: 7)) && !world.contains(.init(zoom: 3, column: 8, row: 0)))
        #expect(
            !world.contains(.init(zoom: 25, column: 0, row: 0)) && !world.contains(.init(zoom: 1, column: -1, row: 0)))
        #expect(
            degrees.contains(.init(zoom: 0, column: 1, row: 0)) && !degrees.contains(.init(zoom: 0, column: 0, row: 1)))
    }

    @Test("a box and the tile around it are the same in both systems")
    func boxes() throws {
        let tile = TileMatrixSet.Tile(zoom: 7, column: 67, row: 45)
        for set in TileMatrixSet.all {
            let box = try #require(set.box(of: tile))
            for (a, b) in zip(set.bounds(of: box), set.bounds(of: tile)) { #expect(abs(a - b) < 1e-6) }
        }
        #expect(TileMatrixSet.webMercatorQuad.zoom(for: try BoundingBox(west: 10, south: 46, east: 11, north: 47)) == 8)
        #expect(
            TileMatrixSet.webMercatorQuad.zoom(for: try BoundingBox(west: 179, south: 0, east: -179, north: 1)) == 7)
    }
}
