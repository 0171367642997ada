import NIOCore
import ProductMetadata
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Rasters

@Suite struct RasterReaderTests {
    @Test("a hand-made GeoTIFF is described")
    func tiny() async throws {
        let raster = try await reader().inspect(TinyTIFF.bytes)
        #expect(raster.driver == "GTiff")
        #expect(raster.width == 16)
        #expect(raster.height == 16)
        #expect(raster.bands == [.init(dataType: "uint8", nodata: nil, colorInterpretation: "Gray", description: nil)])
        #expect(raster.crsCode == "EPSG:32632")
        #expect(raster.transform == [10, 0, 600_000, 0, -10, 5_000_000])
        #expect(raster.projectedBBox == [600_000, 4_999_840, 600_160, 5_000_000])
        #expect(raster.gsd == 10)
        #expect(raster.datetime?.rfc3339 == "2024-05-06T07:08:09Z")
        #expect(raster.mediaType == MediaType.geoTIFF)
        #expect(raster.noFootprint == nil)
        #expect(raster.preview == nil)
        // The corners by Krüger's series, computed apart.
        let bbox = try #require(raster.footprint?.bbox)
        #expect(zip(bbox, [10.27200093, 45.14493027, 10.27406771, 45.14639287]).allSatisfy { abs($0 - $1) < 1e-7 })
        #expect(raster.projection["proj:shape"] == [16, 16])
        #expect(raster.requestCount <= 2)
    }

    @Test("a raster without georeference has no footprint, and says so")
    func plain() async throws {
        let raster = try await reader().inspect(TinyTIFF.plain)
        #expect(raster.footprint == nil)
        #expect(raster.noFootprint == "the raster is not georeferenced")
        #expect(raster.transform == nil)
    }

    @Test("a preview is a PNG of the raster's shape that the reader reads itself")
    func preview() async throws {
        let png = try #require(try await reader().inspect(TinyTIFF.bytes, preview: true).preview)
        let again = try await reader().inspect(png)
        #expect(again.driver == "PNG")
        #expect(again.mediaType == "image/png")
        #expect(again.width == 16)
        #expect(again.bandCount == 1)
    }

    @Test("what is no raster is refused with GDAL's reason")
    func noRaster() async throws {
        #expect(await code { _ = try await reader().inspect(Array("hello, this is text".utf8)) } == .notARaster)
        #expect(await code { _ = try await reader().inspect([UInt8]()) } == .notARaster)
        let vrt =
            "<VRTDataset rasterXSize='1' rasterYSize='1'><VRTRasterBand><SimpleSource><SourceFilename>/etc/passwd</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
        #expect(await code { _ = try await reader().inspect(Array(vrt.utf8)) } == .notARaster)
    }

    @Test("a failure to read the object is thrown on")
    func readFails() async throws {
        struct Broken: Error {}
        await #expect(throws: Broken.self) {
            _ = try await reader().inspect(name: "x", files: [.init(name: "object.tif", size: 100)], preview: false) {
                _, _ in throw Broken()
            }
        }
    }

    @Test("a limit on the bytes read holds")
    func bytesMax() async throws {
        let small = reader(bytesMax: 100)
        #expect(await code { _ = try await small.inspect(TinyTIFF.bytes) } == .tooLarge)
    }

    @Test("cancelling the task ends the child")
    func cancel() async throws {
        let task = Task {
            try await reader().inspect(name: "x", files: [.init(name: "object.tif", size: 1000)], preview: false) {
                _, _ in
                try await Task.sleep(for: .seconds(60))
                return ByteBuffer()
            }
        }
        try await Task.sleep(for: .milliseconds(100))
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}

