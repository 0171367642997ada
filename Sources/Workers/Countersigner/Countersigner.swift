package import Journal
package import Ledger
import Logging

/// Has witnesses cosign the log's checkpoints, after which they are given out.
package struct Countersigner: Worker {
    package let name = "countersigner"
    private let journal: Journal
    private let ledger: Ledger
    private let call: WitnessCall
    private let logger = Logger(label: "martlet.countersigner")

    /// How late other nodes' checkpoints are seen at most, and the pause after witnesses that did not cosign.
    private static let idleSecondsMax = 1.0

    package init(journal: Journal, ledger: Ledger, call: @escaping WitnessCall) {
        self.journal = journal
        self.ledger = ledger
        self.call = call
    }

    package func run() async throws {
        var told: [String] = []
        try await journal.onDuty(name) { _ in
            let generation = journal.generation
            if let round = try await ledger.askWitnesses(call) {
                // Each second the same would be too much to read.
                if round.problems != told {
                    for problem in round.problems { logger.warning("witness \(problem)") }
                    told = round.problems
                }
                guard round.isPublished else { return try await Task.sleep(for: .seconds(Self.idleSecondsMax)) }
            }
            try await journal.waitForCommit(after: generation, secondsMax: Self.idleSecondsMax)
        }
    }
}
