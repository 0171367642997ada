import HTTPSupport
import Identity
import Journal
import NIOHTTP1
import Notifications
import Policy
import Wire

// Subscriptions, and what waits for them.
extension NotificationService {
    private static let filterBytesMax = 16 << 10
    private static let mailSecondsMax: Int64 = 7 * 86_400

    func write(_ subscription: Subscription, to json: inout JSONWriter, key: [UInt8]? = nil) {
        let (terms, state) = (subscription.terms, subscription.state)
        json.member("id", subscription.id)
        json.member("topic", terms.topic)
        json.member("filter", terms.filter)
        json.member("events", terms.events.names)
        json.member("form", terms.form.rawValue)
        json.member("status", subscription.status.rawValue)
        json.member("created", subscription.created.rfc3339)
        json.key("delivery")
        json.object { json in
            if let push = terms.push {
                json.member("type", "webhook")
                let prefix = SubscriptionTerms.Push.namedPrefix
                if push.url.hasPrefix(prefix) {
                    json.member("webhook", String(push.url.dropFirst(prefix.count)))
                } else {
                    json.member("url", push.url)
                }
                if let username = push.username { json.member("username", username) }
            } else if let seconds = terms.mailSeconds {
                json.member("type", "mail")
                json.member("digestSeconds", seconds)
            } else {
                json.member("type", "pull")
            }
        }
        json.member("waiting", state.waiting)
        json.member("failures", state.failures)
        json.member("dropped", state.dropped)
        json.member("deadLetters", state.dead)
        if let error = state.error { json.member("error", error) }
        if let newest = state.newest { json.member("newest", newest.rfc3339) }
        // Shown once, to whom has made it.
        if let key { json.member("signingKey", MessageSignature.text(ofKey: key)) }
    }

    func list(_ call: Call) async throws -> Response {
        let all = try await notifications.subscriptions(of: call.account)
        return Response.json { json in
            json.key("subscriptions")
            json.array { json in for one in all { json.object { write(one, to: &$0) } } }
        }
    }

    // MARK: Terms

    func subscribe(_ call: Call) async throws -> Response {
        let body = try await call.body()
        let name = try Self.text(body, "topic") ?? ""
        let topic = try telling.topics.topic(name)
        let filter = try Self.text(body, "filter") ?? ""
        try await check(filter, topic)
        let (delivery, password) = try await delivery(body["delivery"], call)
        var terms = SubscriptionTerms(
            topic: topic.name, filter: filter, events: try Self.events(body) ?? [.created, .modified, .deleted],
            push: delivery.push)
        terms.mailSeconds = delivery.mailSeconds
        terms.form = .cloudEvents
        let status = try Self.status(body) ?? .running
        guard status != .cancelled else { throw Problem.badRequest("a new subscription is running or paused") }
        let (subscription, key) = try await notifications.subscribe(
            terms, password: password, isPaused: status == .paused, account: call.account, by: call.actor)
        var response = Response.json(.created) {
            write(subscription, to: &$0, key: terms.push == nil ? nil : key)
        }
        response.headers.add(name: "Location", value: "/notifications/v1/subscriptions/\(subscription.id)")
        return response
    }

    /// Takes over what a client says; what it does not name stays.
    func change(_ subscription: Subscription, _ call: Call) async throws -> Response {
        let body = try await call.body()
        let topic = try telling.topics.topic(subscription.terms.topic)
        if let name = try Self.text(body, "topic"), name != topic.name {
            throw Problem.badRequest("a subscription keeps its topic: '\(topic.name)'")
        }
        let filter = try Self.text(body, "filter")
        if let filter { try await check(filter, topic) }
        let (events, status) = (try Self.events(body), try Self.status(body))
        let (delivery, password) = body["delivery"] == nil ? (nil, nil) : try await delivery(body["delivery"], call)
        let changed = try await notifications.change(
            subscription.id, of: call.account, password: password, by: call.actor
        ) { subscription in
            if let filter { subscription.terms.filter = filter }
            if let events { subscription.terms.events = events }
            if let status { subscription.status = status }
            if let delivery {
                subscription.terms.push = delivery.push
                subscription.terms.mailSeconds = delivery.mailSeconds
            }
        }
        return Response.json { write(changed, to: &$0) }
    }

    func check(_ filter: String, _ topic: any Topic) async throws {
        guard filter.utf8.count <= Self.filterBytesMax else {
            throw Problem.badRequest("a filter has up to \(Self.filterBytesMax) bytes")
        }
        try await topic.check(filter)
    }

    private struct Delivery {
        var push: SubscriptionTerms.Push?
        var mailSeconds: Int64?
    }

