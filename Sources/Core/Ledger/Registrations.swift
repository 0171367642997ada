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
    /// - Returns: the traces' ids, in the order of the drafts.
    /// - Throws: ``LedgerError``: `.invalidDraft`, `.tooMany`, `.expired`.
    package func register(_ drafts: [TraceDraft], by actor: String) async throws -> [TraceID] {
        guard drafts.count <= Limits.batchMax else {
            throw LedgerError(
                .tooMany, "\(drafts.count) traces in one call; at most \(Limits.batchMax) are registered together")
        }
        guard !drafts.isEmpty else { return [] }
        try signer.check(.now)
        // Signing is most of the work, so it comes before the lock.
        let prepared = try await Self.onAllCores(drafts) { [signer] in try PreparedTrace($0, signer: signer) }
        journal.note(.use(ofKey: "trace key", for: "sign traces"))
        return try await append(prepared, by: actor).map(\.id)
    }

    /// Appends traces to the log and signs its new checkpoint: all of them, or none.
    func append(_ prepared: [PreparedTrace], by actor: String) async throws -> [TraceReceipt] {
        let receipts = try await journal.write { [logKey, hasWitnesses] transaction, events -> [TraceReceipt] in
            try transaction.lock(Self.lockName)
            var head = try LogHead.require(transaction)
            // A clock that was set back must not make the log's times go backwards.
            let time = max(Timestamp.now, head.time)
            var known = try Self.existing(prepared, in: transaction)
            var certificates: Set<[UInt8]> = []
            var leaves: [Hash] = []
            var hashes: [(hash: [UInt8], leaf: Int64)] = []
            var receipts: [TraceReceipt] = []
            for item in prepared {
                if let id = known[item.subject] {
                    receipts.append(TraceReceipt(id: id, isNew: false))
                    continue
                }
                if let expires = item.expires, time.seconds > expires.seconds {
                    throw LedgerError(.expired, "the certificate that signed it has expired at \(expires.rfc3339)")
                }
                if certificates.insert(item.certificateDigest).inserted { try Self.keep(item, in: transaction) }
                let leaf = Int64(head.frontier.size) + Int64(leaves.count)
                try Self.insert(item, leaf: leaf, time: time, in: transaction)
                hashes += ([item.hash, item.hash + item.subject] + item.contentHashes).map { ($0, leaf) }
                try Self.note(item, in: transaction)
                leaves.append(.leaf(item.entry(timestamp: time).bytes))
                known[item.subject] = item.id
                receipts.append(TraceReceipt(id: item.id, isNew: true))
                events.record(.traceRegistered, by: actor, on: item.id.text, collection: item.collection) {
                    $0.member("event", item.event.rawValue)
                    $0.member("name", item.product.name)
                    $0.member("signature", item.status.rawValue)
                    $0.member("leaf", leaf)
                }
            }
            guard !leaves.isEmpty else { return receipts }
            try Self.insert(hashes, in: transaction)
            try Self.store(try head.frontier.append(leaves), in: transaction)
            try head.advance(to: time, signer: logKey, publishes: !hasWitnesses)
            try head.update(transaction)
            return receipts
        }
        if receipts.contains(where: \.isNew) { journal.note(.use(ofKey: "log key", for: "sign checkpoint")) }
        return receipts
    }

    /// The ids of traces that were registered before, by their subjects.
    private static func existing(_ prepared: [PreparedTrace], in reader: Reader) throws -> [[UInt8]: TraceID] {
        var known: [[UInt8]: TraceID] = [:]
        // All in one statement, of which there are few lengths: batches mostly have the same one.
        let atOnce = 50
        for start in stride(from: 0, to: prepared.count, by: atOnce) {
            let keys = prepared[start..<min(start + atOnce, prepared.count)].map { SQLValue($0.hash + $0.subject) }
            let marks = Array(repeating: "?", count: keys.count).joined(separator: ", ")
            let found = try reader.rows(
                """
                SELECT trace_hashes.hash, id FROM trace_hashes JOIN traces ON traces.leaf = trace_hashes.leaf
                WHERE trace_hashes.hash IN (\(marks))
                """, keys
            ) {
                (key: $0.blob(0), id: $0.blob(1))
            }
            for row in found { known[Array(row.key.suffix(Subject.byteCount))] = TraceID(row.id) }
        }
        return known
    }

    /// Certificates are kept once.
    private static func keep(_ item: PreparedTrace, in transaction: Transaction) throws {
        try transaction.run(
            "INSERT INTO trace_certificates (digest, certificate) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING",
            .init(item.certificateDigest), .init(item.certificate))
    }

    private static func insert(
        _ item: PreparedTrace, leaf: Int64, time: Timestamp, in transaction: Transaction
    ) throws {
        try transaction.run(
            """
            INSERT INTO traces (leaf, id, event, name, size, hash, hash_algorithm, time, origin, status,
                message_digest, certificate, algorithm, signature, obsolescence, service, body, message)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            .init(leaf), .init(item.id.bytes), .init(item.event.rawValue), .init(item.product.name),
            .init(item.product.size), .init(item.hash), .init(item.hashAlgorithm.rawValue), .init(time.microseconds),
            .init(item.origin), .init(item.status.rawValue), .init(item.messageDigest),
            .init(item.certificateDigest), .init(item.algorithm), .init(item.signature), .init(item.obsolescence),
            .init(item.service), .init(item.body), .init(item.message))
    }

    /// In the order of the index, many in one statement: a batch of products with their files has thousands.
    private static func insert(_ hashes: [(hash: [UInt8], leaf: Int64)], in transaction: Transaction) throws {
        let sorted = hashes.sorted { $0.hash.lexicographicallyPrecedes($1.hash) }
        let atOnce = 50
        for start in stride(from: 0, to: sorted.count, by: atOnce) {
            let part = sorted[start..<min(start + atOnce, sorted.count)]
            let rows = Array(repeating: "(?, ?)", count: part.count).joined(separator: ", ")
            try transaction.run(
                "INSERT INTO trace_hashes (hash, leaf) VALUES \(rows)",
                part.flatMap { [SQLValue($0.hash), SQLValue($0.leaf)] })
        }
    }
}

/// What came of a trace that was to be appended.
struct TraceReceipt: Sendable {
    var id: TraceID
    /// Whether it was not there before.
    var isNew: Bool
}
