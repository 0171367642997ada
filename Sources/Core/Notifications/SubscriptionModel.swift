package import Wire

/// What somebody wants to be told of, and how: what happens to things of one kind that fulfil a filter.
///
/// What there is to tell waits in the order in which it happened, as ``Delivery`` of the destination that has the
/// subscription's name. It is read and acknowledged by its owner (over HTTP, Server-Sent Events or STOMP), posted to an
/// address of theirs by the courier, or written to them in letters. What matches events, and turns a delivery into what
/// is told, is its ``Topic``.
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
        guard let json = try? JSONValue(parsing: delivery.message), let event = json["event"]?.integer,
            let number = json["number"]?.integer
        else { return nil }
        self.init(event: SubscriptionEvents(rawValue: event), number: number)
    }

    /// As it waits.
    package var content: [UInt8] {
        let content: JSONValue = ["event": .integer(event.rawValue), "number": .integer(number)]
        return content.bytes
    }
}

/// What the owner of a subscription says of it.
package struct SubscriptionTerms: Sendable, Hashable {
    package static let products = "products"

    /// The form in which it is told.
    package enum Form: String, Sendable {
        /// A CloudEvent 1.0 in JSON.
        case cloudEvents = "cloudevents"
        /// As the OData service of the Copernicus Data Space tells of products.
        case odata
    }

    /// Which things: the name of a ``Topic``, such as ``products``.
    package var topic: String
    /// In the language of the topic; empty for all.
    package var filter: String
    package var events: SubscriptionEvents
    /// Where messages are posted to; nil where they are not.
    package var push: Push?
    /// Nil where no letters are written; else for how many seconds what happens is gathered into one.
    package var mailSeconds: Int64?
    package var form = Form.odata
    /// What the face keeps with it, as a JSON object.
    package var notes: String

    /// Whether its owner fetches what there is to tell.
    package var isRead: Bool { push == nil && mailSeconds == nil }

    package struct Push: Sendable, Hashable {
        /// An address, or ``namedPrefix`` and the name of a webhook of the node's operator.
        package var url: String
        /// Sent with `password` (Basic, RFC 7617) where there is one.
        package var username: String?

        package static let namedPrefix = "arn:martlet:webhook:::"

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
