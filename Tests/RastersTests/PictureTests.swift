import NIOCore
import ProductMetadata
import Rasters
import TestSupport
import Testing

/// Pictures of a GeoTIFF whose pixels count from 0 to 255: 16 × 16, of 10 m.
@Suite struct PictureTests {
    private func picture(
        _ change: (inout PictureRequest) -> Void = { _ in }, bytes: [UInt8] = TinyTIFF.bytes
    ) async throws -> (bytes: [UInt8], rescale: [[Double]], problem: String?) {
        var request = PictureRequest(
            crs: "EPSG:32632", bounds: [600_000, 4_999_840, 600_160, 5_000_000], width: 16, height: 16,
            sources: [[.init(name: "a", file: 0)]])
        request.resampling = .nearest
        change(&request)
        return try await reader().picture(
            name: "a", request, files: [.init(name: "a0.tif", size: UInt64(bytes.count))]
        ) { _, range in ByteBuffer(bytes: bytes[Int(range.lowerBound)..<Int(range.upperBound)]) }
    }

    /// The PNG's width and height, and its kind of colours: 0 grey, 2 red, green and blue, 4 and 6 with opacity.
    private func head(_ png: [UInt8]) -> [Int] {
        [png[16..<20].reduce(0) { $0 << 8 | Int($1) }, png[20..<24].reduce(0) { $0 << 8 | Int($1) }, Int(png[25])]
    }

    @Test("bytes stay as they are, and what is not covered is transparent")
    func plain() async throws {
        let whole = try await picture()
        #expect(head(whole.bytes) == [16, 16, 0] && whole.rescale == [[0, 255]] && whole.problem == nil)
        let wider = try await picture {
            $0.bounds = [599_000, 4_999_000, 601_000, 5_001_000]
            ($0.width, $0.height) = (40, 30)
        }
        #expect(head(wider.bytes) == [40, 30, 4])
        let elsewhere = try await picture { $0.bounds = [100_000, 100_000, 100_160, 100_160] }
        #expect(head(elsewhere.bytes) == [16, 16, 4] && elsewhere.problem == nil && elsewhere.rescale.isEmpty)
        let nothing = try await picture { $0.sources = [] }
        #expect(head(nothing.bytes) == [16, 16, 4])
    }

    @Test("expressions and colours, in another system")
    func expressions() async throws {
        let coloured = try await picture {
            $0.crs = "EPSG:3857"
            $0.bounds = [1_143_400, 5_644_300, 1_143_800, 5_644_700]
            $0.expressions = ["sqrt(a) * 2"]
            $0.colorMap = ColorMap(named: "viridis")
        }
        #expect(head(coloured.bytes)[2] == 6 && coloured.problem == nil)
        let range = try #require(coloured.rescale.first)
        #expect(range[0] >= 0 && range[0] < 8 && range[1] > 28 && range[1] <= 32)
        let jpeg = try await picture {
            $0.expressions = ["a", "b1", "a_b1"]
            $0.format = .jpeg
        }
        #expect(jpeg.bytes.starts(with: [0xFF, 0xD8]))
    }

    @Test("what cannot be drawn is told")
    func problems() async throws {
        #expect(try await picture { $0.expressions = ["a_b9"] }.problem?.contains("a_b9") == true)
        #expect(try await picture(bytes: TinyTIFF.plain).problem?.contains("not georeferenced") == true)
        #expect(try await picture(bytes: Array("no raster at all".utf8)).problem != nil)
        #expect(try await picture { $0.sources = [[.init(name: "a", file: 7)]] }.problem != nil)
        #expect(await code { _ = try await picture { $0.crs = "EPSG:1" } } == .notARaster)
        #expect(await code { _ = try await picture { $0.bounds = [1, 1, 0, 0] } } == .notARaster)
        #expect(await code { _ = try await picture { $0.expressions = ["a +"] } } == .notARaster)
    }

    @Test("damaged files end a child at most")
    func damage() async throws {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<12 {
            var bytes = TinyTIFF.bytes
            for _ in 0..<6 {
                let at = Int.random(in: 0..<bytes.count, using: &generator)
                bytes[at] = UInt8.random(in: 0...255, using: &generator)
            }
            _ = try? await picture(bytes: bytes)
        }
        #expect(try await picture().problem == nil)
    }
}