@Suite(.enabled(if: Real.isThere)) struct RealRasterTests {
    @Test("a colour picture with nodata gives a preview with transparency")
    func colour() async throws {
        let raster = try await reader().inspect(Real.bytes("rasters/RGB.byte.tif"), preview: true)
        #expect(raster.width == 791)
        #expect(raster.height == 718)
        #expect(raster.bands.map(\.colorInterpretation) == ["Red", "Green", "Blue"])
        #expect(raster.bands.map(\.nodata) == [0, 0, 0])
        #expect(raster.crsCode == "EPSG:32618")
        let bbox = try #require(raster.footprint?.bbox)
        #expect(zip(bbox, [-78.96, 23.56, -76.57, 25.55]).allSatisfy { abs($0 - $1) < 0.05 })
        let png = try await reader().inspect(try #require(raster.preview))
        #expect(png.bandCount == 4)
        #expect(png.bands.last?.colorInterpretation == "Alpha")
        #expect(png.width == 512)
        #expect(png.height == 465)
    }

    @Test("a cloud-optimized GeoTIFF is told from another")
    func cog() async throws {
        let raster = try await reader().inspect(Real.bytes("rasters/cogeo.tif"), preview: true)
        #expect(raster.preview != nil)
        #expect(raster.mediaType == MediaType.cloudOptimizedGeoTIFF)
        #expect(raster.requestCount < 10)
        let other = try await reader().inspect(Real.bytes("rasters/RGB.byte.tif"))
        #expect(other.mediaType == MediaType.geoTIFF)
    }

    @Test("a damaged file gives an error or a description without a preview, never a crash")
    func corrupt() async throws {
        do {
            let raster = try await reader().inspect(Real.bytes("rasters/corrupt.tif"), preview: true)
            #expect(raster.preview != nil || raster.noPreview != nil)
        } catch let error as RasterError {
            #expect(error.code == .notARaster)
        }
    }

    @Test("a Landsat band has the scene's coordinate system", arguments: ["SR_B2", "SR_B3", "SR_B4", "QA_PIXEL"])
    func landsat(_ band: String) async throws {
        let raster = try await reader().inspect(Real.bytes("\(Real.landsat)_\(band).TIF"), preview: true)
        #expect(raster.bands.first?.dataType == "uint16")
        #expect(raster.crsCode == "EPSG:32618")
        let bbox = try #require(raster.footprint?.bbox)
        #expect(bbox[0] > -76.2 && bbox[2] < -74.0 && bbox[1] > 0.3 && bbox[3] < 2.6)
        #expect(raster.preview != nil)
    }

    @Test("a truncated file never hangs and never takes the node with it")
    func truncated() async throws {
        let whole = Real.bytes("rasters/cogeo.tif")
        try await concurrently(Array(stride(from: 1024, to: whole.count, by: 1024))) { count in
            do {
                let raster = try await reader(deadline: .seconds(60)).inspect(
                    Array(whole[..<count]), preview: count % 8192 == 0)
                #expect(raster.width ?? 0 > 0)
            } catch let error as RasterError {
                #expect(error.code == .notARaster, "\(count) bytes: \(error)")
            }
        }
    }
}

@Suite struct MutationTests {
    @Test("300 mutations of a GeoTIFF end in a description or in an error")
    func mutations() async throws {
        var random = SeededGenerator(seed: 20_261_121)
        let files = (0..<300).map { _ in
            var bytes = TinyTIFF.bytes
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                // Most of the meaning is in the directory, after the pixels.
                let first = Bool.random(using: &random) ? 264 : 0
                bytes[Int.random(in: first..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            return bytes
        }
        let described = Atomic(0)
        try await concurrently(files) { bytes in
            do {
                let raster = try await reader(deadline: .seconds(60)).inspect(bytes, preview: true)
                #expect(raster.width ?? 0 > 0)
                described.add(1, ordering: .relaxed)
            } catch let error as RasterError {
                switch error.code {
                case .notARaster, .timedOut, .crashed: break
                default: Issue.record("\(error)")
                }
            }
        }
        #expect(described.load(ordering: .relaxed) > 50)
    }
}
