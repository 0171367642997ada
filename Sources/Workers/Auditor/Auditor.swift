import BLAKE3
package import Journal
package import Ledger
import Logging
import TraceFormat
import Wire

/// Puts the digest of each stretch of the audit trail into the log of traces. Who has an exported stretch, the log's
/// key and a checkpoint can tell that it is what the node said at the time.
package struct Auditor: Worker {
    package let name = "auditor"
    private let journal: Journal
    private let ledger: Ledger
    private let origin: String
    private let seconds: Int64
    private let keptSeconds: Int64?
    private let logger = Logger(label: "martlet.auditor")

    /// - Parameters:
    ///   - origin: the name under which this node signs.
    ///   - seconds: how often what has come is sealed.
    ///   - keptSeconds: how long events are kept; nil for ever.
    package init(journal: Journal, ledger: Ledger, origin: String, seconds: Int64, keptSeconds: Int64?) {
        self.journal = journal
        self.ledger = ledger
        self.origin = origin
        self.seconds = seconds
        self.keptSeconds = keptSeconds
    }

    package func run() async throws {
        while true {
            try await Task.sleep(for: .seconds(seconds))
            // The lease alone is used: the batches say themselves how far they go.
            guard try await journal.lease(name, seconds: seconds * 2 + 15) != nil else { continue }
            while try await seal() {}
            if let keptSeconds {
                let count = try await journal.pruneAudit(olderThan: keptSeconds)
                if count > 0 { logger.info("removed \(count) old events of the audit trail") }
            }
        }
    }

    /// - Returns: whether there was anything to seal.
    private func seal() async throws -> Bool {
        guard let (found, lines) = try await journal.nextAuditBatch() else { return false }
        var batch = found
        let hasher = BLAKE3()
        lines.withUnsafeBytes { hasher.update($0) }
        batch.digest = Hex.encode(hasher.finish())
        let draft = TraceDraft(
            name: batch.name, size: Int64(lines.count), hash: batch.digest, contents: nil, event: .create,
            origin: origin, collection: nil, product: batch.name)
        let ids = try await ledger.register([draft], by: Journal.auditor)
        batch.trace = ids.first?.text ?? ""
        try await journal.keep(batch)
        return true
    }
}
