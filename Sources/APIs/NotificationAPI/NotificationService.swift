package import HTTPSupport
import Identity
import Journal
import Logging
import NIOHTTP1
package import Notifications
package import Policy
import Wire

/// The face of subscriptions: who is told of what, how, and what has become of it.
///
/// Errors are RFC 9457 problems. What is told are CloudEvents 1.0 in JSON.
package struct NotificationService: Sendable {
    let notifications: Notifications
    let telling: Telling
    let identity: Identity
    let gate: Gate
    let authenticator: Authenticator
    /// Whether the node sends mail.
    let sendsMail: Bool
    package let streams: StreamCount
    let logger = Logger(label: "martlet.notifications")

    /// Largest body taken.
    static let bodyBytesMax = 64 << 10
    /// Things on one page.
    static let pageMax = 1000

    package init(
        notifications: Notifications, telling: Telling, gate: Gate, authenticator: Authenticator, sendsMail: Bool,
        streams: StreamCount
    ) {
        self.notifications = notifications
        self.telling = telling
        identity = authenticator.identity
        self.gate = gate
        self.authenticator = authenticator
        self.sendsMail = sendsMail
        self.streams = streams
    }

    /// A request with what was found out about it.
    struct Call {
        var request: Request
        var caller: Caller
        /// Whose subscriptions these are.
        var account: Int64

        var actor: String { caller.principal.name }

        subscript(_ name: String) -> String? { request.query?[name] }

        func body() async throws -> JSONValue {
            try await request.jsonObject(upTo: NotificationService.bodyBytesMax)
        }

        /// The size of a page that was asked for.
        func limit(_ standard: Int) throws -> Int {
            guard let text = self["limit"] else { return standard }
            guard let number = Int(text), (1...NotificationService.pageMax).contains(number) else {
                throw Problem.badRequest(
                    "limit is a whole number from 1 to \(NotificationService.pageMax), not '\(text.prefix(40))'")
            }
            return number
        }
    }

    /// Answers `/notifications/v1/…`.
    ///
    /// - Parameter path: the decoded segments behind that.
    package func respond(to request: Request, path: [String]) async -> Response {
        await Problem.catching(request, log: { logger.error("\($0)") }) {
            do {
                guard request.query != nil else { throw Problem.badRequest("the query is not valid percent-encoding") }
                if path.count == 3, path[0] == "subscriptions", path[2] == "stop" {
                    return try await stop(path[1], request)
                }
                let caller = try await authenticator.caller(of: request, cookies: true)
                guard let account = caller.principal.accountID else {
                    throw Problem.unauthorized("notifications are for those who have logged in")
                }
                return try await answer(Call(request: request, caller: caller, account: account), path)
            } catch let error as NotificationsError {
                throw Self.problem(error)
            }
        }
    }

    static func problem(_ error: NotificationsError) -> Problem {
        switch error.code {
        case .notFound: .notFound(error.message)
        case .invalid: .badRequest(error.message)
        case .limit: .conflict(error.message)
        }
    }

    private func answer(_ call: Call, _ path: [String]) async throws -> Response {
        let method = call.request.method == .HEAD ? .GET : call.request.method
        switch (path.first, path.count, method) {
        case (nil, 0, .GET):
            return Response.json { json in json.member("topics", telling.topics.names) }
        case ("events", 1, .GET): return try await events(call)
        case ("events", 1, _): throw Problem.methodNotAllowed("GET, HEAD")
        case ("subscriptions", 1..., _):
            try await gate.requireOwn(call.caller.principal, "notifications:Subscribe", call.caller.context)
            return try await subscriptions(call, Array(path.dropFirst()), method)
        case ("destinations", 3, _) where path[2] == "dead-letters",
            ("destinations", 4, .POST) where path[2] == "dead-letters" && path[3] == "retry":
            return try await destination(call, path[1], method, retries: path.count == 4)
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath.prefix(200))")
        }
    }

    /// Whatever is below `/subscriptions`: each account looks after its own.
    private func subscriptions(_ call: Call, _ path: [String], _ method: HTTPMethod) async throws -> Response {
        guard let id = path.first else {
            switch method {
            case .GET: return try await list(call)
            case .POST: return try await subscribe(call)
            default: throw Problem.methodNotAllowed("GET, HEAD, POST")
            }
        }
        let subscription = try await notifications.subscription(id, of: call.account)
        switch (Array(path.dropFirst()), method) {
        case ([], .GET): return Response.json { write(subscription, to: &$0) }
        case ([], .PATCH): return try await change(subscription, call)
        case ([], .DELETE):
            try await notifications.unsubscribe(id, of: call.account, by: call.actor)
            return Response(.noContent)
        case ([], _): throw Problem.methodNotAllowed("GET, HEAD, PATCH, DELETE")
        case (["deliveries"], .GET): return try await deliveries(subscription, call)
        case (["deliveries", "ack"], .POST): return try await acknowledge(subscription, call)
        case (["events"], .GET): return try await events(subscription, call)
        case (["dead-letters"], .GET): return try await deadLetters(of: subscription.destination, call)
        case (["dead-letters"], .DELETE): return try await discard(of: subscription.destination, call)
        case (["dead-letters", "retry"], .POST): return try await retry(of: subscription.destination, call)
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath.prefix(200)) for \(method)")
        }
    }
}
