import Database

extension Journal {
    /// Events that a page looks at before it ends with what was found.
    private static let examinedMax = 20_000

    /// What happened in a collection, newest first.
    ///
    /// - Parameters:
    ///   - collection: its row id.
    ///   - subject: only what concerns this one thing.
    ///   - prefix: only what concerns things whose names begin so.
    ///   - before: where the page begins; nil for now.
    /// - Returns: at most `limit` events, and where the next page begins; a page may be short, or empty, and still have
    ///   a next one.
    package func history(
        of collection: Int64, subject: String? = nil, prefix: String = "", before: JournalPosition? = nil,
        limit: Int = 100
    ) async throws -> (events: [Event], next: JournalPosition?) {
        let place = before ?? JournalPosition(tid: .max, sequence: .max)
        // Each row is looked at where it lies, by its key or by its subject, and no index is kept for this alone.
        let limitExamined = subject == nil ? Self.examinedMax : limit + 1
        let (condition, values): (String, [SQLValue]) = subject.map { ("subject = ? AND", [.init($0)]) } ?? ("", [])
        return try await database.read { reader in
            var found: [Event] = []
            var examined = 0
            var last: JournalPosition?
            try reader.scan(
                """
                SELECT \(Self.eventColumns) FROM events
                WHERE \(condition) (tid, sequence) < (?, ?) AND tid <= ?
                ORDER BY tid DESC, sequence DESC LIMIT ?
                """,
                values + [.init(place.tid), .init(place.sequence), .init(place.tid), .init(limitExamined)]
            ) { row in
                examined += 1
                let isMeant = row.int(6) == collection && (prefix.isEmpty || row.text(5).hasPrefix(prefix))
                if isMeant { found.append(Self.event(row)) }
                guard found.count <= limit else { return false }
                last = JournalPosition(tid: row.int(0), sequence: row.int(1))
                return true
            }
            let hasMore = found.count > limit || examined == limitExamined
            return (Array(found.prefix(limit)), hasMore ? last : nil)
        }
    }
}
