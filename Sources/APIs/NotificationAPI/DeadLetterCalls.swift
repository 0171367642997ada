import HTTPSupport
import NIOHTTP1
import Notifications
import Policy
import Wire

// What was given up.
extension NotificationService {
    private static let idsMax = 1000

    /// Those of a destination that belongs to no subscription: a webhook of the operator, or an address that the
    /// owner of a bucket gave.
    func destination(_ call: Call, _ name: String, _ method: HTTPMethod, retries: Bool) async throws -> Response {
        // Spaces are in the names of subscriptions alone, which are their owners'.
        guard !name.contains(" ") else { throw Problem.notFound("there is no destination '\(name.prefix(80))'") }
        let action = method == .GET ? "martlet:GetWebhook" : "martlet:PutWebhook"
        try await gate.require(call.caller.principal, action, on: ResourceName.webhook(name), call.caller.context)
        switch (method, retries) {
        case (.GET, false): return try await deadLetters(of: name, call)
        case (.DELETE, false): return try await discard(of: name, call)
        case (.POST, true): return try await retry(of: name, call)
        default: throw Problem.methodNotAllowed("GET, HEAD, DELETE")
        }
    }

    func deadLetters(of destination: String, _ call: Call) async throws -> Response {
        let limit = try call.limit(100)
        let after = try call["after"].map { try Self.id($0) }
        let found = try await notifications.deadLetters(of: destination, after: after, limit: limit)
        var told: [(letter: DeadLetter, event: [UInt8]?)] = []
        for letter in found {
            told.append((letter, try? await telling.posting(of: letter.delivery)?.bytes))
        }
        return Response.json { json in
            json.key("deadLetters")
            json.array { json in
                for (letter, event) in told {
                    json.object { json in
                        json.member("id", DeliveryID(letter.delivery).text)
                        json.member("created", letter.delivery.created.rfc3339)
                        json.member("died", letter.died.rfc3339)
                        json.member("reason", letter.reason)
                        if let event {
                            json.key("event")
                            json.raw(event)
                        }
                    }
                }
            }
            if found.count == limit, let last = found.last {
                json.member("next", DeliveryID(last.delivery).text)
            }
        }
    }

    func retry(of destination: String, _ call: Call) async throws -> Response {
        let count = try await notifications.revive(try await Self.ids(call), of: destination, by: call.actor)
        return Response.json { $0.member("retried", count) }
    }

    func discard(of destination: String, _ call: Call) async throws -> Response {
        let ids = try call.request.query?.items.filter { $0.name == "id" }.map { try Self.id($0.value ?? "") } ?? []
        let count = try await notifications.discardDead(ids.isEmpty ? nil : ids, of: destination, by: call.actor)
        return Response.json { $0.member("discarded", count) }
    }

    /// Nil for all.
    private static func ids(_ call: Call) async throws -> [DeliveryID]? {
        let bytes = try await call.request.body.collect(upTo: bodyBytesMax)
        guard !bytes.isEmpty, let json = try JSONValue(parsing: bytes)["ids"] else { return nil }
        guard let list = json.array, list.count <= idsMax else {
            throw Problem.badRequest("ids is a list of up to \(idsMax) ids of dead letters; without it all are meant")
        }
        return try list.map { try id($0.string ?? "") }
    }

    private static func id(_ text: String) throws -> DeliveryID {
        guard let id = DeliveryID(text) else {
            throw Problem.badRequest("'\(text.prefix(80))' is no id of a dead letter, such as 1234-0")
        }
        return id
    }
}
