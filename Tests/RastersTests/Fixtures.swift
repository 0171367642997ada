import Glibc
import NIOCore
import NIOPosix
import ProductMetadata
import Rasters

/// Files that are read from a folder of real products, where there is one.
enum Real {
    static var folder: String {
        getenv("MARTLET_SHARED").map { String(cString: $0) } ?? "/work/shared"
    }

    static func path(_ name: String) -> String { "\(folder)/data/products/\(name)" }

    static var isThere: Bool { access(path("rasters/cogeo.tif"), R_OK) == 0 }

    static func bytes(_ name: String) -> [UInt8] {
        guard let file = fopen(path(name), "r") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            guard count > 0 else { return bytes }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    static let landsat = "LC08_L2SP_008059_20191201_20200825_02_T1/LC08_L2SP_008059_20191201_20200825_02_T1"
}

/// A pool of its own, so that a test that blocks threads stands in nobody's way.
let testPool: NIOThreadPool = {
    let pool = NIOThreadPool(numberOfThreads: 4)
    pool.start()
    return pool
}()

func reader(
    _ executable: String = RasterReader.installed, deadline: Duration = .seconds(120), bytesMax: Int64 = 1 << 30
)
    -> RasterReader
{
    RasterReader(executable: executable, pool: testPool, deadline: deadline, bytesMax: bytesMax)
}

extension RasterReader {
    func inspect(_ bytes: [UInt8], preview: Bool = false) async throws -> RasterDescription {
        try await inspect([("object.tif", bytes)], preview: preview)
    }

    func inspect(_ files: [(name: String, bytes: [UInt8])], preview: Bool = false) async throws -> RasterDescription {
        let offered = files.map { RasterProtocol.File(name: $0.name, size: UInt64($0.bytes.count)) }
        return try await inspect(name: "a", files: offered, preview: preview) { index, range in
            ByteBuffer(bytes: files[index].bytes[Int(range.lowerBound)..<Int(range.upperBound)])
        }
    }
}

/// What a body throws as a RasterError's code.
func code(_ body: () async throws -> Void) async -> RasterError.Code? {
    do {
        try await body()
        return nil
    } catch let error as RasterError {
        return error.code
    } catch {
        return nil
    }
}

/// A GeoTIFF made by hand: 16 × 16 pixels of one byte, one strip, EPSG:32632, 10 m pixels, upper left (600000,
/// 5000000).
enum TinyTIFF {
    static let bytes: [UInt8] = make(withGeoreference: true)
    static let plain: [UInt8] = make(withGeoreference: false)

    private static func make(withGeoreference: Bool) -> [UInt8] {
        var entries: [(tag: UInt16, type: UInt16, count: UInt32, value: [UInt8])] = [
            (256, 3, 1, short(16)), (257, 3, 1, short(16)), (258, 3, 1, short(8)), (259, 3, 1, short(1)),
            (262, 3, 1, short(1)), (273, 4, 1, long(8)), (277, 3, 1, short(1)), (278, 3, 1, short(16)),
            (279, 4, 1, long(256)), (306, 2, 20, Array("2024:05:06 07:08:09".utf8) + [0]),
        ]
        if withGeoreference {
            let keys: [UInt16] = [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32632]
            entries += [
                (33550, 12, 3, [10.0, 10, 0].flatMap(double)),
                (33922, 12, 6, [0.0, 0, 0, 600_000, 5_000_000, 0].flatMap(double)),
                (34735, 3, UInt32(keys.count), keys.flatMap(short)),
            ]
        }
        let directory = 8 + 256
        var later = directory + 2 + entries.count * 12 + 4
        var table = short(UInt16(entries.count))
        var tail: [UInt8] = []
        for entry in entries {
            table += short(entry.tag) + short(entry.type) + long(entry.count)
            if entry.value.count <= 4 {
                table += entry.value + [UInt8](repeating: 0, count: 4 - entry.value.count)
            } else {
                table += long(UInt32(later))
                tail += entry.value
                later += entry.value.count
            }
        }
        let pixels = (0..<256).map { UInt8($0) }
        return Array("II".utf8) + short(42) + long(UInt32(directory)) + pixels + table + long(0) + tail
    }

    private static func short(_ number: UInt16) -> [UInt8] { [UInt8(number & 255), UInt8(number >> 8)] }
    private static func long(_ number: UInt32) -> [UInt8] {
        short(UInt16(number & 0xFFFF)) + short(UInt16(number >> 16))
    }
    private static func double(_ number: Double) -> [UInt8] {
        withUnsafeBytes(of: number.bitPattern.littleEndian) { Array($0) }
    }
}

/// Does the same to many items, a few at a time.
func concurrently<T: Sendable>(_ items: [T], _ body: @escaping @Sendable (T) async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for (index, item) in items.enumerated() {
            if index >= 2 { try await group.next() }
            group.addTask { try await body(item) }
        }
        try await group.waitForAll()
    }
}
