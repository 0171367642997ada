import Synchronization

/// How long clients may take, and how many there may be: what keeps slow and idle ones from holding the node up.
package struct ConnectionLimits: Sendable {
    /// Seconds for the head of a request, from its first byte on; of TLS also for the handshake.
    package var headerSeconds: Int64 = 20
    /// Seconds that a connection may wait for its next request.
    package var idleSeconds: Int64 = 75
    /// Seconds over which the speed of a client is looked at, while it owes bytes of a body or does not take those of
    /// an answer.
    package var slowSeconds: Int64 = 30
    /// Bytes a second that it has to reach in that time.
    package var slowRate: Int64 = 500
    /// Connections at once, on all ports together.
    package var connectionsMax = 20_000

    package init() {}

    /// How often a connection is looked at, in milliseconds: it is cut off so much later at most.
    var tickMilliseconds: Int64 { max(50, min(5000, min(headerSeconds, idleSeconds, slowSeconds) * 250)) }

    /// With nine of ten connections taken, those that wait for a request may do so only for so many seconds.
    static let crowdedIdleSeconds: Int64 = 5
}

/// Counts the connections of all listeners of a node.
package final class ConnectionCount: Sendable {
    private let max: Int
    private let count = Atomic<Int>(0)

    package init(max: Int) { self.max = max }

    /// Takes a place. False where there is none.
    package func enter() -> Bool {
        guard count.add(1, ordering: .relaxed).newValue <= max else {
            leave()
            return false
        }
        return true
    }

    func leave() { count.subtract(1, ordering: .relaxed) }

    var isCrowded: Bool { count.load(ordering: .relaxed) > max / 10 * 9 }
}
