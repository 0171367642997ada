import Ciphers
import Database
package import Journal
import Vault
package import Wire

extension EventKind {
    package static let subscriptionStored = EventKind("subscription.stored")
    package static let subscriptionDeleted = EventKind("subscription.deleted")
}

/// What somebody wants to be told of, and how: what happens to things of one kind that fulfil a filter.
///
/// What there is to tell waits in the order in which it happened, as ``Delivery`` of the destination that has the
/// subscription's name. It is read and acknowledged by its owner, or posted to an address of theirs by the courier.
/// Who matches events, and who turns a delivery into what is told, knows the topic; this knows none.
package struct Subscription: Sendable, Hashable {
    package enum Status: String, Sendable, CaseIterable { case running, paused, cancelled }

    /// A UUID.
    package var id: String
    package var account: Int64
    package var terms: SubscriptionTerms
    package var status: Status
    /// The transaction that started it: it is told of what came after that.
    package var since: Int64
    package var created: Timestamp
    package var state = DestinationState()

    package var destination: String { Self.prefix + id }

    static let prefix = "subscription "
}

/// What happens to a thing that is told of.
package struct SubscriptionEvents: OptionSet, Sendable, Hashable {
    package let rawValue: Int64

    package init(rawValue: Int64) { self.rawValue = rawValue }

    package static let created = SubscriptionEvents(rawValue: 1)
    package static let modified = SubscriptionEvents(rawValue: 2)
    package static let deleted = SubscriptionEvents(rawValue: 4)
    package static let all: [(event: SubscriptionEvents, name: String)] = [
        (.created, "created"), (.modified, "modified"), (.deleted, "deleted"),
    ]

    package init?(name: String) {
        guard let found = Self.all.first(where: { $0.name == name }) else { return nil }
        self = found.event
    }

    package var names: [String] { Self.all.filter { contains($0.event) }.map(\.name) }
}

/// What a delivery of a subscription holds: what happened, and to which thing, by its number. What is told of the thing
/// is looked up when it is told: it is what its reader may see then.
package struct SubscriptionNotice: Sendable, Hashable {
    package var event: SubscriptionEvents
    package var number: Int64

    package init(event: SubscriptionEvents, number: Int64) {
        self.event = event
        self.number = number
    }

    /// Nil for a delivery of another kind.
    package init?(_ delivery: Delivery) {
        guard delivery.destination.hasPrefix(Subscription.prefix),
            let json = try? JSONValue(parsing: delivery.message), let event = json["event"]?.integer,
            let number = json["number"]?.integer
        else { return nil }
        self.init(event: SubscriptionEvents(rawValue: event), number: number)
    }

    /// As it waits.
    ///
    /// - Parameter event: that of the journal which tells of it.
    package func delivery(_ event: Event, to subscription: Subscription) -> Delivery {
        let message: JSONValue = ["event": .integer(self.event.rawValue), "number": .integer(number)]
        return Delivery(
            tid: event.tid, sequence: event.sequence, configuration: "", destination: subscription.destination,
            created: event.time, message: message.bytes)
    }
}

/// What the owner of a subscription says of it.
package struct SubscriptionTerms: Sendable, Hashable {
    package static let products = "products"

    /// Which things, such as ``products``.
    package var topic: String
    /// In the language of the topic; empty for all.
    package var filter: String
    package var events: SubscriptionEvents
    /// Where messages are posted to; nil where the owner fetches them.
    package var push: Push?
    /// What the face keeps with it, as a JSON object.
    package var notes: String

    package struct Push: Sendable, Hashable {
        package var url: String
        /// Sent with `password` (Basic, RFC 7617) where there is one.
        package var username: String?

        package init(url: String, username: String? = nil) {
            self.url = url
            self.username = username
        }
    }

    package init(topic: String, filter: String, events: SubscriptionEvents, push: Push? = nil, notes: String = "{}") {
        self.topic = topic
        self.filter = filter
        self.events = events
        self.push = push
        self.notes = notes
    }
}

extension Notifications {
    /// Subscriptions of one account, in all.
    package static let subscriptionsMax: Int64 = 10
    /// How long what waits to be read is kept: three days.
    package static let unreadSecondsMax: Int64 = 3 * 86_400
    /// `next` of a destination that no courier serves.
    static let never = Int64.max
    private static let keyBytes = 32
    private static let expiredAtOnce = 1000

    // MARK: Management

