package import Identity
package import Journal
package import Policy

/// What somebody is told while they listen, one stretch after the other: over Server-Sent Events, or STOMP.
///
/// It is either what waits for a subscription, which stays until it is acknowledged, or what happens while somebody
/// listens, straight from the journal, of which nothing is kept: where they go on from is a place in the journal, which
/// they name.
package struct Feed: Sendable {
    package enum Source: Sendable {
        case subscription(Subscription)
        case topic(any Topic, filter: String)
    }

    /// One thing that is told.
    package struct Item: Sendable {
        package var delivery: Delivery
        package var posting: Posting

        /// The place behind which somebody goes on who has seen it.
        package var id: String { DeliveryID(delivery).text }
    }

    package let source: Source
    private let notifications: Notifications
    private let telling: Telling
    /// What came up to here has been told.
    package private(set) var place: JournalPosition

    /// Events of the journal looked at at once.
    private static let eventsAtOnce = 500
    /// Deliveries of a subscription looked at at once.
    private static let deliveriesAtOnce = 50

    /// - Parameter place: nil for what waits of a subscription, or what happens from now on.
    package init(
        _ source: Source, _ notifications: Notifications, _ telling: Telling, after place: JournalPosition?
    ) async throws {
        self.source = source
        self.notifications = notifications
        self.telling = telling
        if let place {
            self.place = place
        } else if case .topic = source {
            self.place = JournalPosition(tid: try await notifications.journal.newestSettled(), sequence: .max)
        } else {
            self.place = .start
        }
    }

    /// What comes next, as its reader may see it now.
    ///
    /// - Returns: what is told, and whether there may be more at once.
    /// - Throws: ``NotificationsError`` `.notFound` where the subscription has ended.
    package mutating func next(
        for principal: Principal, _ context: RequestContext
    ) async throws -> (items: [Item], hasMore: Bool) {
        switch source {
        case .subscription(let subscription): try await next(of: subscription, principal, context)
        case .topic(let topic, let filter): try await next(of: topic, filter, principal, context)
        }
    }

    private mutating func next(
        of begun: Subscription, _ principal: Principal, _ context: RequestContext
    ) async throws -> (items: [Item], hasMore: Bool) {
        guard let subscription = try await notifications.subscription(at: begun.destination),
            subscription.status != .cancelled
        else { throw NotificationsError(code: .notFound, message: "the subscription has ended") }
        let deliveries = try await notifications.waiting(
            for: subscription.destination, after: place, limit: Self.deliveriesAtOnce)
        var items: [Item] = []
        var hidden: [Delivery] = []
        for delivery in deliveries {
            let posting = try await telling.posting(of: delivery, of: subscription, for: principal, context)
            if let posting { items.append(Item(delivery: delivery, posting: posting)) } else { hidden.append(delivery) }
        }
        try await notifications.discard(hidden, of: subscription)
        if let last = deliveries.last { place = JournalPosition(tid: last.tid, sequence: last.sequence) }
        return (items, deliveries.count == Self.deliveriesAtOnce)
    }

    private mutating func next(
        of topic: any Topic, _ filter: String, _ principal: Principal, _ context: RequestContext
    ) async throws -> (items: [Item], hasMore: Bool) {
        let events = try await notifications.journal.events(after: place, limit: Self.eventsAtOnce)
        guard let last = events.last else { return ([], false) }
        let listener = Listener(
            filter: filter, events: [.created, .modified, .deleted], since: 0, principal: principal, context: context)
        var items: [Item] = []
        for notice in try await topic.notices(in: events, for: [listener]).first ?? [] {
            let delivery = notice.delivery(to: "")
            guard let message = try await topic.message(delivery, for: principal, context) else { continue }
            items.append(
                Item(
                    delivery: delivery,
                    posting: Posting(type: Posting.cloudEvent, bytes: telling.cloudEvent(message, delivery))))
        }
        place = JournalPosition(tid: last.tid, sequence: last.sequence)
        return (items, events.count == Self.eventsAtOnce)
    }

    /// Rises with what is committed: asked for before ``next(for:_:)``, waited for after it.
    package var generation: UInt64 { notifications.journal.generation }

    /// Waits until there may be more.
    ///
    /// - Throws: `CancellationError`.
    package func wait(after generation: UInt64) async throws {
        try await notifications.journal.waitForCommit(after: generation, secondsMax: 1)
        // Events gather for so long, so that many streams do not look at each commit.
        try await Task.sleep(for: .milliseconds(100))
    }
}