    /// How somebody wants to be told, and the password for the address.
    private func delivery(_ json: JSONValue?, _ call: Call) async throws -> (Delivery, password: String?) {
        guard let json else { return (Delivery(), nil) }
        switch try Self.text(json, "type") {
        case "pull": return (Delivery(), nil)
        case "mail":
            guard sendsMail else { throw Problem.badRequest("delivery: this node sends no mail (--smtp)") }
            guard try await !identity.account(call.actor).email.isEmpty else {
                throw Problem.badRequest("delivery: the account '\(call.actor)' has no e-mail address")
            }
            let seconds = json["digestSeconds"] ?? 0
            guard let number = seconds.integer, (0...Self.mailSecondsMax).contains(number) else {
                throw Problem.badRequest(
                    "delivery: digestSeconds is a number of seconds from 0 to \(Self.mailSecondsMax)")
            }
            return (Delivery(mailSeconds: number), nil)
        case "webhook":
            let username = try Self.text(json, "username")
            if let name = try Self.text(json, "webhook") {
                // It may be an address in the node's own network.
                try await gate.require(
                    call.caller.principal, "martlet:UseWebhook", on: ResourceName.webhook(name), call.caller.context)
                _ = try await notifications.webhook(name)
                return (Delivery(push: .init(url: SubscriptionTerms.Push.namedPrefix + name)), nil)
            }
            guard let url = try Self.text(json, "url"),
                !url.hasPrefix(SubscriptionTerms.Push.namedPrefix)
            else {
                throw Problem.badRequest(
                    "delivery: a webhook has a url like https://host/path, or the name of a webhook of the node's operator"
                )
            }
            return (Delivery(push: .init(url: url, username: username)), try Self.text(json, "password"))
        default:
            throw Problem.badRequest(
                "delivery: type is webhook, mail, or pull: what waits is then read over HTTP, Server-Sent Events or STOMP"
            )
        }
    }

    private static func events(_ body: JSONValue) throws -> SubscriptionEvents? {
        guard let json = body["events"] else { return nil }
        let names = SubscriptionEvents.all.map(\.name)
        guard let list = json.array, !list.isEmpty else {
            throw Problem.badRequest("events is a list of \(names.joined(separator: ", "))")
        }
        return try list.reduce(into: SubscriptionEvents()) { all, name in
            guard let event = SubscriptionEvents(name: name.string ?? "") else {
                throw Problem.badRequest("events is a list of \(names.joined(separator: ", "))")
            }
            all.formUnion(event)
        }
    }

    private static func status(_ body: JSONValue) throws -> Subscription.Status? {
        guard let text = try text(body, "status") else { return nil }
        guard let status = Subscription.Status(rawValue: text) else {
            throw Problem.badRequest("status is running, paused or cancelled, not '\(text.prefix(40))'")
        }
        return status
    }

    static func text(_ body: JSONValue, _ name: String) throws -> String? {
        guard let value = body[name], !value.isNull else { return nil }
        guard let text = value.string, !text.utf8.contains(0) else { throw Problem.badRequest("\(name) is a text") }
        return text
    }

    // MARK: What waits

    private static let deliveriesMax = 100

    /// What waits longest, which stays until it is acknowledged or has arrived.
    func deliveries(_ subscription: Subscription, _ call: Call) async throws -> Response {
        let after = try Self.position(call["after"], "after") ?? .start
        let limit = min(try call.limit(20), Self.deliveriesMax)
        let found = try await notifications.waiting(for: subscription.destination, after: after, limit: limit)
        var told: [(id: String, bytes: [UInt8]?)] = []
        for delivery in found {
            let posting = try await telling.posting(
                of: delivery, of: subscription, for: call.caller.principal, call.caller.context)
            told.append((DeliveryID(delivery).text, posting?.bytes))
        }
        return Response.json { json in
            json.member("waiting", subscription.state.waiting)
            json.key("deliveries")
            json.array { json in
                // What may not be seen any more is not told, and is gone when its turn comes.
                for (id, bytes) in told {
                    guard let bytes else { continue }
                    json.object { json in
                        json.member("id", id)
                        json.key("event")
                        json.raw(bytes)
                    }
                }
            }
            if found.count == limit, let last = told.last { json.member("next", last.id) }
        }
    }

    /// Takes what its owner has read off what waits: one delivery, and all before it.
    func acknowledge(_ subscription: Subscription, _ call: Call) async throws -> Response {
        guard subscription.terms.isRead else {
            throw Problem.conflict("only what is read is acknowledged: this subscription is posted or written")
        }
        guard let place = try Self.position(try Self.text(try await call.body(), "id"), "id") else {
            throw Problem.badRequest("id: that of the last delivery that you have seen")
        }
        let (count, waiting) = try await notifications.acknowledge(subscription, upTo: place)
        return Response.json {
            $0.member("acknowledged", count)
            $0.member("waiting", waiting)
        }
    }

    static func position(_ text: String?, _ name: String) throws -> JournalPosition? {
        guard let text, !text.isEmpty else { return nil }
        guard let place = JournalPosition(text) else {
            throw Problem.badRequest("\(name) is the id of an event, such as 1234-0, not '\(text.prefix(40))'")
        }
        return place
    }
}
