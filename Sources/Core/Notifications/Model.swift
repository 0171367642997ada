package import Journal
package import Wire

/// An address that the operator of the node lets events be posted to, under a name.
package struct Webhook: Sendable, Hashable {
    package var name: String
    package var url: String
    package var hasSecret: Bool
    package var created: Timestamp
    package var state = DestinationState()
}

/// How deliveries to one destination stand.
package struct DestinationState: Sendable, Hashable {
    /// Messages that wait.
    package var waiting: Int64 = 0
    /// Attempts since the last one that succeeded.
    package var failures: Int64 = 0
    /// Messages that were given up and not kept, ever.
    package var dropped: Int64 = 0
    /// What was said at the last attempt, if it failed.
    package var error: String?
    /// Messages that were given up and are kept: see ``DeadLetter``.
    package var dead: Int64 = 0
    /// When the newest thing happened that it was or will be told of.
    package var newest: Timestamp?
}

/// One message for one destination.
package struct Delivery: Sendable, Hashable {
    /// Its event, and which configuration of the collection it is for: these three are its name.
    package var tid: Int64
    package var sequence: Int64
    package var configuration: String
    /// A webhook's name, an address that a collection's owner gave, or that of a ``Subscription``.
    package var destination: String
    package var created: Timestamp
    /// JSON.
    package var message: [UInt8]

    package init(
        tid: Int64, sequence: Int64, configuration: String, destination: String, created: Timestamp, message: [UInt8]
    ) {
        self.tid = tid
        self.sequence = sequence
        self.configuration = configuration
        self.destination = destination
        self.created = created
        self.message = message
    }
}

/// A message that was given up: tried for a day, refused, or turned down by its reader. It is kept until somebody has
/// it tried again or discards it, for 30 days, and no more than 10,000 of one destination.
package struct DeadLetter: Sendable, Hashable {
    package var delivery: Delivery
    package var died: Timestamp
    package var reason: String
}

/// The name of a ``Delivery`` among those of its destination.
package struct DeliveryID: Sendable, Hashable {
    package var position: JournalPosition
    package var configuration: String

    /// `TID-SEQUENCE`, and `-CONFIGURATION` where there is one.
    package var text: String { position.text + (configuration.isEmpty ? "" : "-" + configuration) }

    init(_ position: JournalPosition, _ configuration: String) {
        self.position = position
        self.configuration = configuration
    }

    package init(_ delivery: Delivery) {
        position = JournalPosition(tid: delivery.tid, sequence: delivery.sequence)
        configuration = delivery.configuration
    }

    /// Reads ``text``; nil for anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, let position = JournalPosition("\(parts[0])-\(parts[1])") else { return nil }
        self.position = position
        configuration = parts.count == 3 ? String(parts[2]) : ""
    }
}

/// Where a message is posted to.
package struct DeliveryAddress: Sendable, Hashable {
    package var url: String
    /// Sent as a bearer token.
    package var secret: String?
    /// Whether the operator chose it: any other must not lead into the node's own network.
    package var isTrusted: Bool
    /// Sent besides.
    package var headers: [String: String] = [:]
    /// By which messages are signed: see ``MessageSignature``. Nil where they are not.
    package var key: [UInt8]?

    package init(url: String, secret: String? = nil, isTrusted: Bool) {
        self.url = url
        self.secret = secret
        self.isTrusted = isTrusted
    }
}