    /// Begins to tell an account.
    ///
    /// - Parameters:
    ///   - password: sent to the address of a push; kept sealed.
    ///   - actor: the account's name.
    /// - Returns: the subscription, and for a push the key by which its messages are signed: see ``MessageSignature``.
    /// - Throws: ``NotificationsError`` `.invalid`, `.limit`.
    package func subscribe(
        _ terms: SubscriptionTerms, password: String?, isPaused: Bool = false, account: Int64, by actor: String
    ) async throws -> (subscription: Subscription, key: [UInt8]?) {
        let id = randomUUID()
        let key = terms.push == nil ? nil : randomBytes(Self.keyBytes)
        let sealedKey = try key.map { try master.seal($0, label: Self.keyLabel(id)) }
        if let push = terms.push { try Self.check(push, password) }
        let sealedPassword = try password.map {
            try master.seal(Array($0.utf8), label: Self.passwordLabel(id))
        }
        let now = Timestamp.now
        let status = isPaused ? Subscription.Status.paused : .running
        let subscription = try await journal.write { transaction, events in
            try transaction.lock("subscriptions \(account)")
            try transaction.lock(Self.lockName(Subscription.prefix + id))
            let count = try transaction.scalar(
                "SELECT count(*) FROM subscriptions WHERE account = ? AND status <> 'cancelled'", .init(account))
            guard (count ?? 0) < Self.subscriptionsMax else {
                throw NotificationsError(
                    code: .limit, message: "an account has up to \(Self.subscriptionsMax) subscriptions")
            }
            let since = try transaction.tid
            try transaction.run(
                """
                INSERT INTO subscriptions (id, account, topic, filter, events, status, since, created, url, username,
                sealed_password, sealed_key, notes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                .init(id), .init(account), .init(terms.topic), .init(terms.filter), .init(terms.events.rawValue),
                .init(status.rawValue), .init(since), .init(now.microseconds), .init(terms.push?.url),
                .init(terms.push?.username), .init(sealedPassword), .init(sealedKey), .init(terms.notes))
            let subscription = Subscription(
                id: id, account: account, terms: terms, status: status, since: since, created: now)
            try Self.setDue(subscription, in: transaction)
            Self.record(subscription, by: actor, &events)
            return subscription
        }
        return (subscription, key)
    }

    /// Changes a subscription of an account. One that was cancelled stays so.
    ///
    /// - Parameters:
    ///   - password: a new one; nil leaves the old one, or none where the terms have no push with a name.
    ///   - edit: changes the terms and the status. It may run more than once.
    /// - Throws: ``NotificationsError`` `.notFound`, `.invalid`, and what `edit` throws.
    package func change(
        _ id: String, of account: Int64, password: String?, by actor: String,
        _ edit: @escaping @Sendable (inout Subscription) throws -> Void
    ) async throws -> Subscription {
        let sealedPassword = try password.map {
            try master.seal(Array($0.utf8), label: Self.passwordLabel(id))
        }
        return try await journal.write { transaction, events in
            try transaction.lock("subscriptions \(account)")
            try transaction.lock(Self.lockName(Subscription.prefix + id))
            guard var subscription = try Self.subscription(id, account, transaction) else {
                throw Self.noSubscription(id)
            }
            let before = subscription
            try edit(&subscription)
            if let push = subscription.terms.push { try Self.check(push, password) }
            guard before.status != .cancelled else {
                throw NotificationsError(code: .invalid, message: "the subscription was cancelled")
            }
            guard (before.terms.push == nil) == (subscription.terms.push == nil) else {
                throw NotificationsError(
                    code: .invalid, message: "a subscription stays one that is read, or one that is posted")
            }
            // What happened while it was paused is not told.
            if before.status != .running { subscription.since = try transaction.tid }
            try transaction.run(
                """
                UPDATE subscriptions SET filter = ?, events = ?, status = ?, since = ?, url = ?, username = ?,
                notes = ? WHERE id = ?
                """,
                .init(subscription.terms.filter), .init(subscription.terms.events.rawValue),
                .init(subscription.status.rawValue), .init(subscription.since), .init(subscription.terms.push?.url),
                .init(subscription.terms.push?.username), .init(subscription.terms.notes), .init(id))
            if let sealedPassword {
                try transaction.run(
                    "UPDATE subscriptions SET sealed_password = ? WHERE id = ?", .init(sealedPassword), .init(id))
            }
            if subscription.status == .cancelled {
                try Self.forgetWaiting(subscription, in: transaction)
            } else {
                try Self.setDue(subscription, in: transaction)
            }
            Self.record(subscription, by: actor, &events)
            return try Self.subscription(id, account, transaction) ?? subscription
        }
    }

    /// Ends a subscription, and forgets what waits for it.
    ///
    /// - Parameter account: whose it has to be; nil for anybody's.
    /// - Throws: ``NotificationsError`` `.notFound`.
    package func unsubscribe(_ id: String, of account: Int64?, by actor: String) async throws {
        try await journal.write { transaction, events in
            try transaction.lock(Self.lockName(Subscription.prefix + id))
            guard let subscription = try Self.subscription(id, account, transaction) else {
                throw Self.noSubscription(id)
            }
            try transaction.run("DELETE FROM subscriptions WHERE id = ?", .init(id))
            try Self.forgetWaiting(subscription, in: transaction)
            events.record(.subscriptionDeleted, by: actor, on: subscription.destination)
        }
    }

    private static func record(_ subscription: Subscription, by actor: String, _ events: inout EventRecorder) {
        events.record(.subscriptionStored, by: actor, on: subscription.destination) {
            $0.member("topic", subscription.terms.topic)
            $0.member("status", subscription.status.rawValue)
        }
    }

    private static func check(_ push: SubscriptionTerms.Push, _ password: String?) throws {
        try check(url: push.url)
        let name = push.username ?? ""
        guard name.utf8.count <= 256, (password ?? "").utf8.count <= 1024, !name.contains(":"),
            (name + (password ?? "")).utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else {
            throw NotificationsError(
                code: .invalid,
                message: "the name for an address has up to 256 bytes without ':', the password up to 1,024")
        }
    }

    static func passwordLabel(_ id: String) -> String { "subscription password \(id)" }
    static func keyLabel(_ id: String) -> String { "subscription key \(id)" }

    /// When the courier looks at a destination: at once, or never where its owner reads, or has paused it.
    private static func setDue(_ subscription: Subscription, in transaction: Transaction) throws {
        let isPosted = subscription.terms.push != nil && subscription.status == .running
        try transaction.run(
            """
            INSERT INTO destinations (name, waiting, next, failures, dropped) VALUES (?, 0, ?, 0, 0)
            ON CONFLICT (name) DO UPDATE SET next = excluded.next, failures = 0, error = NULL
            """,
            .init(subscription.destination), .init(isPosted ? 0 : never))
    }

    private static func forgetWaiting(_ subscription: Subscription, in transaction: Transaction) throws {
        try transaction.run("DELETE FROM deliveries WHERE destination = ?", .init(subscription.destination))
        try transaction.run("DELETE FROM destinations WHERE name = ?", .init(subscription.destination))
    }

    // MARK: Looking

    private static func noSubscription(_ id: String) -> NotificationsError {
        NotificationsError(code: .notFound, message: "there is no subscription '\(id.prefix(64))'")
    }

    /// - Throws: ``NotificationsError`` `.notFound`, also for another account's.
    package func subscription(_ id: String, of account: Int64) async throws -> Subscription {
        guard let found = try await journal.find({ try Self.subscription(id, account, $0) }) else {
            throw Self.noSubscription(id)
        }
        return found
    }

    /// The subscription that a destination stands for; nil for one that is gone, or another kind of destination.
    package func subscription(at destination: String) async throws -> Subscription? {
        guard destination.hasPrefix(Subscription.prefix) else { return nil }
        let id = String(destination.dropFirst(Subscription.prefix.count))
        return try await journal.find { try Self.subscription(id, nil, $0) }
    }

    /// Those of an account, the oldest first.
    package func subscriptions(of account: Int64) async throws -> [Subscription] {
        try await journal.read { reader in
            try reader.rows(
                "SELECT \(Self.subscriptionColumns) WHERE s.account = ? ORDER BY s.created, s.id LIMIT 1000",
                .init(account), map: Self.read)
        }
    }

    /// Those of a topic that are running, in the order of their ids, after `id`.
    package func running(_ topic: String, after id: String, limit: Int) async throws -> [Subscription] {
        try await journal.read { reader in
            try reader.rows(
                """
                SELECT \(Self.subscriptionColumns) WHERE s.topic = ? AND s.status = 'running' AND s.id > ?
                ORDER BY s.id LIMIT ?
                """,
                .init(topic), .init(id), .init(limit), map: Self.read)
        }
    }

    private static let subscriptionColumns =
        """
        s.id, s.account, s.topic, s.filter, s.events, s.status, s.since, s.created, s.url, s.username, s.notes,
        d.waiting, d.failures, d.dropped, d.error
        FROM subscriptions s LEFT JOIN destinations d ON d.name = 'subscription ' || s.id
        """

    private static func subscription(_ id: String, _ account: Int64?, _ reader: Reader) throws -> Subscription? {
        let found = try reader.first(
            "SELECT \(subscriptionColumns) WHERE s.id = ?", .init(id), map: read)
        return account == nil || found?.account == account ? found : nil
    }

    private static func read(_ row: borrowing Row) -> Subscription {
        let url = row.textOrNil(8)
        let username = row.textOrNil(9)
        return Subscription(
            id: row.text(0), account: row.int(1),
            terms: SubscriptionTerms(
                topic: row.text(2), filter: row.text(3), events: SubscriptionEvents(rawValue: row.int(4)),
                push: url.map { SubscriptionTerms.Push(url: $0, username: username) }, notes: row.text(10)),
            status: Subscription.Status(rawValue: row.text(5)) ?? .paused, since: row.int(6),
            created: Timestamp(microseconds: row.int(7)),
            state: DestinationState(
                waiting: row.intOrNil(11) ?? 0, failures: row.intOrNil(12) ?? 0, dropped: row.intOrNil(13) ?? 0,
                error: row.textOrNil(14)))
    }

    // MARK: What waits

    /// Takes what its owner has seen off what waits: a delivery and all before it.
    ///
    /// - Returns: how many that were, and how many still wait.
    package func acknowledge(
        _ subscription: Subscription, upTo place: JournalPosition
    ) async throws -> (count: Int, waiting: Int64) {
        try await acknowledge(subscription.destination, upTo: place)
    }

    private func acknowledge(
        _ destination: String, upTo place: JournalPosition
    ) async throws -> (count: Int, waiting: Int64) {
        try await journal.database.write { transaction in
            try transaction.lock(Self.lockName(destination))
            return try Self.take(
                "(tid, sequence) <= (?, ?)", [.init(place.tid), .init(place.sequence)], of: destination,
                in: transaction)
        }
    }

    /// Takes single deliveries off what waits to be read, for example those that their owner may not see any more.
    package func discard(_ deliveries: [Delivery], of subscription: Subscription) async throws {
        guard !deliveries.isEmpty else { return }
        try await journal.database.write { transaction in
            try transaction.lock(Self.lockName(subscription.destination))
            for delivery in deliveries {
                _ = try Self.take(
                    "tid = ? AND sequence = ?", [.init(delivery.tid), .init(delivery.sequence)],
                    of: subscription.destination, in: transaction)
            }
        }
    }

    /// Forgets what has waited too long to be read.
    ///
    /// - Returns: how much that was.
    package func expireUnread(olderThan seconds: Int64 = Notifications.unreadSecondsMax) async throws -> Int {
        let before = Timestamp.now.adding(seconds: -seconds)
        let unread = try await journal.read { reader in
            try reader.rows(
                """
                SELECT name FROM destinations d WHERE waiting > 0 AND next = ? AND
                (SELECT created FROM deliveries WHERE destination = d.name ORDER BY tid, sequence LIMIT 1) < ?
                """,
                .init(Self.never), .init(before.microseconds)
            ) { $0.text(0) }
        }
        var count = 0
        for destination in unread {
            while let last = try await waiting(for: destination, limit: Self.expiredAtOnce)
                .prefix(while: { $0.created < before }).last
            {
                let place = JournalPosition(tid: last.tid, sequence: last.sequence)
                count += try await acknowledge(destination, upTo: place).count
            }
        }
        return count
    }

    private static func take(
        _ condition: String, _ values: [SQLValue], of destination: String, in transaction: Transaction
    ) throws -> (count: Int, waiting: Int64) {
        let count = try transaction.execute(
            "DELETE FROM deliveries WHERE destination = ? AND \(condition)", [.init(destination)] + values)
        try transaction.run(
            "UPDATE destinations SET waiting = waiting - ? WHERE name = ?", .init(count), .init(destination))
        let waiting = try transaction.scalar("SELECT waiting FROM destinations WHERE name = ?", .init(destination))
        return (count, waiting ?? 0)
    }

    /// Where the messages of a subscription are posted to; nil where they are not.
    func address(ofSubscription id: String) async throws -> DeliveryAddress? {
        let found = try await journal.find { reader in
            try reader.first(
                "SELECT url, username, sealed_password, sealed_key FROM subscriptions WHERE id = ?", .init(id)
            ) { (url: $0.textOrNil(0), username: $0.textOrNil(1), password: $0.blobOrNil(2), key: $0.blobOrNil(3)) }
        }
        guard let found, let url = found.url else { return nil }
        // Its owner chose it, who must not reach into the node's own network.
        var address = DeliveryAddress(url: url, isTrusted: false)
        if let username = found.username {
            let password = try found.password.map { try master.open($0, label: Self.passwordLabel(id)) } ?? []
            address.headers["Authorization"] =
                "Basic " + Base64.encode(Array(username.utf8) + [UInt8(ascii: ":")] + password)
        }
        address.key = try found.key.map { try master.open($0, label: Self.keyLabel(id)) }
        return address
    }
}
