package import Identity
package import Journal
package import Policy

/// Things of one kind, of which somebody may be told: how their filter is read, which events tell of them, and what is
/// told to whom.
package protocol Topic: Sendable {
    /// As subscriptions name it.
    var name: String { get }

    /// - Throws: ``NotificationsError`` `.invalid` for what is no filter of this topic, and says what one is.
    func check(_ filter: String) async throws

    /// What each listener is to hear of a stretch of the journal, in its order: what fulfils their filter, and they may
    /// read. A filter that means nothing any more finds nothing.
    func notices(in events: [Event], for listeners: [Listener]) async throws -> [[Notice]]

    /// What is told of a delivery, as somebody may see it now; nil where that is nothing.
    func message(
        _ delivery: Delivery, for principal: Principal, _ context: RequestContext
    ) async throws -> TopicMessage?
}

/// Somebody who wants to hear of things of one kind.
package struct Listener: Sendable {
    package var filter: String
    package var events: SubscriptionEvents
    /// The transaction after which it begins.
    package var since: Int64
    package var principal: Principal
    package var context: RequestContext

    package init(
        filter: String, events: SubscriptionEvents, since: Int64, principal: Principal, context: RequestContext
    ) {
        self.filter = filter
        self.events = events
        self.since = since
        self.principal = principal
        self.context = context
    }
}

/// An event of which somebody is to hear, and what of it waits until they do: a JSON object that the topic can read.
package struct Notice: Sendable {
    package var event: Event
    package var content: [UInt8]

    package init(event: Event, content: [UInt8]) {
        self.event = event
        self.content = content
    }

    /// As it waits for a destination that has no configurations.
    package func delivery(to destination: String) -> Delivery {
        Delivery(
            tid: event.tid, sequence: event.sequence, configuration: "", destination: destination,
            created: event.time, message: content)
    }
}

/// What is told of one event.
package struct TopicMessage: Sendable {
    /// `martlet.trace.registered`.
    package var type: String
    /// Whom it is about, in the topic's own terms.
    package var subject: String
    /// A JSON object.
    package var data: [UInt8]

    package init(type: String, subject: String, data: [UInt8]) {
        self.type = type
        self.subject = subject
        self.data = data
    }
}

/// The topics that a node has.
package struct Topics: Sendable {
    private let all: [any Topic]

    package init(_ all: [any Topic]) { self.all = all }

    package var names: [String] { all.map(\.name) }

    /// - Throws: ``NotificationsError`` `.invalid` for a name that none has.
    package func topic(_ name: String) throws -> any Topic {
        guard let topic = all.first(where: { $0.name == name }) else {
            throw NotificationsError(
                code: .invalid, message: "a topic is \(names.joined(separator: ", ")), not '\(name.prefix(40))'")
        }
        return topic
    }
}
