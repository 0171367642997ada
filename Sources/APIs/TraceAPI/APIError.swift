import HTTPSupport
import NIOHTTP1
import Wire

/// An error in the form of FastAPI, which clients of the traceability service know.
struct APIError: Error {
    private let status: HTTPResponseStatus
    /// The value of `detail`.
    private let detail: JSONValue
    private var headers: HTTPHeaders = [:]

    static func notFound(_ detail: String) -> APIError { APIError(status: .notFound, detail: .string(detail)) }

    static func methodNotAllowed(_ allowed: String, _ detail: String) -> APIError {
        APIError(status: .methodNotAllowed, detail: .string(detail), headers: ["Allow": allowed])
    }

    /// A parameter of the path that cannot be.
    static func unprocessable(_ parameter: String, _ message: String, type: String) -> APIError {
        APIError(
            status: .unprocessableEntity,
            detail: [["loc": ["path", .string(parameter)], "msg": .string(message), "type": .string(type)]])
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
