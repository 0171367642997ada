package import Catalogue
package import HTTPSupport
package import Ledger
import Logging
import NIOHTTP1
package import Policy

/// The traceability service: traces as the Copernicus Data Space's API, version 1.1.0, answers them, and the
/// transparency log that proves them (C2SP tlog-tiles). Everybody may read, whatever the Authorization header says;
/// registering is a permission.
package struct TraceService: Sendable {
    let ledger: Ledger
    let catalogue: Catalogue
    let witness: Witness
    let gate: Gate
    let authenticator: Authenticator
    /// The node's name, in the origins of traces.
    let host: String
    /// What the status tells as the server's version.
    let version: String
    let logger = Logger(label: "martlet.traces")

    package init(
        ledger: Ledger, catalogue: Catalogue, witness: Witness, gate: Gate, authenticator: Authenticator, host: String,
        version: String
    ) {
        self.ledger = ledger
        self.catalogue = catalogue
        self.witness = witness
        self.gate = gate
        self.authenticator = authenticator
        self.host = host
        self.version = version
    }

    /// Answers `/traces/…`.
    ///
    /// - Parameter path: the decoded segments after `traces`.
    package func respond(to request: Request, path: [String]) async -> Response {
        do {
            switch path.first {
            case "api":
                do {
                    return try await api(request, Array(path.dropFirst()))
                } catch {
                    guard let error = APIError(error) else { throw error }
                    return error.response
                }
            case "log":
                guard request.isRead else { throw Problem.methodNotAllowed("GET, HEAD") }
                return try await log(Array(path.dropFirst()), request)
            case "verify" where path.count == 1:
                guard request.isRead else { throw Problem.methodNotAllowed("GET, HEAD") }
                return VerifyPage.response
            default: throw Problem.notFound("there is nothing at \(request.rawPath)")
            }
        } catch {
            return await Problem.catching(request, log: { logger.error("\($0)") }) { throw error }
        }
    }

    /// Answers `/trace-api/…`, the older form.
    ///
    /// - Parameter path: the decoded segments after `trace-api`.
    package func respond(toOData request: Request, path: [String]) async -> Response {
        do {
            return try await ODataForm(ledger: ledger, base: "\(request.origin)/\(ODataForm.prefix)").respond(
                to: request, path: path)
        } catch {
            if let response = ODataForm.failure(error) { return response }
            return await Problem.catching(request, log: { logger.error("\($0)") }) { throw error }
        }
    }
}

extension Request {
    var isRead: Bool { method == .GET || method == .HEAD }
}
