package import Journal
package import Ledger

/// Has a time-stamping authority sign when the log's checkpoints were there.
package struct Timestamper: Worker {
    package let name = "timestamper"
    private let journal: Journal
    private let ledger: Ledger
    private let seconds: Int64
    private let call: TimestampCall

    /// - Parameter seconds: how often the latest checkpoint gets its time.
    package init(journal: Journal, ledger: Ledger, seconds: Int64, call: @escaping TimestampCall) {
        self.journal = journal
        self.ledger = ledger
        self.seconds = seconds
        self.call = call
    }

    package func run() async throws {
        while true {
            if try await journal.lease(name, seconds: seconds * 2 + 15) != nil { _ = try await ledger.stamp(call) }
            try await Task.sleep(for: .seconds(seconds))
        }
    }
}
