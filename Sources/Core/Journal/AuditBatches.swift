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
            var taken = events[..<0]
            // Where the transaction begins that comes last.
            var start = (line: 0, event: 0)
            for (index, event) in events.enumerated() {
                guard lines.count < Self.batchBytesMax else { break }
                if event.tid != taken.last?.tid { start = (lines.count, index) }
                lines += AuditRecord(event).line
                taken = events[...index]
            }
            // A transaction stays whole, unless it is a batch by itself.
            if start.event > 0, taken.count < events.count || events.count == Self.batchEventsMax {
                lines.removeLast(lines.count - start.line)
                taken = taken.prefix(start.event)
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
        // What has committed stays as it is: its words need not be found while others wait to write.
        let words = try await database.read { try Self.words(of: batch, $0) }
        try await database.write { transaction in
            for (tid, words) in words { try AuditWords.add(words, of: tid, engine: engine, in: transaction) }
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

    /// The words of the transactions that begin in a batch.
    private static func words(of batch: AuditBatch, _ reader: Reader) throws -> [(tid: Int64, words: String)] {
        let before = try reader.scalar("SELECT max(last_tid) FROM audit_batches WHERE number < ?", .init(batch.number))
        return try reader.rows(
            "SELECT DISTINCT tid FROM events WHERE collection IS NULL AND tid > ? AND tid <= ? ORDER BY tid LIMIT ?",
            .init(before ?? 0), .init(batch.last.tid), .init(batchEventsMax)
        ) { $0.int(0) }.map { ($0, try AuditWords.words(of: $0, reader)) }
    }

    private static let batchColumns = """
        number, first_tid, first_sequence, last_tid, last_sequence, time_from, time_until, count, digest, trace
        """

    private static func batch(_ row: borrowing Row) -> AuditBatch {
        AuditBatch(
            number: row.int(0), first: JournalPosition(tid: row.int(1), sequence: row.int(2)),
            last: JournalPosition(tid: row.int(3), sequence: row.int(4)), from: Timestamp(microseconds: row.int(5)),
            until: Timestamp(microseconds: row.int(6)), count: row.int(7), digest: row.text(8), trace: row.text(9))
    }

    /// Batches in the order of their numbers, after one.
    package func auditBatches(after number: Int64, limit: Int = 1000) async throws -> [AuditBatch] {
        try await database.read { reader in
            try reader.rows(
                "SELECT \(Self.batchColumns) FROM audit_batches WHERE number > ? ORDER BY number LIMIT ?",
                .init(number), .init(limit), map: Self.batch)
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

    /// Removes the oldest batch of the audit trail, if all that it tells is older than `age` seconds and all that
    /// follows the journal has seen it. A batch goes whole: one of which a part is left would seem to be altered. What
    /// its transactions say of data stays.
    ///
    /// - Returns: how many events; 0 where there is no such batch.
    package func pruneAudit(olderThan age: Int64) async throws -> Int {
        let before = Timestamp.now.adding(seconds: -age).microseconds
        let engine = database.engine
        return try await database.write { transaction in
            let oldest = try transaction.first(
                "SELECT tid, sequence FROM events WHERE collection IS NULL ORDER BY tid, sequence LIMIT 1"
            ) { JournalPosition(tid: $0.int(0), sequence: $0.int(1)) }
            guard let oldest,
                let seen = try transaction.scalar("SELECT min(tid) FROM followers WHERE tid > 0"),
                let batch = try transaction.first(
                    """
                    SELECT \(Self.batchColumns) FROM audit_batches WHERE (last_tid, last_sequence) >= (?, ?)
                    ORDER BY last_tid, last_sequence LIMIT 1
                    """, .init(oldest.tid), .init(oldest.sequence), map: Self.batch),
                batch.until.microseconds < before, batch.last.tid < seen
            else { return 0 }
            for (tid, words) in try Self.words(of: batch, transaction) {
                try AuditWords.remove(words, of: tid, engine: engine, in: transaction)
            }
            return try transaction.execute(
                """
                DELETE FROM events
                WHERE collection IS NULL AND (tid, sequence) >= (?, ?) AND (tid, sequence) <= (?, ?)
                """,
                .init(batch.first.tid), .init(batch.first.sequence), .init(batch.last.tid), .init(batch.last.sequence))
        }
    }
}
