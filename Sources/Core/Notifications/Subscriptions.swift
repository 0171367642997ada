import Ciphers
import Crypto
import Database
package import Journal
import Vault
import Wire

extension EventKind {
    package static let subscriptionStored = EventKind("subscription.stored")
    package static let subscriptionDeleted = EventKind("subscription.deleted")
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
        // It signs what is posted, and the links by which letters are stopped.
        let key = terms.isRead ? nil : randomBytes(Self.keyBytes)
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
                sealed_password, sealed_key, mail_seconds, form, notes)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                .init(id), .init(account), .init(terms.topic), .init(terms.filter), .init(terms.events.rawValue),
                .init(status.rawValue), .init(since), .init(now.microseconds), .init(terms.push?.url),
                .init(terms.push?.username), .init(sealedPassword), .init(sealedKey),
                .init(terms.mailSeconds), .init(terms.form.rawValue), .init(terms.notes))
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
            let (old, new) = (before.terms, subscription.terms)
            guard (old.push == nil) == (new.push == nil), (old.mailSeconds == nil) == (new.mailSeconds == nil),
                old.topic == new.topic
            else {
                throw NotificationsError(
                    code: .invalid,
                    message: "a subscription keeps its topic, and stays one that is read, posted or written")
            }
            // What happened while it was paused is not told.
            if before.status != .running { subscription.since = try transaction.tid }
            try transaction.run(
                """
                UPDATE subscriptions SET filter = ?, events = ?, status = ?, since = ?, url = ?, username = ?,
                mail_seconds = ?, notes = ? WHERE id = ?
                """,
                .init(subscription.terms.filter), .init(subscription.terms.events.rawValue),
                .init(subscription.status.rawValue), .init(subscription.since), .init(subscription.terms.push?.url),
                .init(subscription.terms.push?.username), .init(subscription.terms.mailSeconds),
                .init(subscription.terms.notes), .init(id))
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
        if !push.url.hasPrefix(SubscriptionTerms.Push.namedPrefix) { try check(url: push.url) }
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
        let isPosted = !subscription.terms.isRead && subscription.status == .running
        try transaction.run(
            """
            INSERT INTO destinations (name, waiting, next, failures, dropped, is_read) VALUES (?, 0, ?, 0, 0, ?)
            ON CONFLICT (name) DO UPDATE SET next = excluded.next, failures = 0, error = NULL
            """,
            .init(subscription.destination), .init(isPosted ? 0 : never),
            .init(subscription.terms.isRead ? 1 : 0))
    }

    private static func forgetWaiting(_ subscription: Subscription, in transaction: Transaction) throws {
        try forgetDestination(subscription.destination, in: transaction)
    }

    // MARK: Letters

    /// What stands in a letter's link by which it is stopped: whoever has it need not log in. Nil where there are no
    /// letters.
    package func stopToken(of subscription: Subscription) async throws -> String? {
        try await stopCode(of: subscription).map { Hex.encode(Array($0)) }
    }

    private func stopCode(
        of subscription: Subscription
    ) async throws -> HMAC<SHA256>.MAC? {
        guard subscription.terms.mailSeconds != nil else { return nil }
        return try await key(of: subscription.id).map {
            HMAC<SHA256>.authenticationCode(for: Self.stopped(subscription.id), using: SymmetricKey(data: $0))
        }
    }

    private static func stopped(_ id: String) -> [UInt8] { Array("stop \(id)".utf8) }

    /// Ends a subscription to letters by the token of their link.
    ///
    /// - Throws: ``NotificationsError`` `.notFound` also for a wrong token, so that nobody learns what there is.
    package func stop(_ id: String, token: String) async throws {
        guard let found = try await journal.find({ try Self.subscription(id, nil, $0) }),
            found.terms.mailSeconds != nil, let key = try await key(of: id), let code = Hex.decode(token),
            HMAC<SHA256>.isValidAuthenticationCode(
                code, authenticating: Self.stopped(id), using: SymmetricKey(data: key))
        else { throw Self.noSubscription(id) }
        _ = try await change(id, of: found.account, password: nil, by: "link in a letter") { $0.status = .cancelled }
    }

    private func key(of id: String) async throws -> [UInt8]? {
        let sealed = try await journal.find { reader in
            try reader.first("SELECT sealed_key FROM subscriptions WHERE id = ?", .init(id)) { $0.blobOrNil(0) }
        }
        return try sealed.flatMap { try $0.map { try master.open($0, label: Self.keyLabel(id)) } }
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
        s.mail_seconds, s.form, d.waiting, d.failures, d.dropped, d.error, d.dead, d.newest
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
        var terms = SubscriptionTerms(
            topic: row.text(2), filter: row.text(3), events: SubscriptionEvents(rawValue: row.int(4)),
            push: url.map { SubscriptionTerms.Push(url: $0, username: username) }, notes: row.text(10))
        terms.mailSeconds = row.intOrNil(11)
        terms.form = SubscriptionTerms.Form(rawValue: row.text(12)) ?? .cloudEvents
        return Subscription(
            id: row.text(0), account: row.int(1), terms: terms,
            status: Subscription.Status(rawValue: row.text(5)) ?? .paused, since: row.int(6),
            created: Timestamp(microseconds: row.int(7)),
            state: DestinationState(
                waiting: row.intOrNil(13) ?? 0, failures: row.intOrNil(14) ?? 0, dropped: row.intOrNil(15) ?? 0,
                error: row.textOrNil(16), dead: row.intOrNil(17) ?? 0,
                newest: row.intOrNil(18).map { Timestamp(microseconds: $0) }))
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
                SELECT name FROM destinations d WHERE waiting > 0 AND is_read = 1 AND
                (SELECT created FROM deliveries WHERE destination = d.name ORDER BY tid, sequence LIMIT 1) < ?
                """,
                .init(before.microseconds)
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

    static func take(
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
        // Its owner chose it, who must not reach into the node's own network, unless by what the operator has named.
        var address = DeliveryAddress(url: url, isTrusted: false)
        if url.hasPrefix(SubscriptionTerms.Push.namedPrefix) {
            let name = String(url.dropFirst(SubscriptionTerms.Push.namedPrefix.count))
            guard let named = try await self.address(ofWebhook: name) else { return nil }
            address = named
        }
        if let username = found.username {
            let password = try found.password.map { try master.open($0, label: Self.passwordLabel(id)) } ?? []
            address.headers["Authorization"] =
                "Basic " + Base64.encode(Array(username.utf8) + [UInt8(ascii: ":")] + password)
        }
        address.key = try found.key.map { try master.open($0, label: Self.keyLabel(id)) }
        return address
    }
}
