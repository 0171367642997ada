import Database
package import Journal
package import Wire

extension EventKind {
    package static let notificationsDropped = EventKind("notifications.dropped")
}

extension Notifications {
    /// Messages that may wait for one destination; further ones are given up and counted.
    package static let waitingMax: Int64 = 100_000
    /// How long a message is tried: a day.
    package static let ageSecondsMax: Int64 = 86_400
    /// The longest pause between two attempts.
    private static let pauseSecondsMax: Int64 = 300
    package static let actor = "system:notifier"

    /// Adds messages to what waits. One that waits already is not added twice.
    ///
    /// - Parameter waitingMax: for one destination.
    package func enqueue(_ deliveries: [Delivery], waitingMax: Int64 = Notifications.waitingMax) async throws {
        guard !deliveries.isEmpty else { return }
        let byDestination = Dictionary(grouping: deliveries, by: \.destination).sorted { $0.key < $1.key }
        try await journal.write { transaction, events in
            for (destination, _) in byDestination { try transaction.lock(Self.lockName(destination)) }
            for (destination, deliveries) in byDestination {
                let waiting =
                    try transaction.scalar("SELECT waiting FROM destinations WHERE name = ?", .init(destination)) ?? 0
                var added: Int64 = 0
                var dropped: Int64 = 0
                for delivery in deliveries {
                    guard waiting + added < waitingMax else {
                        dropped += 1
                        continue
                    }
                    added += Int64(
                        try transaction.execute(
                            """
                            INSERT INTO deliveries (destination, tid, sequence, configuration, created, message)
                            VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
                            """,
                            .init(destination), .init(delivery.tid), .init(delivery.sequence),
                            .init(delivery.configuration), .init(delivery.created.microseconds),
                            .init(delivery.message)))
                }
                try transaction.run(
                    """
                    INSERT INTO destinations (name, waiting, next, failures, dropped) VALUES (?, ?, 0, 0, ?)
                    ON CONFLICT (name) DO UPDATE SET waiting = destinations.waiting + ?,
                    dropped = destinations.dropped + ?
                    """,
                    .init(destination), .init(added), .init(dropped), .init(added), .init(dropped))
                Self.record(dropped: dropped, for: destination, "too many messages wait for it", &events)
            }
        }
        journal.wake()
    }

    static func lockName(_ destination: String) -> String { "destination \(destination)" }

    private static func record(
        dropped: Int64, for destination: String, _ reason: String, _ events: inout EventRecorder
    ) {
        guard dropped > 0 else { return }
        events.record(.notificationsDropped, by: actor, on: destination) {
            $0.member("count", dropped)
            $0.member("reason", reason)
        }
    }

    /// Destinations for which something waits and it is time to try, those that have waited longest first.
    package func dueDestinations(now: Timestamp, limit: Int) async throws -> [String] {
        try await journal.read { reader in
            try reader.rows(
                "SELECT name FROM destinations WHERE waiting > 0 AND next <= ? ORDER BY next LIMIT ?",
                .init(now.microseconds), .init(limit)
            ) { $0.text(0) }
        }
    }

    /// What waits longest for a destination, in the order in which it happened.
    package func waiting(for destination: String, limit: Int) async throws -> [Delivery] {
        try await journal.read { reader in
            try reader.rows(
                """
                SELECT tid, sequence, configuration, created, message FROM deliveries
                WHERE destination = ? ORDER BY tid, sequence, configuration LIMIT ?
                """,
                .init(destination), .init(limit)
            ) { row in
                Delivery(
                    tid: row.int(0), sequence: row.int(1), configuration: row.text(2), destination: destination,
                    created: Timestamp(microseconds: row.int(3)), message: row.blob(4))
            }
        }
    }

    /// Takes messages off what waits, because they have arrived or are given up.
    ///
    /// - Parameter dropped: how many of them were given up, and why.
    package func remove(
        _ deliveries: [Delivery], for destination: String, dropped: (count: Int, reason: String)? = nil
    ) async throws {
        guard !deliveries.isEmpty else { return }
        try await journal.write { transaction, events in
            try transaction.lock(Self.lockName(destination))
            var count = 0
            for delivery in deliveries {
                count += try transaction.execute(
                    """
                    DELETE FROM deliveries WHERE destination = ? AND tid = ? AND sequence = ? AND configuration = ?
                    """,
                    .init(destination), .init(delivery.tid), .init(delivery.sequence), .init(delivery.configuration))
            }
            try transaction.run(
                """
                UPDATE destinations SET waiting = waiting - ?, dropped = dropped + ?, failures = 0,
                next = CASE WHEN next = ? THEN next ELSE 0 END, error = NULL WHERE name = ?
                """,
                .init(count), .init(dropped?.count ?? 0), .init(Self.never), .init(destination))
            Self.record(
                dropped: Int64(dropped?.count ?? 0), for: destination, dropped?.reason ?? "", &events)
        }
    }

    /// Notes that an attempt failed: the next comes after a pause that doubles up to five minutes.
    ///
    /// - Returns: how many attempts have failed one after the other.
    @discardableResult
    package func failed(_ destination: String, _ error: String, now: Timestamp) async throws -> Int64 {
        try await journal.database.write { transaction in
            try transaction.lock(Self.lockName(destination))
            let failures =
                try transaction.scalar("SELECT failures FROM destinations WHERE name = ?", .init(destination)) ?? 0
            let pause = min(Self.pauseSecondsMax, 1 << min(failures, 20))
            try transaction.run(
                """
                UPDATE destinations SET failures = ?, next = CASE WHEN next = ? THEN next ELSE ? END, error = ?
                WHERE name = ?
                """,
                .init(failures + 1), .init(Self.never), .init(now.adding(seconds: pause).microseconds),
                .init(String(error.prefix(300))), .init(destination))
            return failures + 1
        }
    }
}
