package import NIOHTTP1
import Wire

/// An RFC 9457 problem: the error form of every face whose protocol has none of its own.
package struct Problem: Error, Sendable, CustomStringConvertible {
    package var status: HTTPResponseStatus
    /// A short name of the kind of problem, stable for programs: `not-found`, `access-denied`.
    package var code: String
    /// What was wrong with which input, and what would be right.
    package var detail: String
    package var headers: HTTPHeaders = [:]

    package init(_ status: HTTPResponseStatus, _ code: String, _ detail: String, headers: HTTPHeaders = [:]) {
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
    }

    package var description: String { "\(code): \(detail)" }

    package var response: Response {
        var json = JSONWriter()
        json.object {
            $0.member("type", "about:blank")
            $0.member("title", status.reasonPhrase)
            $0.member("status", status.code)
            $0.member("code", code)
            $0.member("detail", detail)
        }
        return Response(status, type: "application/problem+json", bytes: json.bytes, headers: headers)
    }
}

extension Problem {
    package static func badRequest(_ detail: String) -> Problem { Problem(.badRequest, "bad-request", detail) }
    package static func notFound(_ detail: String) -> Problem { Problem(.notFound, "not-found", detail) }
    package static func forbidden(_ detail: String) -> Problem { Problem(.forbidden, "access-denied", detail) }
    package static func conflict(_ detail: String) -> Problem { Problem(.conflict, "conflict", detail) }
    package static func unauthorized(_ detail: String) -> Problem {
        Problem(.unauthorized, "unauthenticated", detail, headers: ["WWW-Authenticate": #"Bearer realm="martlet""#])
    }
    package static func methodNotAllowed(_ allowed: String) -> Problem {
        Problem(.methodNotAllowed, "method-not-allowed", "this address takes \(allowed)", headers: ["Allow": allowed])
    }
}
