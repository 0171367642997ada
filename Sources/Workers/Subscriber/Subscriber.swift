package import CQL2
package import Catalogue
import IAMPolicy
package import Identity
import Journal
import Logging
package import Notifications
package import Policy
import Wire

/// Puts what happens to items among what waits for those who have subscribed to it.
///
/// It follows the journal. An item is looked at as it is when its event's turn comes, or as it was when it was removed;
/// who may not see it is told nothing of it.
package struct Subscriber: Worker {
    package let name = "subscriber"
    private let catalogue: Catalogue
    private let identity: Identity
    private let gate: Gate
    private let notifications: Notifications
    private let condition: @Sendable (String) async throws -> CQL2?
    private let follower: Follower
    private let logger = Logger(label: "martlet.subscriber")

    private static let subscriptionsAtOnce = 500
    private static let changesAtOnce = 100
    private static let expirySeconds: Int64 = 60

    /// - Parameter condition: what the filter of a subscription to products means; nil for all products.
    package init(
        catalogue: Catalogue, identity: Identity, gate: Gate, notifications: Notifications,
        condition: @escaping @Sendable (String) async throws -> CQL2?
    ) {
        self.catalogue = catalogue
        self.identity = identity
        self.gate = gate
        self.notifications = notifications
        self.condition = condition
        follower = Follower(name: name, journal: catalogue.journal)
    }

    package func run() async throws {
        var expired = Timestamp(microseconds: 0)
        try await follower.run(handle: note) {
            guard expired.adding(seconds: Self.expirySeconds) < .now else { return false }
            expired = .now
            _ = try await notifications.expireUnread()
            return false
        }
    }

    func note(_ events: [Event]) async throws {
        let changes = events.compactMap(ItemChange.init)
        guard !changes.isEmpty else { return }
        var after = ""
        while true {
            let page = try await notifications.running(
                SubscriptionTerms.products, after: after, limit: Self.subscriptionsAtOnce)
            let readers = try await readers(page.filter { $0.since < changes[changes.count - 1].event.tid })
            if !readers.isEmpty {
                for start in stride(from: 0, to: changes.count, by: Self.changesAtOnce) {
                    try await note(changes[start..<min(start + Self.changesAtOnce, changes.count)], readers)
                }
            }
            guard page.count == Self.subscriptionsAtOnce, let last = page.last else { return }
            after = last.id
        }
    }

    /// A subscription with what its filter means, and whose it is.
    private struct Reader {
        var subscription: Subscription
        var condition: CQL2?
        var principal: Principal
    }

    private func readers(_ subscriptions: [Subscription]) async throws -> [Reader] {
        var readers: [Reader] = []
        for subscription in subscriptions {
            do {
                let principal = try await identity.principal(ofAccount: subscription.account)
                let condition = try await condition(subscription.terms.filter)
                readers.append(Reader(subscription: subscription, condition: condition, principal: principal))
            } catch let error as IdentityError {
                // One that is locked is told nothing meanwhile; one that is gone never comes back.
                guard error.code == .notFound else { continue }
                try? await notifications.unsubscribe(subscription.id, of: nil, by: Notifications.actor)
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                logger.warning("subscription \(subscription.id): \(error)")
            }
        }
        return readers
    }

    private func note(_ changes: ArraySlice<ItemChange>, _ readers: [Reader]) async throws {
        let facts = try await catalogue.facts(of: Array(Set(changes.map(\.notice.number))))
        // Nothing is known of where its owner will read it, so a policy that asks for an address does not allow it.
        let context = RequestContext(address: "", isSecure: true)
        var deliveries: [Delivery] = []
        for reader in readers {
            var tests: [String: ProductTest] = [:]
            for change in changes
            where reader.subscription.since < change.event.tid
                && reader.subscription.terms.events.contains(change.notice.event)
            {
                guard let item = facts[change.notice.number] else { continue }
                guard try item.fulfils(reader.condition) else { continue }
                if tests[item.collection] == nil {
                    tests[item.collection] = try await gate.itemTest(
                        reader.principal, "stac:Search", in: item.collection, context)
                }
                guard let test = tests[item.collection], try item.passes(test) else { continue }
                deliveries.append(change.notice.delivery(change.event, to: reader.subscription))
            }
        }
        try await notifications.enqueue(deliveries)
    }
}

/// What happened to an item.
private struct ItemChange {
    var event: Event
    var notice: SubscriptionNotice

    /// Nil for what nobody is told of.
    init?(_ event: Event) {
        guard event.kind == .itemPut || event.kind == .itemDeleted,
            let detail = try? JSONValue(parsing: event.detail), let number = detail["number"]?.integer
        else { return nil }
        self.event = event
        let what: SubscriptionEvents =
            event.kind == .itemDeleted ? .deleted : detail["replaced"]?.bool == true ? .modified : .created
        notice = SubscriptionNotice(event: what, number: number)
    }
}
