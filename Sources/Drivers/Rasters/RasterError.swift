internal import Processes

extension RasterError {
    /// Does what needs a child, and says of one that cannot be started what faces and workers know.
    static func ofProcess<T>(_ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch let error as ProcessError {
            throw RasterError(.unavailable, error.message)
        }
    }
}

/// Why a raster could not be looked into.
package struct RasterError: Error, Sendable, CustomStringConvertible {
    package enum Code: Hashable, Sendable {
        /// GDAL does not know the format, or the file is damaged. The message is GDAL's.
        case notARaster
        /// Looking into the raster takes more of its bytes than the limit allows.
        case tooLarge
        /// The deadline, or the limit on processor time, was met.
        case timedOut
        /// The child process ended without a result: by a signal, or, where that is nil, by itself.
        case crashed(signal: Int32?)
        /// The child process broke the protocol, as one that a hostile file has taken over might.
        case misbehaved
        /// The child process cannot be started.
        case unavailable
    }

    package let code: Code
    package let message: String
    /// What the child wrote to its standard error: at most 4 KiB, control characters replaced.
    package let output: String

    package init(_ code: Code, _ message: String, output: String = "") {
        self.code = code
        self.message = message
        self.output = output
    }

    package var description: String { output.isEmpty ? message : "\(message) (\(output))" }
}
