import Database
package import Journal
package import Vault
import Wire

extension EventKind {
    package static let webhookStored = EventKind("webhook.stored")
    package static let webhookDeleted = EventKind("webhook.deleted")
}

/// Who is told of what happens to objects: the webhooks that the operator has named, and the messages that wait.
package final class Notifications: Sendable {
    let journal: Journal
    let master: MasterKey

    private static let webhooksMax: Int64 = 1000
    private static let secretBytesMax = 4096
    private static let urlBytesMax = 2048

    package init(journal: Journal, master: MasterKey) {
        self.journal = journal
        self.master = master
    }

    /// Names an address, or gives a name another address or secret.
    ///
    /// - Parameter secret: sent with each message as a bearer token; kept sealed. Nil for none.
    /// - Throws: ``NotificationsError`` `.invalid`, `.limit`.
    package func putWebhook(_ name: String, url: String, secret: String?, by actor: String) async throws {
        try Self.check(name: name, url: url, secret: secret)
        let sealed = try secret.map { try master.seal(Array($0.utf8), label: Self.label(name)) }
        try await journal.write { transaction, events in
            try transaction.lock("webhooks")
            let count = try transaction.scalar("SELECT count(*) FROM webhooks WHERE name <> ?", .init(name)) ?? 0
            guard count < Self.webhooksMax else {
                throw NotificationsError(code: .limit, message: "a node has up to \(Self.webhooksMax) webhooks")
            }
            try transaction.run(
                """
                INSERT INTO webhooks (name, url, sealed_secret, created) VALUES (?, ?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET url = excluded.url, sealed_secret = excluded.sealed_secret
                """,
                .init(name), .init(url), .init(sealed), .init(Timestamp.now.microseconds))
            // What waits is tried at once at the new address.
            try transaction.run(
                "UPDATE destinations SET failures = 0, next = 0, error = NULL WHERE name = ?", .init(name))
            events.record(.webhookStored, by: actor, on: name) { $0.member("url", url) }
        }
    }

    static func label(_ name: String) -> String { "webhook \(name)" }

    private static func check(name: String, url: String, secret: String?) throws {
        let isPlain = name.utf8.allSatisfy {
            ($0 >= 0x30 && $0 <= 0x39) || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A) || $0 == 0x2D || $0 == 0x5F
        }
        guard (1...64).contains(name.utf8.count), isPlain else {
            throw NotificationsError(
                code: .invalid, message: "a webhook's name has 1 to 64 letters, digits, '-' or '_'")
        }
        try check(url: url)
        guard
            secret.map({ (1...secretBytesMax).contains($0.utf8.count) && $0.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } }
            )
                ?? true
        else {
            throw NotificationsError(
                code: .invalid, message: "a webhook's secret has 1 to 4,096 visible characters of ASCII")
        }
    }

    static func check(url: String) throws {
        guard url.utf8.count <= urlBytesMax, url.hasPrefix("https://") || url.hasPrefix("http://"),
            url.split(separator: "/").count >= 2, url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else {
            throw NotificationsError(
                code: .invalid, message: "a webhook's address is like https://host/path, with up to 2,048 bytes")
        }
    }

    /// Forgets a webhook, and what waits for it.
    ///
    /// - Throws: ``NotificationsError`` `.notFound`.
    package func deleteWebhook(_ name: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            guard try transaction.execute("DELETE FROM webhooks WHERE name = ?", .init(name)) == 1 else {
                throw Self.notFound(name)
            }
            try Self.forgetDestination(name, in: transaction)
            events.record(.webhookDeleted, by: actor, on: name)
        }
    }

    private static func notFound(_ name: String) -> NotificationsError {
        NotificationsError(code: .notFound, message: "there is no webhook '\(name.prefix(64))'")
    }

    /// - Throws: ``NotificationsError`` `.notFound`.
    package func webhook(_ name: String) async throws -> Webhook {
        let found = try await journal.find { reader in
            try reader.first("SELECT \(Self.webhookColumns) WHERE w.name = ?", .init(name), map: Self.webhook)
        }
        guard let found else { throw Self.notFound(name) }
        return found
    }

    /// Webhooks in the order of their names, after `name`.
    package func webhooks(after name: String = "", limit: Int = 1000) async throws -> [Webhook] {
        try await journal.read { reader in
            try reader.rows(
                "SELECT \(Self.webhookColumns) WHERE w.name > ? ORDER BY w.name LIMIT ?", .init(name), .init(limit),
                map: Self.webhook)
        }
    }

    private static let webhookColumns =
        """
        w.name, w.url, w.sealed_secret IS NOT NULL, w.created, d.waiting, d.failures, d.dropped, d.error, d.dead
        FROM webhooks w LEFT JOIN destinations d ON d.name = w.name
        """

    private static func webhook(_ row: borrowing Row) -> Webhook {
        Webhook(
            name: row.text(0), url: row.text(1), hasSecret: row.bool(2), created: Timestamp(microseconds: row.int(3)),
            state: DestinationState(
                waiting: row.int(4), failures: row.int(5), dropped: row.int(6), error: row.textOrNil(7),
                dead: row.int(8)))
    }

    /// Where messages for a destination go; nil where it is a webhook or a subscription that is gone.
    package func address(of destination: String) async throws -> DeliveryAddress? {
        if destination.hasPrefix(Subscription.prefix) {
            return try await address(ofSubscription: String(destination.dropFirst(Subscription.prefix.count)))
        }
        if destination.contains("://") { return DeliveryAddress(url: destination, isTrusted: false) }
        return try await address(ofWebhook: destination)
    }

    /// Where the webhook of a name is; nil where it is gone.
    func address(ofWebhook name: String) async throws -> DeliveryAddress? {
        let found = try await journal.find { reader in
            try reader.first("SELECT url, sealed_secret FROM webhooks WHERE name = ?", .init(name)) {
                (url: $0.text(0), sealed: $0.blobOrNil(1))
            }
        }
        guard let found else { return nil }
        let secret = try found.sealed.map {
            String(decoding: try master.open($0, label: Self.label(name)), as: UTF8.self)
        }
        return DeliveryAddress(url: found.url, secret: secret, isTrusted: true)
    }
}
