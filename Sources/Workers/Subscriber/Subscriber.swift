package import Identity
package import Journal
import Logging
package import Notifications
import Wire

/// Puts what happens among what waits for those who have subscribed to it.
///
/// It follows the journal, and asks each topic which events tell its subscribers of something.
package struct Subscriber: Worker {
    package let name = "subscriber"
    private let identity: Identity
    private let notifications: Notifications
    private let topics: Topics
    private let follower: Follower
    private let logger = Logger(label: "martlet.subscriber")

    private static let subscriptionsAtOnce = 100
    private static let expirySeconds: Int64 = 60

    package init(journal: Journal, identity: Identity, notifications: Notifications, topics: Topics) {
        self.identity = identity
        self.notifications = notifications
        self.topics = topics
        follower = Follower(name: name, journal: journal)
    }

    package func run() async throws {
        var expired = Timestamp(microseconds: 0)
        try await follower.run(handle: note) {
            guard expired.adding(seconds: Self.expirySeconds) < .now else { return false }
            expired = .now
            _ = try await notifications.expireUnread()
            _ = try await notifications.expireDead()
            return false
        }
    }

    func note(_ events: [Event]) async throws {
        guard let last = events.last else { return }
        for name in topics.names {
            let topic = try topics.topic(name)
            var after = ""
            while true {
                let page = try await notifications.running(name, after: after, limit: Self.subscriptionsAtOnce)
                try await note(events, topic, page.filter { $0.since < last.tid })
                guard page.count == Self.subscriptionsAtOnce, let end = page.last else { break }
                after = end.id
            }
        }
    }

    private func note(_ events: [Event], _ topic: any Topic, _ subscriptions: [Subscription]) async throws {
        var known: [Subscription] = []
        var listeners: [Listener] = []
        for subscription in subscriptions {
            do {
                let principal = try await identity.principal(ofAccount: subscription.account)
                listeners.append(
                    Listener(
                        filter: subscription.terms.filter, events: subscription.terms.events,
                        since: subscription.since, principal: principal, context: Telling.nowhere))
                known.append(subscription)
            } catch let error as IdentityError {
                // One that is locked is told nothing meanwhile; one that is gone never comes back.
                guard error.code == .notFound else { continue }
                logger.info("subscription \(subscription.id) ends with its account")
                try? await notifications.unsubscribe(subscription.id, of: nil, by: Notifications.actor)
            }
        }
        guard !listeners.isEmpty else { return }
        let found = try await topic.notices(in: events, for: listeners)
        try await notifications.enqueue(
            zip(known, found).flatMap { subscription, notices in
                notices.map { $0.delivery(to: subscription.destination) }
            })
    }
}
