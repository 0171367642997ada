import Database
package import Wire

extension Journal {
    /// Checks that the journal has no gap: within a transaction events are numbered from 0 without one missing, what
    /// they tell can be read, and no follower has seen more than there is.
    ///
    /// - Returns: how many events there are.
    package func verify(_ found: FindingHandler) async throws -> Int {
        var count = 0
        var position = JournalPosition.start
        var expected = JournalPosition(tid: 0, sequence: 0)
        while true {
            let page = try await page(after: position)
            for (place, detail) in page {
                if place.tid != expected.tid { expected = JournalPosition(tid: place.tid, sequence: 0) }
                if place.sequence != expected.sequence {
                    await found(
                        Finding(
                            "journal", "transaction \(place.tid)",
                            "its event \(expected.sequence) is missing: the next is \(place.sequence)"))
                }
                if (try? JSONValue(parsing: detail))?.object == nil {
                    await found(
                        Finding(
                            "journal", "event \(place.tid)/\(place.sequence)", "its particulars are no JSON object"))
                }
                expected.sequence = place.sequence + 1
                position = place
            }
            count += page.count
            if page.count < Self.pageSize { break }
        }
        let ahead = try await database.read { [position] reader in
            try reader.rows(
                "SELECT name, tid FROM followers WHERE tid > ? ORDER BY name LIMIT 100", .init(position.tid)
            ) { (name: $0.text(0), tid: $0.int(1)) }
        }
        for follower in ahead {
            await found(
                Finding(
                    "journal", "follower \(follower.name)",
                    "it has seen transaction \(follower.tid), but the journal ends with \(position.tid)"))
        }
        return count
    }

    private static let pageSize = 10_000

    private func page(after position: JournalPosition) async throws -> [(place: JournalPosition, detail: String)] {
        try await database.read { reader in
            try reader.rows(
                """
                SELECT tid, sequence, detail FROM events WHERE (tid, sequence) > (?, ?)
                ORDER BY tid, sequence LIMIT ?
                """,
                .init(position.tid), .init(position.sequence), .init(Self.pageSize)
            ) { row in (JournalPosition(tid: row.int(0), sequence: row.int(1)), row.text(2)) }
        }
    }

    /// Those of the transactions that the journal tells nothing of.
    package func missing(of transactions: Set<Int64>) async throws -> Set<Int64> {
        try await database.read { reader in
            try transactions.filter {
                try reader.scalar("SELECT 1 FROM events WHERE tid = ? LIMIT 1", .init($0)) == nil
            }
        }
    }

    /// The time of the newest event; nil in an empty journal.
    package func newestTime() async throws -> Timestamp? {
        try await database.read { reader in
            try reader.first("SELECT time FROM events ORDER BY tid DESC, sequence DESC LIMIT 1") {
                Timestamp(microseconds: $0.int(0))
            }
        }
    }
}
