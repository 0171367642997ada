package import Identity
import Journal
package import Policy
import Wire

/// What a message is sent as.
package struct Posting: Sendable, Hashable {
    /// A media type.
    package var type: String
    package var bytes: [UInt8]

    package static let json = "application/json"
    /// CloudEvents 1.0, JSON event format §3.
    package static let cloudEvent = "application/cloudevents+json"

    package init(type: String = Posting.json, bytes: [UInt8]) {
        self.type = type
        self.bytes = bytes
    }
}

/// Turns what waits into what is told.
package struct Telling: Sendable {
    package let topics: Topics
    private let notifications: Notifications
    private let identity: Identity
    /// `source` of the events: the node's address.
    private let source: String

    /// Nothing is known of where somebody will read what they are posted, so a policy that asks for an address does
    /// not allow it.
    package static let nowhere = RequestContext(address: "", isSecure: true)

    package init(topics: Topics, notifications: Notifications, identity: Identity, source: String) {
        self.topics = topics
        self.notifications = notifications
        self.identity = identity
        self.source = source
    }

    /// What is posted of a delivery: of a subscription's, what its owner may see now; others as they are.
    ///
    /// - Returns: nil where there is nothing to tell any more.
    package func posting(of delivery: Delivery) async throws -> Posting? {
        guard delivery.destination.hasPrefix(Subscription.prefix) else { return Posting(bytes: delivery.message) }
        guard let subscription = try await notifications.subscription(at: delivery.destination) else { return nil }
        let principal = try await identity.principal(ofAccount: subscription.account)
        return try await posting(of: delivery, of: subscription, for: principal, Self.nowhere)
    }

    /// What somebody is told of a delivery of a subscription.
    package func posting(
        of delivery: Delivery, of subscription: Subscription, for principal: Principal, _ context: RequestContext
    ) async throws -> Posting? {
        let topic = try topics.topic(subscription.terms.topic)
        guard let message = try await topic.message(delivery, for: principal, context) else { return nil }
        return switch subscription.terms.form {
        case .odata: Posting(bytes: message.data)
        case .cloudEvents: Posting(type: Posting.cloudEvent, bytes: cloudEvent(message, delivery))
        }
    }

    /// A message as a CloudEvent 1.0 whose `id` is the place in the journal: it is the same whenever it is told again.
    package func cloudEvent(_ message: TopicMessage, _ delivery: Delivery) -> [UInt8] {
        var json = JSONWriter(capacity: message.data.count + 512)
        json.object { json in
            json.member("specversion", "1.0")
            json.member("id", DeliveryID(delivery).text)
            json.member("source", source)
            json.member("type", message.type)
            json.member("subject", message.subject)
            json.member("time", delivery.created.rfc3339)
            json.member("datacontenttype", "application/json")
            json.key("data")
            json.raw(message.data)
        }
        return json.bytes
    }
}
