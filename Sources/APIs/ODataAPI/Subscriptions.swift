package import CQL2
import Catalogue
import HTTPSupport
import Identity
import Journal
import NIOHTTP1
import Notifications
import ODataFilter
import Policy
import Wire

// Who is told of products that come, change and go: read from a queue (pull), or posted (push).
extension ODataService {
    private static let readMax = 20
    private static let termsBytesMax = 64 << 10
    private static let filterBytesMax = 16 << 10
    /// How often a read begins anew because it met what its reader may not see.
    private static let roundsMax = 100
    /// Limits of `Priority`.
    private static let priorities: ClosedRange<Int64> = 0...100

    /// Whatever is below `/Subscriptions`: each account looks after its own.
    func subscriptions(_ names: [Name], _ call: Call) async throws -> Response {
        try await gate.requireOwn(call.caller.principal, "odata:Subscribe", call.caller.context)
        guard let account = call.caller.principal.accountID, let key = names.first.map(\.key) else {
            throw nothing(call)
        }
        let method = call.request.method == .HEAD ? .GET : call.request.method
        switch (key, names.dropFirst().map(\.text), method) {
        case (nil, [], .POST): return try await subscribe(account, call)
        case (nil, [], .GET), (nil, ["Info"], .GET):
            let all = try await notifications.subscriptions(of: account).filter { $0.terms.form == .odata }
            var json = JSONWriter()
            func list(_ json: inout JSONWriter) {
                json.array { json in for one in all { write(one, to: &json) } }
            }
            // What is called `Info` is a bare list.
            if names.count == 2 {
                list(&json)
            } else {
                json.object { json in
                    json.member("@odata.context", "\(call.base)/$metadata#Subscriptions")
                    json.key("value")
                    list(&json)
                }
            }
            return Self.answer(json)
        case (let id?, [], .GET): return answer(try await subscription(id, of: account), call)
        case (let id?, [], .PATCH): return try await change(id, account, call)
        case (let id?, [], .DELETE):
            _ = try await subscription(id, of: account)
            try await notifications.unsubscribe(id, of: account, by: call.caller.principal.name)
            return Response(.noContent)
        case (let id?, ["Read"], .GET):
            return try await read(try await subscription(id, of: account), call)
        case (let id?, ["Ack"], .POST):
            return try await acknowledge(try await subscription(id, of: account), call)
        case (nil, [], _): throw Problem.methodNotAllowed("GET, HEAD, POST")
        case (_?, [], _): throw Problem.methodNotAllowed("GET, HEAD, PATCH, DELETE")
        default: throw nothing(call)
        }
    }

    /// One that was made in this form: others may have topics and ways that it has no words for.
    private func subscription(_ id: String, of account: Int64) async throws -> Subscription {
        let found = try await notifications.subscription(id, of: account)
        guard found.terms.form == .odata else {
            throw NotificationsError(code: .notFound, message: "there is no subscription '\(id.prefix(64))'")
        }
        return found
    }

    private static func answer(_ json: JSONWriter, _ status: HTTPResponseStatus = .ok) -> Response {
        Response(status, type: MediaType.json, bytes: json.bytes, headers: ["Cache-Control": "no-store"])
    }

    private func answer(
        _ subscription: Subscription, _ call: Call, _ status: HTTPResponseStatus = .ok, key: [UInt8]? = nil
    ) -> Response {
        var json = JSONWriter()
        write(subscription, to: &json, context: "\(call.base)/$metadata#Subscriptions/$entity", key: key)
        return Self.answer(json, status)
    }

    /// - Parameter key: that of the messages' signatures, which is shown once.
    private func write(
        _ subscription: Subscription, to json: inout JSONWriter, context: String? = nil, key: [UInt8]? = nil
    ) {
        let (terms, state) = (subscription.terms, subscription.state)
        let notes = (try? JSONValue(parsing: terms.notes)) ?? .null
        json.object { json in
            if let context { json.member("@odata.context", context) }
            json.member("Id", subscription.id)
            json.member("SubscriptionType", terms.push == nil ? "pull" : "push")
            json.member("Status", subscription.status.rawValue)
            json.key("SubscriptionEvent")
            json.array { json in for name in terms.events.names { json.string(name) } }
            json.member("FilterParam", terms.filter)
            json.member("StageOrder", notes["StageOrder"] ?? true)
            json.member("Priority", notes["Priority"] ?? 1)
            json.member("SubmissionDate", subscription.created.rfc3339)
            if let newest = state.newest { json.member("LastNotificationDate", newest.rfc3339) }
            if let push = terms.push {
                json.member("NotificationEndpoint", push.url)
                if let username = push.username { json.member("NotificationEpUsername", username) }
                if let error = state.error { json.member("LastError", error) }
            }
            json.member("CurrentQueueLength", state.waiting)
            json.member("MaxQueueLength", Notifications.waitingMax)
            if let key { json.member("SigningKey", MessageSignature.text(ofKey: key)) }
        }
    }

