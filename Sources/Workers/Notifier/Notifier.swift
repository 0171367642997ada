import BucketConfiguration
import Journal
import Logging
package import Notifications
package import Objects
import Wire

/// Tells webhooks what happens to the objects of collections that are configured so, in S3's messages.
///
/// It follows the journal and puts a message for each destination among what waits; the ``Courier`` delivers. So a
/// destination that cannot be reached keeps nobody else waiting, and nothing is lost with a node.
package struct Notifier: Worker {
    package let name = "notifier"
    private let objects: Objects
    private let notifications: Notifications
    private let follower: Follower
    private let courier: Courier

    /// - Parameters:
    ///   - post: delivers one message; throws where no answer came.
    ///   - compose: makes the message of a delivery; of most it is what waits.
    ///   - letters: nil where the node sends no mail.
    package init(
        objects: Objects, notifications: Notifications, post: @escaping WebhookPost,
        compose: @escaping DeliveryComposer = { Posting(bytes: $0.message) }, letters: LetterWriter? = nil
    ) {
        self.objects = objects
        self.notifications = notifications
        follower = Follower(name: name, journal: objects.journal)
        courier = Courier(
            journal: objects.journal, notifications: notifications, post: post, compose: compose,
            letters: letters)
    }

    package func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await follower.run(handle: note) }
            group.addTask { try await courier.run() }
            // Neither returns; when one fails the other ends with it.
            try await group.next()
            group.cancelAll()
        }
    }

    private func note(_ events: [Event]) async throws {
        var collections: [Int64: NotifyingCollection?] = [:]
        var deliveries: [Delivery] = []
        for event in events {
            guard let id = event.collection else { continue }
            let change = ObjectChange(event)
            guard change != nil || event.isOfNotification else { continue }
            if collections[id] == nil { collections[id] = .some(try await collection(id)) }
            guard let collection = collections[id] ?? nil else { continue }
            deliveries += change.map { collection.deliveries(of: $0, event) } ?? collection.tests(event)
        }
        try await notifications.enqueue(deliveries)
    }

    /// Nil where nobody is to be told.
    private func collection(_ id: Int64) async throws -> NotifyingCollection? {
        guard let collection = try await objects.collection(id: id) else { return nil }
        do {
            guard let document = try await objects.setting(.notification, of: collection.name) else { return nil }
            return NotifyingCollection(
                collection: collection, configuration: try NotificationConfiguration(parsing: Array(document.utf8)))
        } catch let error as ObjectsError where error.code == .noSuchCollection {
            return nil
        }
    }
}

/// A collection with those who are told.
struct NotifyingCollection {
    var collection: Collection
    var configuration: NotificationConfiguration

    /// S3 sends each destination of a new configuration a message that tells nothing but that it arrives.
    func tests(_ event: Event) -> [Delivery] {
        configuration.targets.compactMap { target in
            delivery(
                target, event,
                EventRecord.testMessage(bucket: collection.name, time: event.time, requestID: event.requestID))
        }
    }

    func deliveries(of change: ObjectChange, _ event: Event) -> [Delivery] {
        configuration.matching(event: change.name, key: change.key).compactMap { target in
            let record = EventRecord(
                event: change.name, time: event.time, principal: event.actor, address: change.address,
                requestID: event.requestID, configuration: target.id, bucket: collection.name,
                bucketOwner: collection.owner, key: change.key, size: change.size, etag: change.etag,
                version: collection.versioning == .off ? nil : change.version, sequencer: Self.sequencer(of: event))
            return delivery(target, event, EventRecord.message([record]))
        }
    }

    private func delivery(_ target: NotificationTarget, _ event: Event, _ message: [UInt8]) -> Delivery? {
        target.destination.map {
            Delivery(
                tid: event.tid, sequence: event.sequence, configuration: target.id, destination: $0.text,
                created: event.time, message: message)
        }
    }

    /// Rises with the journal.
    static func sequencer(of event: Event) -> String {
        func hex(_ number: Int64, width: Int) -> String {
            let digits = String(number, radix: 16, uppercase: true)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return hex(event.tid, width: 16) + hex(event.sequence, width: 6)
    }
}

extension Event {
    /// Whether it tells that others are told from now on.
    var isOfNotification: Bool {
        kind == .collectionConfigured
            && (try? JSONValue(parsing: detail))?["setting"]?.string == SettingName.notification.rawValue
    }

    /// Of the request that it was done for; the transaction where it was none.
    var requestID: String { (try? JSONValue(parsing: detail))?["request"]?.string ?? String(tid) }
}
