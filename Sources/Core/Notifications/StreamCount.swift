import Synchronization

/// How many listen at the same time, over whatever protocol.
package final class StreamCount: Sendable {
    private struct State {
        var byAccount: [Int64: Int] = [:]
        var count = 0
        var isEnding = false
    }

    private let state = Mutex(State())

    /// Of one account.
    package static let perAccountMax = 20
    private static let max = 5000

    package init() {}

    /// Whether the node is being stopped: whoever tells something ends.
    package var isEnding: Bool { state.withLock { $0.isEnding } }

    package func end() { state.withLock { $0.isEnding = true } }

    /// Counts one who listens, until the ticket is given back.
    ///
    /// - Throws: ``NotificationsError`` `.limit`.
    package func enter(_ account: Int64) throws -> Ticket {
        let isFull = state.withLock { state in
            let own = state.byAccount[account] ?? 0
            guard own < Self.perAccountMax, state.count < Self.max else { return true }
            state.byAccount[account] = own + 1
            state.count += 1
            return false
        }
        guard !isFull else {
            throw NotificationsError(
                code: .limit,
                message: "an account has up to \(Self.perAccountMax) streams at once, and a node \(Self.max)")
        }
        return Ticket(self, account)
    }

    private func leave(_ account: Int64) {
        state.withLock { state in
            state.count -= 1
            let own = (state.byAccount[account] ?? 1) - 1
            state.byAccount[account] = own > 0 ? own : nil
        }
    }

    /// Given back once, at the latest when nobody has it any more.
    package final class Ticket: Sendable {
        private let streams: StreamCount
        private let account: Int64
        private let isLeft = Atomic(false)

        fileprivate init(_ streams: StreamCount, _ account: Int64) {
            self.streams = streams
            self.account = account
        }

        package func leave() {
            if !isLeft.exchange(true, ordering: .relaxed) { streams.leave(account) }
        }

        deinit { leave() }
    }
}
