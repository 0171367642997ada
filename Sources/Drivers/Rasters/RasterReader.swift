internal import Glibc
package import NIOCore
package import NIOPosix
internal import Processes
package import ProductMetadata
internal import Wire

/// Looks into rasters with GDAL, which reads files that strangers made and so runs in a child process,
/// `martlet-raster`, one for each raster. The child sees the bytes that it asks for and nothing else of the node.
package struct RasterReader: Sendable {
    private let executable: String
    private let pool: NIOThreadPool
    private let deadline: Duration
    private let bytesMax: Int64

    /// - Parameters:
    ///   - executable: the path of `martlet-raster`; see `installed`.
    ///   - pool: where the node waits for the child: one thread for each raster under way.
    ///   - deadline: the longest that a look may take, reading the object included.
    ///   - bytesMax: the most of an object that a look may read.
    package init(executable: String, pool: NIOThreadPool, deadline: Duration = .seconds(30), bytesMax: Int64 = 1 << 30)
    {
        self.executable = executable
        self.pool = pool
        self.deadline = deadline
        self.bytesMax = bytesMax
    }

    /// Where `martlet-raster` is: by the environment variable MARTLET_RASTER, or beside the running program.
    package static var installed: String {
        if let path = getenv("MARTLET_RASTER") { return String(cString: path) }
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes { target in
            target.withMemoryRebound(to: CChar.self) { text in
                text.baseAddress.map { readlink("/proc/self/exe", $0, text.count) } ?? 0
            }
        }
        let program = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        return program.prefix(upTo: program.lastIndex(of: "/") ?? program.startIndex) + "/martlet-raster"
    }

    /// Looks into a raster, a file of arrays or a file of features.
    ///
    /// - Parameters:
    ///   - name: the object's name, for messages; the child is not told.
    ///   - files: what the child may read, under names that tell the formats: `object.tif`; `object.shp`, `object.dbf`;
    ///     `object.zarr/.zgroup`, … The first one is looked into, or the folder that it lies in.
    ///   - preview: whether to make a picture of it. For a large raster without overviews that means to read it whole.
    ///   - read: reads a range of the file with that index, which lies within it and has at most 1 MiB. What it throws
    ///     is thrown on.
    /// - Throws: `RasterError`; `CancellationError` where the task is cancelled.
    package func inspect(
        name: String, files: [RasterProtocol.File], preview: Bool,
        read: @escaping @Sendable (Int, Range<Int64>) async throws -> ByteBuffer
    ) async throws -> RasterDescription {
        guard let first = files.first, first.size > 0 else { throw RasterError(.notARaster, "'\(name)' is empty") }
        let start = RasterProtocol.Start(files: files, task: preview ? .describeAndPreview : .describe)
        let answer = try await answer(name: name, start, read)
        var description = try RasterDescription(child: answer.description, preview: answer.picture)
        description.requestCount = answer.requestCount
        description.bytesRead = answer.bytesRead
        return description
    }

    /// Makes a picture of parts of rasters.
    ///
    /// - Parameters:
    ///   - name: what it is of, for messages.
    ///   - files: what the request's rasters name by their index, each under a name whose ending tells the format.
    ///   - read: as for ``inspect(name:files:preview:read:)``.
    /// - Returns: a PNG or a JPEG; the lowest and highest values that were shown; why a raster could not be drawn.
    /// - Throws: `RasterError`; `CancellationError` where the task is cancelled.
    package func picture(
        name: String, _ request: PictureRequest, files: [RasterProtocol.File],
        read: @escaping @Sendable (Int, Range<Int64>) async throws -> ByteBuffer
    ) async throws -> (bytes: [UInt8], rescale: [[Double]], problem: String?) {
        let answer = try await answer(name: name, RasterProtocol.Start(files: files, task: .picture(request)), read)
        guard let json = try? JSONValue(parsing: answer.description, maximumDepth: 8) else {
            throw RasterError(.misbehaved, "the raster reader's answer is not JSON")
        }
        if let reason = json["error"]?.string { throw RasterError(.notARaster, String(reason.prefix(1000))) }
        let begins: [UInt8] = request.format == .png ? [0x89, 0x50, 0x4E, 0x47] : [0xFF, 0xD8, 0xFF]
        guard answer.picture.starts(with: begins) else {
            throw RasterError(.misbehaved, "the raster reader's answer is no picture")
        }
        let rescale = (json["rescale"]?.array ?? []).map { ($0.array ?? []).compactMap(\.number) }
        return (
            answer.picture, rescale.allSatisfy { $0.count == 2 } ? rescale : [],
            (json["problem"]?.string).map { String($0.prefix(1000)) }
        )
    }

    /// What a child says at its end.
    private struct Answer: Sendable {
        var description: [UInt8]
        var picture: [UInt8]
        var requestCount: Int
        var bytesRead: Int64
    }

    /// Has a child do something, and gives it the bytes that it asks for.
    private func answer(
        name: String, _ start: RasterProtocol.Start,
        _ read: @escaping @Sendable (Int, Range<Int64>) async throws -> ByteBuffer
    ) async throws -> Answer {
        let files = start.files
        guard let start = start.bytes else { throw RasterError(.tooLarge, "'\(name)' has too many files") }
        let environment = ["PROJ_DATA", "PROJ_LIB", "GDAL_DATA"].compactMap { (variable: String) -> String? in
            getenv(variable).map { "\(variable)=\(String(cString: $0))" }
        }
        let (answer, ending, output) = try await RasterError.ofProcess {
            try await ChildProcess.run(
                executable: executable, environment: environment, pool: pool, deadline: deadline
            ) { child in try await converse(child, start: start, files: files, read: read) }
        }
        guard let answer else { throw Self.error(name, ending, output) }
        return answer
    }

    /// Answers the child until it gives its result; nil where it ends before.
    private func converse(
        _ child: ChildProcess, start: [UInt8], files: [RasterProtocol.File],
        read: @Sendable (Int, Range<Int64>) async throws -> ByteBuffer
    ) async throws -> Answer? {
        var answer = ByteBuffer(bytes: start)
        var requestCount = 0
        var bytesRead: Int64 = 0
        while true {
            let (sending, headCount) = (answer, RasterProtocol.Head.byteCount)
            let head = try await pool.blocking {
                sending.withUnsafeReadableBytes { child.send($0) } ? child.receive(headCount) : nil
            }
            guard let head else { return nil }
            switch RasterProtocol.Head(head) {
            case .request(let file, let offset, let length):
                guard file < files.count, let range = Self.range(offset, length, files[Int(file)].size) else {
                    throw RasterError(
                        .misbehaved,
                        "the raster reader asked for \(length) bytes at \(offset) of file \(file), which there are not")
                }
                requestCount += 1
                bytesRead += Int64(length)
                guard bytesRead <= bytesMax else {
                    throw RasterError(.tooLarge, "looking into the raster takes more than \(bytesMax) bytes of it")
                }
                answer = try await read(Int(file), range)
                guard answer.readableBytes == Int(length) else {
                    throw RasterError(
                        .unavailable, "the object gave \(answer.readableBytes) bytes for the range \(range)")
                }
            case .result(let descriptionCount, let previewCount):
                let parts = try await pool.blocking { () -> (description: [UInt8], preview: [UInt8])? in
                    guard let description = child.receive(Int(descriptionCount)),
                        let preview = child.receive(Int(previewCount))
                    else {
                        return nil
                    }
                    return (description, preview)
                }
                return parts.map {
                    Answer(
                        description: $0.description, picture: $0.preview, requestCount: requestCount,
                        bytesRead: bytesRead)
                }
            case nil:
                throw RasterError(.misbehaved, "the raster reader sent what is no request and no result")
            }
        }
    }

    private static func range(_ offset: UInt64, _ length: UInt32, _ size: UInt64) -> Range<Int64>? {
        guard let start = Int64(exactly: offset), offset <= size, UInt64(length) <= size - offset else { return nil }
        return start..<(start + Int64(length))
    }

    private static func error(_ name: String, _ ending: ChildProcess.Ending, _ output: String) -> RasterError {
        switch ending {
        case .overdue, .signal(SIGXCPU): RasterError(.timedOut, "looking into '\(name)' took too long", output: output)
        case .signal(let number):
            RasterError(
                .crashed(signal: number), "the raster reader was ended by signal \(number) on '\(name)'", output: output
            )
        case .exit(let code):
            RasterError(.crashed(signal: nil), "the raster reader ended with code \(code) on '\(name)'", output: output)
        }
    }
}