    // MARK: Terms

    private func subscribe(_ account: Int64, _ call: Call) async throws -> Response {
        let body = try await call.request.json(upTo: Self.termsBytesMax)
        var terms = SubscriptionTerms(topic: SubscriptionTerms.products, filter: "", events: .created)
        let isPushed = body["NotificationEndpoint"]?.string != nil
        if let type = body["SubscriptionType"], type.string != (isPushed ? "push" : "pull") {
            throw Problem.badRequest(
                "SubscriptionType is pull, or push with a NotificationEndpoint: an address like https://host/path")
        }
        if isPushed { terms.push = .init(url: "") }
        try await edit(&terms, body)
        let status = try Self.status(body) ?? .running
        guard status != .cancelled else { throw Problem.badRequest("a new subscription is running or paused") }
        let (subscription, key) = try await notifications.subscribe(
            terms, password: try Self.text(body, "NotificationEpPassword"), isPaused: status == .paused,
            account: account, by: call.caller.principal.name)
        return answer(subscription, call, .created, key: key)
    }

    private func change(_ id: String, _ account: Int64, _ call: Call) async throws -> Response {
        let body = try await call.request.json(upTo: Self.termsBytesMax)
        var terms = try await subscription(id, of: account).terms
        try await edit(&terms, body)
        let (edited, status) = (terms, try Self.status(body))
        let changed = try await notifications.change(
            id, of: account, password: try Self.text(body, "NotificationEpPassword"), by: call.caller.principal.name
        ) { subscription in
            subscription.terms = edited
            if let status { subscription.status = status }
        }
        return answer(changed, call)
    }

    /// Takes over what a client says; what it does not name stays.
    private func edit(_ terms: inout SubscriptionTerms, _ body: JSONValue) async throws {
        guard body.object != nil else { throw Problem.badRequest("the body is a JSON object") }
        if let filter = try Self.text(body, "FilterParam") {
            guard filter.utf8.count <= Self.filterBytesMax else {
                throw Problem.badRequest("FilterParam has up to \(Self.filterBytesMax) bytes")
            }
            _ = try await condition(ofSubscription: filter)
            terms.filter = filter
        }
        if let events = body["SubscriptionEvent"] {
            let names = (events.array ?? [events]).flatMap { ($0.string ?? "?").split(separator: ",") }
            terms.events = try names.reduce(into: SubscriptionEvents()) { all, name in
                guard let event = SubscriptionEvents(name: String(name.trimmingSpaces)) else {
                    throw Problem.badRequest("SubscriptionEvent is a list of created, modified, deleted")
                }
                all.formUnion(event)
            }
            guard !terms.events.isEmpty else { throw Problem.badRequest("SubscriptionEvent is empty") }
        }
        if let url = try Self.text(body, "NotificationEndpoint") {
            terms.push = .init(url: url, username: terms.push?.username)
        }
        if let username = try Self.text(body, "NotificationEpUsername") { terms.push?.username = username }
        var notes = JSONObject((try? JSONValue(parsing: terms.notes))?.object?.members ?? [])
        if let order = body["StageOrder"] {
            guard order.bool != nil else { throw Problem.badRequest("StageOrder is true or false") }
            notes["StageOrder"] = order
        }
        if let priority = body["Priority"] {
            guard let number = priority.integer, Self.priorities.contains(number) else {
                throw Problem.badRequest("Priority is a whole number from 0 to 100")
            }
            notes["Priority"] = priority
        }
        terms.notes = JSONValue.object(notes).text
    }

