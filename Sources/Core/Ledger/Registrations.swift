import Database
import Journal
import MerkleLog
package import TraceFormat
import Wire

extension Ledger {
    /// Signs traces, appends them to the log and signs its new checkpoint: when this returns, all of that is durable.
    ///
    /// A draft whose collection, product, hash and event were registered before gives the trace of then, and adds
    /// nothing: workers may ask more than once. The drafts of one call are registered together or not at all.
    ///
    /// - Parameter drafts: at most ``Limits/batchMax``.
    /// - Returns: the traces, in the order of the drafts.
    /// - Throws: ``LedgerError``: `.invalidDraft`, `.tooMany`, `.expired`.
    package func register(_ drafts: [TraceDraft], by actor: String) async throws -> [Trace] {
        guard drafts.count <= Limits.batchMax else {
            throw LedgerError(
                .tooMany, "\(drafts.count) traces in one call; at most \(Limits.batchMax) are registered together")
        }
        guard !drafts.isEmpty else { return [] }
        try signer.check(.now)
        // Signing is most of the work, so it comes before the lock.
        let prepared = try drafts.map { try PreparedTrace($0, signer: signer) }
        journal.note(.use(ofKey: "trace key", for: "sign traces"))
        journal.note(.use(ofKey: "log key", for: "sign checkpoint"))
        return try await journal.write { [signer, logKey] transaction, events in
            try transaction.lock(Self.lockName)
            var head = try LogHead.require(transaction)
            // A clock that was set back must not make the log's times go backwards.
            let time = max(Timestamp.now, head.time)
            var leaves: [Hash] = []
            var traces: [Trace] = []
            for item in prepared {
                if let existing = try Self.existing(item, in: transaction) {
                    traces.append(existing)
                    continue
                }
                let leaf = Int64(head.frontier.size) + Int64(leaves.count)
                try Self.insert(item, leaf: leaf, time: time, signer: signer, in: transaction)
                leaves.append(.leaf(item.entry(timestamp: time, signer: signer).bytes))
                traces.append(item.trace(timestamp: time, signer: signer))
                events.record(.traceRegistered, by: actor, on: item.id.text, collection: item.draft.collection) {
                    $0.member("event", item.draft.event.rawValue)
                    $0.member("name", item.draft.name)
                    $0.member("leaf", leaf)
                }
            }
            guard !leaves.isEmpty else { return traces }
            try Self.store(try head.frontier.append(leaves), in: transaction)
            try head.advance(to: time, signer: logKey)
            try head.update(transaction)
            return traces
        }
    }

    private static func existing(_ item: PreparedTrace, in reader: Reader) throws -> Trace? {
        let row = try reader.first(
            "\(TraceRow.select) WHERE collection = ? AND product = ? AND hash = ? AND event = ?",
            .init(item.collection), .init(item.product), .init(item.hash), .init(item.draft.event.rawValue),
            map: TraceRow.init)
        return try row.map { try Trace.parse($0.document) }
    }

    private static func insert(
        _ item: PreparedTrace, leaf: Int64, time: Timestamp, signer: TraceSigner, in transaction: Transaction
    ) throws {
        try transaction.run(
            """
            INSERT INTO traces (leaf, id, event, name, size, hash, hash_algorithm, time, origin, collection, product,
                message_digest, certificate, signature, message)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            .init(leaf), .init(item.id.bytes), .init(item.draft.event.rawValue), .init(item.draft.name),
            .init(item.draft.size), .init(item.hash), .init(item.draft.hashAlgorithm.rawValue),
            .init(time.microseconds), .init(item.draft.origin), .init(item.collection), .init(item.product),
            .init(item.messageDigest), .init(signer.certificateDigest), .init(item.signature), .init(item.message))
        for hash in [item.hash] + item.contentHashes {
            try transaction.run("INSERT INTO trace_hashes (hash, leaf) VALUES (?, ?)", .init(hash), .init(leaf))
        }
    }
}
