import ProductMetadata
import TestSupport
import Testing
import Wire

@Suite struct FootprintTests {
    private func footprint(_ ring: [(Double, Double)]) throws -> Footprint {
        try Footprint(ring: ring.map { .init(longitude: $0.0, latitude: $0.1) })
    }

    @Test("a ring is closed and turned counterclockwise")
    func turned() throws {
        let clockwise = try footprint([(0, 0), (0, 2), (3, 2), (3, 0)])
        #expect(clockwise.bbox == [0, 0, 3, 2])
        #expect(
            clockwise.geometry == [
                "type": "Polygon", "coordinates": [[[3.0, 0.0], [3.0, 2.0], [0.0, 2.0], [0.0, 0.0], [3.0, 0.0]]],
            ])
        let already = try footprint([(0, 0), (3, 0), (3, 2), (0, 2), (0, 0)])
        #expect(already.geometry["coordinates"]?.array?.first?.array?.first == [0.0, 0.0])
    }

    @Test(
        "a ring across the antimeridian is cut in two",
        arguments: [
            [(170.0, 0.0), (-170, 0), (-170, 10), (170, 10)], [(-170.0, 10.0), (170, 10), (170, 0), (-170, 0)],
            [(170.0, 0.0), (190, 0), (190, 10), (170, 10)], [(-190.0, 0.0), (-170, 0), (-170, 10), (-190, 10)],
        ])
    func antimeridian(_ ring: [(Double, Double)]) throws {
        let cut = try footprint(ring)
        #expect(cut.bbox == [170, 0, -170, 10])
        #expect(cut.geometry["type"] == "MultiPolygon")
        let parts = cut.geometry["coordinates"]?.array ?? []
        #expect(parts.count == 2)
        for part in parts {
            for position in part.array?.first?.array ?? [] {
                let longitude = position.array?.first?.number ?? 999
                #expect(abs(longitude) <= 180 && abs(longitude) >= 170)
            }
        }
    }

    @Test("a ring that only touches the antimeridian stays whole")
    func touches() throws {
        #expect(try footprint([(180, 0), (-175, 0), (-175, 5), (-180, 5)]).bbox == [-180, 0, -175, 5])
        #expect(try footprint([(175, 0), (180, 0), (-180, 5), (175, 5)]).bbox == [175, 0, 180, 5])
    }

    @Test("a ring round a pole encloses it", arguments: [(-70.0, -90.0), (70, 90)])
    func pole(_ latitude: Double, _ pole: Double) throws {
        let round = try footprint([(0, latitude), (90, latitude), (180, latitude), (-90, latitude)])
        #expect(round.bbox == [-180, min(latitude, pole), 180, max(latitude, pole)])
    }

    @Test("the whole globe is one polygon")
    func globe() throws {
        let ring = [(-180.0, -90.0), (-60, -90), (60, -90), (180, -90), (180, 90), (60, 90), (-60, 90), (-180, 90)]
        #expect(try footprint(ring).bbox == [-180, -90, 180, 90])
    }

    @Test(
        "what is no ring is refused",
        arguments: [
            [], [(0, 0)], [(0, 0), (1, 1)], [(0, 0), (0, 0), (0, 0), (1, 1)], [(.nan, 0), (1, 1), (2, 0)],
            [(0, 91), (1, 1), (2, 0)],
            [(.infinity, 0), (1, 1), (2, 0)],
        ] as [[(Double, Double)]])
    func noRing(_ ring: [(Double, Double)]) {
        #expect(throws: ProductMetadataError.self) { try footprint(ring) }
    }

    @Test("random rings never crash, and give longitudes and latitudes")
    func random() {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<2000 {
            let ring = (0..<Int.random(in: 3...12, using: &random)).map { _ in
                (Double.random(in: -360...360, using: &random), Double.random(in: -90...90, using: &random))
            }
            guard let result = try? footprint(ring) else { continue }
            #expect(result.bbox.count == 4)
            #expect(abs(result.bbox[0]) <= 180 && abs(result.bbox[2]) <= 180 && abs(result.bbox[1]) <= 90)
        }
    }
}
