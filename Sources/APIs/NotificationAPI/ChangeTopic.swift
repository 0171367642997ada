import IAMPolicy
package import Identity
package import Journal
package import Notifications
package import Policy

/// Something that has changed, of which the event says all there is to tell.
package protocol Change {
    /// The topic that tells of such changes, what its filters may name, and one of them.
    static var topic: String { get }
    static var filterNames: [String] { get }
    static var filterExample: String { get }

    /// Nil for an event of another kind.
    init?(_ event: Event)
    /// Reads ``content``.
    init?(_ content: [UInt8])

    /// What is told, as JSON: never from where it was done.
    var content: [UInt8] { get }
    /// The message's type, and whom it is about.
    var type: String { get }
    var subject: String { get }
    /// What one may do who may hear of it, and on what.
    var action: String { get }
    var resource: String { get }

    func fulfils(_ filter: TopicFilter) -> Bool
}

/// The topic of such changes. The gate is asked when something happens, and again when it is told.
package struct ChangeTopic<Told: Change>: Topic {
    private let gate: Gate

    package init(gate: Gate) { self.gate = gate }

    package var name: String { Told.topic }

    private static func filter(_ text: String) throws -> TopicFilter {
        try TopicFilter(text, names: Told.filterNames, example: Told.filterExample)
    }

    package func check(_ filter: String) async throws { _ = try Self.filter(filter) }

    package func notices(in events: [Event], for listeners: [Listener]) async throws -> [[Notice]] {
        let changes = events.compactMap { event in Told(event).map { (event: event, change: $0) } }
        var found: [[Notice]] = []
        for listener in listeners {
            var notices: [Notice] = []
            if let filter = try? Self.filter(listener.filter) {
                for (event, change) in changes where listener.since < event.tid && change.fulfils(filter) {
                    guard try await may(listener.principal, change, listener.context) else { continue }
                    notices.append(Notice(event: event, content: change.content))
                }
            }
            found.append(notices)
        }
        return found
    }

    private func may(_ principal: Principal, _ change: Told, _ context: RequestContext) async throws -> Bool {
        try await gate.decide(principal, change.action, on: change.resource, context).isAllowed
    }

    package func message(
        _ delivery: Delivery, for principal: Principal, _ context: RequestContext
    ) async throws -> TopicMessage? {
        guard let change = Told(delivery.message), try await may(principal, change, context) else { return nil }
        return TopicMessage(type: change.type, subject: change.subject, data: delivery.message)
    }
}
