package import HTTPSupport
package import Ledger
import Logging
import NIOHTTP1

/// The traceability service: traces as the Copernicus Data Space's API, version 1.1.0, answers them, and the
/// transparency log that proves them (C2SP tlog-tiles). Everybody may read, whatever the Authorization header says;
/// writing is not offered yet.
package struct TraceService: Sendable {
    let ledger: Ledger
    /// What the status tells as the server's version.
    let version: String
    private let logger = Logger(label: "martlet.traces")

    package init(ledger: Ledger, version: String) {
        self.ledger = ledger
        self.version = version
    }

    /// Answers `/traces/…`.
    ///
    /// - Parameter path: the decoded segments after `traces`.
    package func respond(to request: Request, path: [String]) async -> Response {
        do {
            switch path.first {
            case "api": return try await api(request, Array(path.dropFirst()))
            case "log":
                guard request.isRead else { throw Problem.methodNotAllowed("GET, HEAD") }
                return try await log(Array(path.dropFirst()), request)
            default: throw Problem.notFound("there is nothing at \(request.rawPath)")
            }
        } catch let error as APIError {
            return error.response
        } catch {
            return await Problem.catching(request, log: { logger.error("\($0)") }) { throw error }
        }
    }
}

extension Request {
    var isRead: Bool { method == .GET || method == .HEAD }
}
