import GeoParquet
import Parquet
import Wire

/// Items in files: one a line (`.ndjson`, `.jsonl`), one a row (GeoParquet), one a file, or the features of a
/// collection of them.
struct ItemFiles {
    struct File: Sendable {
        var path: String
        var size: Int64
    }

    private static let lineEndings = [".ndjson", ".jsonl", ".ndgeojson"]
    private static let tableEndings = [".parquet", ".geoparquet"]
    private static let endings = lineEndings + tableEndings + [".json", ".geojson"]
    /// A file that is one document is read whole.
    private static let documentBytesMax = 256 << 20
    /// An item that no node takes is refused before it is sent.
    private static let lineBytesMax = 64 << 20

    let files: [File]
    var bytes: Int64 { files.reduce(0) { $0 + $1.size } }

    /// - Parameter paths: files, and folders that are looked through for files with these endings.
    init(_ paths: [String]) throws {
        files = try paths.flatMap { path -> [File] in
            guard let info = martlet.File.info(path) else {
                throw Failure(.notFound, "there is no file or folder \(path)")
            }
            guard info.isFolder else { return [File(path: path, size: info.size)] }
            return try martlet.File.walk(path)
                .filter { found in Self.endings.contains { found.path.lowercased().hasSuffix($0) } }
                .map { File(path: path + "/" + $0.path, size: $0.size) }
        }
    }

    /// Calls `body` with each item and how many bytes of the file it took.
    static func forEachItem(
        in file: File, _ body: (_ item: [UInt8], _ bytes: Int64) async throws -> Void
    ) async throws {
        let content = try ReadableFile(file.path)
        if tableEndings.contains(where: { file.path.lowercased().hasSuffix($0) }) {
            return try await rows(content, body)
        }
        guard lineEndings.contains(where: { file.path.lowercased().hasSuffix($0) }) else {
            guard content.size <= documentBytesMax else {
                throw Failure(
                    .failed, "\(file.path) is larger than \(documentBytesMax >> 20) MiB: write it as lines (.ndjson)")
            }
            let bytes = try content.read(at: 0, count: Int(content.size))
            let json: JSONValue
            do {
                json = try JSONValue(parsing: bytes)
            } catch {
                throw Failure(.failed, "\(file.path) is \(error)")
            }
            if let features = json["features"]?.array, json["type"]?.string == "FeatureCollection" {
                for feature in features { try await body(feature.bytes, file.size / Int64(features.count)) }
            } else {
                // Written anew, so that it is one line.
                try await body(json.bytes, file.size)
            }
            return
        }
        try await forEachLine(of: content, body)
    }

    /// Calls `body` with each line that is not empty.
    static func forEachLine(
        of content: ReadableFile, _ body: (_ item: [UInt8], _ bytes: Int64) async throws -> Void
    ) async throws {
        var rest: [UInt8] = []
        var offset: Int64 = 0
        while offset < content.size {
            let count = Int(min(1 << 20, content.size - offset))
            rest += try content.read(at: offset, count: count)
            offset += Int64(count)
            var start = rest.startIndex
            while let end = rest[start...].firstIndex(of: 0x0A) {
                try await line(Array(rest[start..<end]), body)
                start = end + 1
            }
            rest.removeSubrange(..<start)
            guard rest.count <= lineBytesMax else {
                throw Failure(.failed, "\(content.path) has a line of more than \(lineBytesMax >> 20) MiB")
            }
        }
        try await line(rest, body)
    }

    private static func rows(
        _ content: ReadableFile, _ body: (_ item: [UInt8], _ bytes: Int64) async throws -> Void
    ) async throws {
        do {
            var table = try ItemTableReader(size: content.size) { try content.read(at: $0, count: $1) }
            let bytes = content.size / max(1, table.rowCount)
            while let item = try table.next() { try await body(item.bytes, bytes) }
        } catch let error as ParquetError {
            throw Failure(.failed, "\(content.path): \(error)")
        }
    }

    private static func line(_ line: [UInt8], _ body: ([UInt8], Int64) async throws -> Void) async throws {
        guard line.contains(where: { ![0x20, 0x09, 0x0D].contains($0) }) else { return }
        try await body(line, Int64(line.count + 1))
    }
}
