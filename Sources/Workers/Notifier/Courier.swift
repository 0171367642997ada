import Journal
import Logging
package import Notifications
import Synchronization
import Wire

/// Posts a message and returns the status of the answer.
package typealias WebhookPost = @Sendable (DeliveryAddress, _ message: [UInt8]) async throws -> Int

/// What is posted of a delivery; nil where there is nothing to tell any more.
package typealias DeliveryComposer = @Sendable (Delivery) async throws -> Posting?

/// Delivers what waits: to each destination one message after the other, in the order in which it happened, at least
/// once; to different destinations at the same time.
final class Courier: Sendable {
    let journal: Journal
    let notifications: Notifications
    let post: WebhookPost
    let compose: DeliveryComposer
    /// Nil where the node sends no mail.
    private let letters: LetterWriter?
    private let logger = Logger(label: "martlet.notifier")
    private let busy = Mutex<Set<String>>([])

    private static let duty = "courier"
    /// Destinations served at the same time.
    private static let destinationsMax = 64
    /// Messages after which what has arrived is noted: so many may come twice after a crash.
    private static let batch = 50
    /// A message that is refused (4xx) so often is a dead letter.
    private static let refusalsMax: Int64 = 10

    init(
        journal: Journal, notifications: Notifications, post: @escaping WebhookPost,
        compose: @escaping DeliveryComposer = { Posting(bytes: $0.message) },
        letters: LetterWriter? = nil
    ) {
        self.compose = compose
        self.letters = letters
        self.journal = journal
        self.notifications = notifications
        self.post = post
    }

    func run() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            try await journal.onDuty(Self.duty) { _ in
                let generation = journal.generation
                let due = try await notifications.dueDestinations(now: .now, limit: 2 * Self.destinationsMax)
                for destination in due where begin(destination) {
                    group.addTask {
                        await self.serve(destination)
                        self.busy.withLock { _ = $0.remove(destination) }
                    }
                }
                try await journal.waitForCommit(after: generation, secondsMax: 1)
                // Under load commits never end; a look each tenth of a second is enough.
                try await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    private func begin(_ destination: String) -> Bool {
        busy.withLock { $0.count < Self.destinationsMax && $0.insert(destination).inserted }
    }

    /// Delivers until nothing waits or something does not arrive.
    private func serve(_ destination: String) async {
        do {
            while try await deliverBatch(to: destination) {}
        } catch is CancellationError {
            return
        } catch {
            logger.error("deliveries to \(Self.readable(destination)): \(error)")
        }
    }

    /// Without what an address may carry of secrets.
    static func readable(_ destination: String) -> String {
        guard let slash = destination.firstIndex(of: "/") else { return destination }
        let host = destination[slash...].drop { $0 == "/" }.prefix { $0 != "/" && $0 != "?" }
        return String(host.split(separator: "@").last ?? "")
    }

    /// - Returns: whether to go on.
    func deliverBatch(to destination: String, now: Timestamp = .now) async throws -> Bool {
        let deliveries = try await notifications.waiting(for: destination, limit: Self.batch)
        guard !deliveries.isEmpty else { return false }
        if let subscription = try await notifications.subscription(at: destination),
            subscription.terms.mailSeconds != nil
        {
            try await write(to: subscription, deliveries, now: now)
            return false
        }
        guard let address = try await notifications.address(of: destination) else {
            logger.warning("\(deliveries.count) messages to \(Self.readable(destination)) are given up: it is gone")
            try await notifications.remove(
                deliveries, for: destination, dropped: (deliveries.count, "the webhook is gone"))
            return true
        }
        // A day counts from when it was first tried, which is at once; so does that of what is tried again.
        let old = deliveries.prefix { $0.created.adding(seconds: Notifications.ageSecondsMax) < now }
        guard old.isEmpty else {
            try await bury(Array(old), for: destination, "it was tried for a day")
            return true
        }
        var arrived: [Delivery] = []
        for delivery in deliveries {
            if let failure = await attempt(delivery, at: address) {
                try await notifications.remove(arrived, for: destination)
                try Task.checkCancellation()
                let failures = try await notifications.failed(destination, failure.reason, now: now)
                logger.warning("\(Self.readable(destination)) takes no message: \(failure.reason)")
                guard failure.isFinal || (failure.isRefusal && failures >= Self.refusalsMax) else { return false }
                try await bury([delivery], for: destination, failure.reason)
                return true
            }
            arrived.append(delivery)
        }
        try await notifications.remove(arrived, for: destination)
        return deliveries.count == Self.batch
    }

    /// Writes a letter of what waits. What cannot be written is tried for a day, like what is posted.
    private func write(to subscription: Subscription, _ deliveries: [Delivery], now: Timestamp) async throws {
        do {
            guard let letters else { throw NotificationsError(code: .invalid, message: "this node sends no mail") }
            try await letters.write(to: subscription, deliveries, now: now)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            let patience = Notifications.ageSecondsMax + (subscription.terms.mailSeconds ?? 0)
            let old = deliveries.prefix { $0.created.adding(seconds: patience) < now }
            try await bury(Array(old), for: subscription.destination, "\(error)")
            try await notifications.failed(subscription.destination, "\(error)", now: now)
            logger.warning("\(subscription.destination) gets no letter: \(error)")
        }
    }

    private func bury(_ deliveries: [Delivery], for destination: String, _ reason: String) async throws {
        guard !deliveries.isEmpty else { return }
        logger.warning("\(deliveries.count) messages to \(Self.readable(destination)) are dead letters: \(reason)")
        try await notifications.bury(deliveries, for: destination, reason)
    }

    private struct Failure {
        var reason: String
        /// Whether the same message will hardly be taken another time.
        var isRefusal = false
        /// Whether it is certain that it will not.
        var isFinal = false
    }

    private func attempt(_ delivery: Delivery, at address: DeliveryAddress) async -> Failure? {
        do {
            guard let posting = try await compose(delivery) else { return nil }
            let message = posting.bytes
            var address = address
            address.headers["Content-Type"] = posting.type
            if let key = address.key {
                let id = "msg_\(delivery.tid)_\(delivery.sequence)"
                address.headers.merge(MessageSignature.headers(message, id: id, time: .now, key: key)) { $1 }
            }
            let status = try await post(address, message)
            guard !(200..<300).contains(status) else { return nil }
            let isRefusal = (400..<500).contains(status) && ![401, 403, 404, 408, 425, 429].contains(status)
            return Failure(reason: "it answered with status \(status)", isRefusal: isRefusal, isFinal: status == 410)
        } catch {
            return Failure(reason: "\(error)")
        }
    }
}
