import HTTPSupport
import Identity
import Journal
import NIOCore
import NIOHTTP1
import Notifications
import Wire

// Server-Sent Events (HTML §9.2): what is told while somebody listens.
extension NotificationService {
    /// A comment goes out so often, so that nothing in between takes the connection for dead.
    private static let heartbeatSeconds: Int64 = 15
    /// Who listens is looked at again before anything is told, at most so often.
    private static let standingMicroseconds: Int64 = 1_000_000

    /// `subscriptions/{id}/events`: what waits, and what comes. What was seen before the connection broke is taken off
    /// what waits when the client says by `Last-Event-ID` that it has it.
    func events(_ subscription: Subscription, _ call: Call) async throws -> Response {
        guard subscription.terms.isRead else {
            throw Problem.conflict("this subscription is posted or written; one whose delivery is pull can be read")
        }
        let seen = try Self.seen(call)
        if let seen { _ = try await notifications.acknowledge(subscription, upTo: seen) }
        let feed = try await Feed(.subscription(subscription), notifications, telling, after: seen)
        return try stream(feed, call)
    }

    /// `events?topic=…&filter=…`: what happens from now on, or since what `Last-Event-ID` names.
    func events(_ call: Call) async throws -> Response {
        let topic = try telling.topics.topic(call["topic"] ?? "")
        let filter = call["filter"] ?? ""
        try await check(filter, topic)
        let feed = try await Feed(.topic(topic, filter: filter), notifications, telling, after: try Self.seen(call))
        return try stream(feed, call)
    }

    /// What the client has seen. A page that begins anew has no header, and says it in its address.
    private static func seen(_ call: Call) throws -> JournalPosition? {
        try position(call.request.header("last-event-id") ?? call["lastEventId"], "Last-Event-ID")
    }

    private func stream(_ feed: Feed, _ call: Call) throws -> Response {
        let ticket = try streams.enter(call.account)
        let service = self
        return Response(
            .ok,
            headers: [
                "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no",
                "X-Content-Type-Options": "nosniff",
            ],
            body: .stream(length: nil) { writer in
                defer { ticket.leave() }
                try await service.tell(feed, call, writer)
            })
    }

    private func tell(_ start: Feed, _ call: Call, _ writer: ResponseWriter) async throws {
        var feed = start
        var caller = call.caller
        var looked = Timestamp.now
        var written = looked
        try await writer.write(Self.ready(feed))
        while true {
            guard !streams.isEnding else { return try await writer.write(Self.end("the node is being stopped")) }
            let generation = feed.generation
            var now = Timestamp.now
            if now.microseconds - looked.microseconds >= Self.standingMicroseconds {
                guard let again = await standing(call) else {
                    return try await writer.write(Self.end("what you have logged in with does not count any more"))
                }
                (caller, looked) = (again, now)
            }
            let (items, hasMore): ([Feed.Item], Bool)
            do {
                (items, hasMore) = try await feed.next(for: caller.principal, caller.context)
            } catch let error as NotificationsError {
                return try await writer.write(Self.end(error.message))
            }
            // One at a time: each write waits until the connection has taken it.
            for item in items { try await writer.write(Self.frame(item)) }
            now = .now
            if !items.isEmpty {
                written = now
            } else if written.adding(seconds: Self.heartbeatSeconds) <= now {
                // A line of its own, not a block, so that no client takes it for an event.
                try await writer.write(ByteBuffer(string: ": \(now.rfc3339)\n"))
                written = now
            }
            if !hasMore { try await feed.wait(after: generation) }
        }
    }

    /// Who listens now; nil where the token, the session or the account has ended.
    private func standing(_ call: Call) async -> Caller? {
        // A proof is for one request; its client has to ask again with another.
        guard call.request.credentials("DPoP") == nil,
            let caller = try? await authenticator.caller(of: call.request, cookies: true),
            caller.principal.accountID == call.account
        else { return nil }
        return caller
    }

    /// What the stream is about, and where it begins: a client that loses it before anything was told goes on from
    /// there.
    private static func ready(_ feed: Feed) -> ByteBuffer {
        var json = JSONWriter()
        json.object { json in
            switch feed.source {
            case .subscription(let subscription): json.member("subscription", subscription.id)
            case .topic(let topic, let filter):
                json.member("topic", topic.name)
                json.member("filter", filter)
            }
        }
        var text = "retry: 2000\nevent: ready\n"
        if case .topic = feed.source { text += "id: \(feed.place.text)\n" }
        return ByteBuffer(string: text + "data: \(json.text)\n\n")
    }

    private static func frame(_ item: Feed.Item) -> ByteBuffer {
        var out = ByteBuffer()
        out.reserveCapacity(item.posting.bytes.count + 64)
        out.writeString("id: \(item.id)\ndata: ")
        // JSON as this node writes it has no line breaks: they are escaped within texts.
        out.writeBytes(item.posting.bytes)
        out.writeString("\n\n")
        return out
    }

    private static func end(_ reason: String) -> ByteBuffer {
        var json = JSONWriter()
        json.object { $0.member("reason", reason) }
        return ByteBuffer(string: "event: end\ndata: \(json.text)\n\n")
    }
}