    private static func text(_ body: JSONValue, _ name: String) throws -> String? {
        guard let value = body[name], !value.isNull else { return nil }
        guard let text = value.string, !text.utf8.contains(0) else { throw Problem.badRequest("\(name) is a text") }
        return text
    }

    private static func status(_ body: JSONValue) throws -> Subscription.Status? {
        guard let text = try text(body, "Status") else { return nil }
        // Both spellings are about.
        guard let status = Subscription.Status(rawValue: text == "canceled" ? "cancelled" : text) else {
            throw Problem.badRequest("Status is running, paused or cancelled")
        }
        return status
    }

    /// What the filter of a subscription means.
    ///
    /// - Throws: `ODataError`, `Problem`.
    package func condition(ofSubscription filter: String) async throws -> CQL2? {
        guard !filter.isEmpty else { return nil }
        let translation = FilterTranslation(directory: try await catalogue.directory(), entities: .notices)
        return try translation.condition(ODataFilter(parsing: filter))
    }

    // MARK: Notices

    /// `/Subscriptions(ID)/Read`: what waits longest, which stays until it is acknowledged.
    private func read(_ subscription: Subscription, _ call: Call) async throws -> Response {
        guard subscription.terms.push == nil else { throw Problem.badRequest("this subscription is posted, not read") }
        let options = try ODataOptions(products: call.query)
        let top = min(call.query["$top"] == nil ? 1 : options.top, Self.readMax)
        var told: [[UInt8]] = []
        for _ in 0..<Self.roundsMax where top > 0 {
            told = []
            var hidden: [Delivery] = []
            for delivery in try await notifications.waiting(for: subscription.destination, limit: top) {
                let notice = try await notice(
                    delivery, call.caller.principal, call.caller.context, call.base, isAcknowledged: true)
                if let notice { told.append(notice.json) } else { hidden.append(delivery) }
            }
            if hidden.isEmpty { break }
            try await notifications.discard(hidden, of: subscription)
        }
        var json = JSONWriter(capacity: 4096)
        json.array { json in for notice in told { json.raw(notice) } }
        return Self.answer(json)
    }

    /// `/Subscriptions(ID)/Ack?$ackid=…`: takes a notice and all before it off what waits.
    private func acknowledge(_ subscription: Subscription, _ call: Call) async throws -> Response {
        let text = call.query["$ackid"] ?? ""
        guard let place = JournalPosition(text) else {
            throw Problem.badRequest("$ackid is the AckId of a notice, not '\(text.prefix(40))'")
        }
        guard subscription.terms.push == nil else { throw Problem.badRequest("this subscription is posted, not read") }
        let (count, waiting) = try await notifications.acknowledge(
            subscription, upTo: place)
        var json = JSONWriter()
        json.object {
            $0.member("AckMessagesNum", count)
            $0.member("CurrentQueueLength", waiting)
            $0.member("MaxQueueLength", Notifications.waitingMax)
        }
        return Self.answer(json)
    }

    /// Nil for what somebody may not see, or what went with its collection.
    func notice(
        _ delivery: Delivery, _ principal: Principal, _ context: RequestContext, _ base: String, isAcknowledged: Bool
    ) async throws -> (name: String, json: [UInt8])? {
        guard let notice = SubscriptionNotice(delivery),
            let facts = try await catalogue.facts(of: [notice.number])[notice.number],
            try await shows(facts, to: principal, context)
        else { return nil }
        let name = try Product(facts).name
        var options = try ODataOptions(products: QueryItems())
        options.expand = [ODataOptions.Expansion.attributes.rawValue]
        var product = JSONWriter(capacity: 4096)
        if facts.deletion == nil, let item = try await catalogue.item(number: notice.number) {
            try write(item, options, base, to: &product, context: nil)
        } else {
            try writeDeleted(facts, options, to: &product)
        }
        var json = JSONWriter(capacity: product.bytes.count + 512)
        json.object { json in
            json.member("SubscriptionEvent", notice.event.names.first ?? "")
            json.member("ProductId", ProductID(number: notice.number).text)
            json.member("ProductName", name)
            json.member("SubscriptionId", String(delivery.destination.split(separator: " ").last ?? ""))
            json.member("NotificationDate", delivery.created.rfc3339)
            if isAcknowledged { json.member("AckId", DeliveryID(delivery).text) }
            json.key("value")
            json.raw(product.bytes)
        }
        return (name, json.bytes)
    }
}
