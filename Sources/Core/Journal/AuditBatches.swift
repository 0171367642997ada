import Database
package import Wire

/// A stretch of the audit trail whose digest is in the log of traces, so that nobody can change it unnoticed.
package struct AuditBatch: Sendable {
    /// From 1, without gaps.
    package var number: Int64
    package var first: JournalPosition
    package var last: JournalPosition
    package var from: Timestamp
    package var until: Timestamp
    package var count: Int64
    /// BLAKE3 of its lines, in hexadecimal.
    package var digest: String
    /// The trace that the log has of it.
    package var trace: String

    /// The name that the trace has.
    package var name: String { Self.name(number) }
    package static func name(_ number: Int64) -> String { "audit/\(number).ndjson" }
}

extension Journal {
    /// Events and bytes of one batch at most.
    private static let batchEventsMax = 2000
    private static let batchBytesMax = 4 << 20

    /// The worker that seals batches: what it causes itself is no reason for another.
    package static let auditor = "system:auditor"

    /// What has come to the audit trail since the last batch, as the next; nil where nothing has.
    ///
    /// - Returns: the batch, without digest and trace, and its lines.
    package func nextAuditBatch() async throws -> (batch: AuditBatch, lines: [UInt8])? {
        try await database.read { reader in
            let before = try reader.first(
                "SELECT number, last_tid, last_sequence FROM audit_batches ORDER BY number DESC LIMIT 1"
            ) { (number: $0.int(0), last: JournalPosition(tid: $0.int(1), sequence: $0.int(2))) }
            let after = before?.last ?? .start
            let events = try reader.rows(
                """
                SELECT \(Self.eventColumns) FROM events
                WHERE collection IS NULL AND (tid, sequence) > (?, ?) AND tid < ? ORDER BY tid, sequence LIMIT ?
                """,
                .init(after.tid), .init(after.sequence), .init(reader.horizon()), .init(Self.batchEventsMax),
                map: Self.event)
            guard events.contains(where: { $0.actor != Self.auditor }) else { return nil }
            var lines: [UInt8] = []
            var taken: [Event] = []
            for event in events where lines.count < Self.batchBytesMax {
                lines += AuditRecord(event).line
                taken.append(event)
            }
            // A transaction stays whole, unless it is a batch by itself.
            if let last = taken.last, let first = taken.first, first.tid != last.tid,
                taken.count < events.count || events.count == Self.batchEventsMax
            {
                taken.removeAll { $0.tid == last.tid }
                lines = taken.flatMap { AuditRecord($0).line }
            }
            guard let first = taken.first, let last = taken.last else { return nil }
            let batch = AuditBatch(
                number: (before?.number ?? 0) + 1, first: JournalPosition(tid: first.tid, sequence: first.sequence),
                last: JournalPosition(tid: last.tid, sequence: last.sequence), from: first.time, until: last.time,
                count: Int64(taken.count), digest: "", trace: "")
            return (batch, lines)
        }
    }

    /// Writes down that a batch is in the log, and the words by which its events are found.
    package func keep(_ batch: AuditBatch) async throws {
        let engine = database.engine
        try await database.write { transaction in
            let before = try transaction.scalar("SELECT max(last_tid) FROM audit_batches") ?? 0
            let tids = try transaction.rows(
                "SELECT DISTINCT tid FROM events WHERE collection IS NULL AND tid > ? AND tid <= ? ORDER BY tid",
                .init(before), .init(batch.last.tid)
            ) { $0.int(0) }
            for tid in tids { try AuditWords.add(tid, engine: engine, in: transaction) }
            try transaction.run(
                """
                INSERT INTO audit_batches (
                    number, first_tid, first_sequence, last_tid, last_sequence, time_from, time_until, count, digest,
                    trace)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                .init(batch.number), .init(batch.first.tid), .init(batch.first.sequence), .init(batch.last.tid),
                .init(batch.last.sequence), .init(batch.from.microseconds), .init(batch.until.microseconds),
                .init(batch.count), .init(batch.digest), .init(batch.trace))
        }
    }

    /// Batches in the order of their numbers, after one.
    package func auditBatches(after number: Int64, limit: Int = 1000) async throws -> [AuditBatch] {
        try await database.read { reader in
            try reader.rows(
                """
                SELECT number, first_tid, first_sequence, last_tid, last_sequence, time_from, time_until, count, digest,
                    trace
                FROM audit_batches WHERE number > ? ORDER BY number LIMIT ?
                """,
                .init(number), .init(limit)
            ) { row in
                AuditBatch(
                    number: row.int(0), first: JournalPosition(tid: row.int(1), sequence: row.int(2)),
                    last: JournalPosition(tid: row.int(3), sequence: row.int(4)),
                    from: Timestamp(microseconds: row.int(5)), until: Timestamp(microseconds: row.int(6)),
                    count: row.int(7), digest: row.text(8), trace: row.text(9))
            }
        }
    }

    /// The lines of a batch, as the journal has them now.
    package func lines(of batch: AuditBatch) async throws -> [UInt8] {
        try await database.read { reader in
            try reader.rows(
                """
                SELECT \(Self.eventColumns) FROM events
                WHERE collection IS NULL AND (tid, sequence) >= (?, ?) AND (tid, sequence) <= (?, ?)
                ORDER BY tid, sequence LIMIT ?
                """,
                .init(batch.first.tid), .init(batch.first.sequence), .init(batch.last.tid), .init(batch.last.sequence),
                .init(Self.batchEventsMax + 1), map: Self.event
            ).flatMap { AuditRecord($0).line }
        }
    }

    /// Removes events of the audit trail that are older than `age` seconds, as far as they are sealed and all that
    /// follows the journal has seen them. What happened to data stays.
    ///
    /// - Returns: how many; there may be more.
    package func pruneAudit(olderThan age: Int64) async throws -> Int {
        let before = Timestamp.now.adding(seconds: -age).microseconds
        let engine = database.engine
        return try await database.write { transaction in
            let seen = try transaction.scalar("SELECT min(tid) FROM followers WHERE tid > 0")
            let sealed = try transaction.scalar(
                "SELECT max(last_tid) FROM audit_batches WHERE time_until < ?", .init(before))
            guard let seen, let sealed else { return 0 }
            // A transaction that also says something of data stays whole.
            let tids = try transaction.rows(
                """
                SELECT DISTINCT e.tid FROM events e
                WHERE e.collection IS NULL AND e.tid < ? AND e.tid <= ? AND NOT EXISTS (
                    SELECT 1 FROM events d WHERE d.tid = e.tid AND d.collection IS NOT NULL)
                ORDER BY e.tid LIMIT 1000
                """,
                .init(seen), .init(sealed)
            ) { $0.int(0) }
            var count = 0
            for tid in tids {
                try AuditWords.remove(tid, engine: engine, in: transaction)
                count += try transaction.execute("DELETE FROM events WHERE tid = ?", .init(tid))
            }
            return count
        }
    }
}
