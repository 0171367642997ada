internal import Glibc
package import NIOCore
package import NIOPosix
internal import Processes
package import Wire

/// A program of the operator that tells of one kind of files what the node cannot read itself.
///
/// It runs once for each file: the object's name is its one argument, the object's bytes its standard input, and what
/// it prints is a JSON object with members of a STAC Item (`geometry`, `bbox`, `properties`, `stac_extensions`). It may
/// end without having read all. Of the node it gets `PATH` and nothing else.
package struct DescribeProgram: Sendable {
    /// Names' endings, in lower case, without the dot.
    package let suffixes: Set<String>
    private let executable: String
    private let pool: NIOThreadPool
    private let deadline: Duration

    private static let answerMax = 1 << 20
    private static let pieceMax: Int64 = 1 << 20

    /// - Parameters:
    ///   - pool: where the node waits for the program: one thread for each that runs.
    ///   - deadline: the longest that it may run, reading the object included.
    package init(suffixes: Set<String>, executable: String, pool: NIOThreadPool, deadline: Duration = .seconds(120)) {
        self.suffixes = suffixes
        self.executable = executable
        self.pool = pool
        self.deadline = deadline
    }

    /// What the program says of a file.
    ///
    /// - Parameter read: reads a range of the file, of at most 1 MiB. What it throws is thrown on.
    /// - Throws: `RasterError`: `notARaster` where the program ends with another status than 0, with what it says on
    ///   standard error; `CancellationError`.
    package func describe(
        name: String, size: Int64, read: @escaping @Sendable (Range<Int64>) async throws -> ByteBuffer
    ) async throws -> JSONValue {
        let result = try await RasterError.ofProcess {
            try await ChildProcess.run(
                executable: executable, arguments: [name],
                environment: getenv("PATH").map { ["PATH=" + String(cString: $0)] } ?? [], pool: pool,
                deadline: deadline
            ) { child in
                var at: Int64 = 0
                while at < size {
                    let piece = try await read(at..<min(size, at + Self.pieceMax))
                    at += Int64(piece.readableBytes)
                    // One that has seen enough takes no more.
                    guard try await pool.blocking({ piece.withUnsafeReadableBytes { child.send($0) } }) else { break }
                }
                return try await pool.blocking {
                    defer { child.awaitEnd() }
                    return child.receiveRest(limit: Self.answerMax)
                }
            }
        }
        switch result.ending {
        case .exit(0): break
        case .overdue, .signal(SIGXCPU):
            throw RasterError(.timedOut, "'\(executable)' took too long over '\(name)'", output: result.output)
        case .exit(let code):
            throw RasterError(.notARaster, "'\(executable)' ended with \(code) on '\(name)'", output: result.output)
        case .signal(let number):
            throw RasterError(
                .crashed(signal: number), "'\(executable)' was ended by signal \(number) on '\(name)'",
                output: result.output)
        }
        guard let answer = result.answer, let json = try? JSONValue(parsing: answer), json.object != nil else {
            throw RasterError(
                .misbehaved, "'\(executable)' printed no JSON object of at most \(Self.answerMax) bytes on '\(name)'")
        }
        return json
    }
}
