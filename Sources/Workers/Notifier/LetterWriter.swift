package import Identity
import Journal
package import Notifications
import Wire

/// Writes what a subscription is told into letters to its owner. The Postman takes them to the mail server.
package struct LetterWriter: Sendable {
    private let notifications: Notifications
    private let identity: Identity
    private let telling: Telling
    /// Where the node's pages begin.
    private let webURL: String

    /// Between two letters of one subscription pass at least so many seconds; what happens meanwhile is in the next.
    static let pauseSeconds: Int64 = 60
    /// Of what is told, the bytes that a letter has at most of each.
    private static let bytesMax = 2000

    package init(notifications: Notifications, identity: Identity, telling: Telling, webURL: String) {
        self.notifications = notifications
        self.identity = identity
        self.telling = telling
        self.webURL = webURL
    }

    /// Writes one letter of what waits, if it is time for one.
    func write(to subscription: Subscription, _ deliveries: [Delivery], now: Timestamp) async throws {
        guard let first = deliveries.first, let gathered = subscription.terms.mailSeconds else { return }
        let due = first.created.adding(seconds: gathered)
        guard due <= now else {
            return try await notifications.postpone(subscription.destination, until: due)
        }
        let principal = try await identity.principal(ofAccount: subscription.account)
        let email = try await identity.account(principal.name).email
        var parts: [String] = []
        for delivery in deliveries {
            let topic = try telling.topics.topic(subscription.terms.topic)
            guard let message = try await topic.message(delivery, for: principal, Telling.nowhere) else { continue }
            parts.append(Self.text(message, delivery))
        }
        let letter = parts.isEmpty || email.isEmpty ? nil : self.letter(parts, subscription, principal.name)
        let address = try await notifications.stopToken(of: subscription).map {
            "\(webURL)/notifications/v1/subscriptions/\(subscription.id)/stop?token=\($0)"
        }
        try await notifications.remove(
            deliveries, for: subscription.destination, until: now.adding(seconds: Self.pauseSeconds)
        ) { [identity] transaction in
            guard let letter else { return }
            try identity.post(
                to: email, letter.subject,
                letter.text + (address.map { "\nTo hear no more of this:\n\n\($0)\n" } ?? ""),
                unsubscribe: address, in: transaction)
        }
    }

    private static func text(_ message: TopicMessage, _ delivery: Delivery) -> String {
        let data = String(decoding: message.data.prefix(bytesMax), as: UTF8.self)
        let end = message.data.count > bytesMax ? " …" : ""
        return "\(delivery.created.rfc3339)  \(message.type)\n\(message.subject)\n\(data)\(end)\n"
    }

    private func letter(
        _ parts: [String], _ subscription: Subscription, _ name: String
    ) -> (subject: String, text: String) {
        let what = subscription.terms.topic
        let count = parts.count == 1 ? "1 event" : "\(parts.count) events"
        let filter = subscription.terms.filter.isEmpty ? "all of them" : subscription.terms.filter
        return (
            "News of \(what): \(count)",
            "'\(name)' has subscribed to \(what) at \(webURL): \(filter)\n\n" + parts.joined(separator: "\n")
        )
    }
}
