package import Journal
package import Ledger

/// Keeps the index of what traces say, behind the log.
package struct TraceIndexer: Worker {
    package let name = "trace-indexer"
    private let journal: Journal
    private let ledger: Ledger

    /// How late other nodes' traces are seen at most.
    private static let idleSecondsMax = 1.0
    /// Traces gather for so long, so that a transaction is shared by many.
    private static let gathering = Duration.milliseconds(200)
    /// What it rests after a step, in times of how long that took: those who register are not to wait for it.
    private static let rest = 4

    package init(journal: Journal, ledger: Ledger) {
        self.journal = journal
        self.ledger = ledger
    }

    package func run() async throws {
        try await journal.onDuty(name) { _ in
            let generation = journal.generation
            let began = ContinuousClock.now
            if try await ledger.indexWords() {
                return try await Task.sleep(for: began.duration(to: .now) * Self.rest)
            }
            try await journal.waitForCommit(after: generation, secondsMax: Self.idleSecondsMax)
            try await Task.sleep(for: Self.gathering)
        }
    }
}
