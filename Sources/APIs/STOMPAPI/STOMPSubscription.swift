import Notifications
import Synchronization

/// What somebody has subscribed to on one connection, and which messages they have not acknowledged.
final class STOMPSubscription: Sendable {
    enum Mode: String, Sendable {
        /// What was sent counts as seen.
        case auto
        /// One acknowledgement is for all messages before it as well.
        case client
        case clientIndividual = "client-individual"
    }

    let id: String
    let destination: String
    let mode: Mode
    /// Where it begins.
    let feed: Feed
    private let ticket: StreamCount.Ticket
    private let state = Mutex(State())

    /// Messages that may wait to be acknowledged; no more are sent meanwhile.
    private static let unacknowledgedMax = 100

    private struct State {
        var isOpen = true
        /// In the order in which they were sent.
        var waiting: [(ack: String, delivery: Delivery)] = []
    }

    init(id: String, destination: String, mode: Mode, feed: Feed, ticket: StreamCount.Ticket) {
        self.id = id
        self.destination = destination
        self.mode = mode
        self.feed = feed
        self.ticket = ticket
    }

    var isOpen: Bool { state.withLock { $0.isOpen } }
    var isFull: Bool { state.withLock { $0.waiting.count >= Self.unacknowledgedMax } }

    func end() {
        state.withLock { $0.isOpen = false }
        ticket.leave()
    }

    func sent(_ delivery: Delivery, ack: String) { state.withLock { $0.waiting.append((ack, delivery)) } }

    /// What an acknowledgement is about; nil where that is nothing of this subscription.
    func take(ack: String) -> [Delivery]? {
        state.withLock { state in
            guard let index = state.waiting.firstIndex(where: { $0.ack == ack }) else { return nil }
            let range = mode == .client ? 0...index : index...index
            let taken = state.waiting[range].map(\.delivery)
            state.waiting.removeSubrange(range)
            return taken
        }
    }
}
