import HTTPSupport
import Ledger
import NIOHTTP1
import TraceFormat
import Wire

/// An error in the form of FastAPI, which clients of the traceability service know.
struct APIError: Error {
    private let status: HTTPResponseStatus
    /// The value of `detail`.
    private let detail: JSONValue
    private var headers: HTTPHeaders = [:]

    static func notFound(_ detail: String) -> APIError { APIError(status: .notFound, detail: .string(detail)) }

    /// A parameter of the path, or of the query, that cannot be.
    static func unprocessable(_ parameter: String, in place: String = "path", _ message: String, type: String)
        -> APIError
    {
        APIError(InvalidFields([.init([.string(place), .string(parameter)], message, type: type)]))
    }

    private init(status: HTTPResponseStatus, detail: JSONValue, headers: HTTPHeaders = [:]) {
        self.status = status
        self.detail = detail
        self.headers = headers
    }

    private init(_ invalid: InvalidFields) {
        let faults = invalid.faults.map { fault -> JSONValue in
            ["loc": .array(fault.location), "msg": .string(fault.message), "type": .string(fault.type)]
        }
        self.init(status: .unprocessableEntity, detail: .array(faults))
    }

    /// Whatever was thrown. Nil for an error that clients are told nothing about but that it happened.
    init?(_ error: any Error) {
        if let error = error as? APIError {
            self = error
        } else if let error = error as? InvalidFields {
            self.init(error)
        } else if let error = error as? LedgerError, error.code != .damaged {
            let status: HTTPResponseStatus =
                switch error.code {
                case .expired, .unavailable: .serviceUnavailable
                case .notFound: .notFound
                case .conflict: .conflict
                default: .unprocessableEntity
                }
            self.init(status: status, detail: .string(error.message))
        } else if let problem = Problem(error) {
            self.init(status: problem.status, detail: .string(problem.detail), headers: problem.headers)
        } else {
            return nil
        }
    }

    var response: Response {
        var json = JSONWriter()
        json.object {
            $0.key("detail")
            $0.value(detail)
        }
        return Response(status, type: "application/json", bytes: json.bytes, headers: headers)
    }
}
