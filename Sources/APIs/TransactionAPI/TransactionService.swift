package import HTTPSupport
import Identity
import Journal
import Logging
import NIOHTTP1
package import Objects
package import Policy
import Wire

/// The face of what happens over time: transactions of several writes, what happened in a collection, and the way back.
///
/// The writes themselves come by S3 and WebDAV, which name their transaction in a header.
package struct TransactionService: Sendable {
    let objects: Objects
    let gate: Gate
    private let authenticator: Authenticator
    private let logger = Logger(label: "martlet.transactions")

    /// Largest body taken.
    private static let bodyBytesMax = 64 << 10

    package init(objects: Objects, gate: Gate, authenticator: Authenticator) {
        self.objects = objects
        self.gate = gate
        self.authenticator = authenticator
    }

    /// Answers `/transactions/…` and `/history/…`.
    package func respond(to request: Request, path: [String]) async -> Response {
        await Problem.catching(request, log: { logger.error("\($0)") }) {
            let caller = try await authenticator.caller(of: request, cookies: true)
            guard !caller.principal.isAnonymous else {
                throw Problem.unauthorized("transactions and histories are for those who have logged in")
            }
            guard request.query != nil else { throw Problem.badRequest("the query is not valid percent-encoding") }
            let call = Call(request: request, caller: caller)
            do {
                switch (path.first, path.count, request.method) {
                case ("transactions", 1, .POST): return try await open(call)
                case ("transactions", 1, .GET): return try await list(call)
                case ("transactions", 2, .GET): return try await show(path[1], call)
                case ("transactions", 2, .DELETE): return try await abort(path[1], call)
                case ("transactions", 3, .POST) where path[2] == "commit": return try await commit(path[1], call)
                case ("transactions", 3, .DELETE) where path[2] == "writes": return try await unstage(path[1], call)
                case ("transactions", 3, .POST) where path[2] == "restore": return try await restore(path[1], call)
                case ("history", 2, .GET): return try await history(path[1], call)
                case ("history", 3, .GET) where path[2] == "differences": return try await differences(path[1], call)
                default:
                    throw Problem.notFound("there is nothing at \(request.rawPath.prefix(200)) for \(request.method)")
                }
            } catch let conflict as TransactionConflict {
                return Self.answer(conflict)
            }
        }
    }

    /// A request with what was found out about it.
    struct Call {
        var request: Request
        var caller: Caller

        var actor: String { caller.principal.name }

        subscript(_ name: String) -> String? { request.query?[name] }

        func body() async throws -> JSONValue {
            try await request.jsonObject(upTo: TransactionService.bodyBytesMax)
        }

        /// The size of a page that was asked for, or the most.
        func limit(max: Int) throws -> Int {
            guard let text = self["limit"] else { return max }
            guard let number = Int(text), number >= 1 else {
                throw Problem.badRequest("limit: '\(text.prefix(40))' is not a whole number of 1 or more")
            }
            return min(number, max)
        }
    }

    func require(_ call: Call, _ action: String, on resource: String, version: String? = nil) async throws {
        var context = call.caller.context
        if let version { context.values["s3:VersionId"] = [version] }
        try await gate.require(call.caller.principal, action, on: resource, context)
    }

    /// A conflict is a problem that also says which keys it is about.
    private static func answer(_ conflict: TransactionConflict) -> Response {
        var json = JSONWriter()
        json.object { json in
            json.member("type", "about:blank")
            json.member("title", HTTPResponseStatus.conflict.reasonPhrase)
            json.member("status", HTTPResponseStatus.conflict.code)
            json.member("code", "transaction-conflict")
            json.member("detail", conflict.description)
            json.key("conflicts")
            json.array { json in
                for (collection, key) in conflict.keys {
                    json.object {
                        $0.member("collection", collection)
                        $0.member("key", key)
                    }
                }
            }
            json.member("hasMore", conflict.hasMore)
        }
        return Response(.conflict, type: "application/problem+json", bytes: json.bytes)
    }
}

extension JSONValue {
    /// A member that has to be there and a string.
    func required(_ name: String) throws -> String {
        guard let value = self[name]?.string, !value.isEmpty else {
            throw Problem.badRequest("the member '\(name)' is missing or not a string")
        }
        return value
    }
}
