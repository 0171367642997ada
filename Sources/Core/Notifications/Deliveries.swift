package import Database
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
                try Self.add(deliveries, to: destination, waitingMax, in: transaction, &events)
            }
        }
        journal.wake()
    }

    private static func add(
        _ deliveries: [Delivery], to destination: String, _ waitingMax: Int64, in transaction: Transaction,
        _ events: inout EventRecorder
    ) throws {
        let before = try transaction.first(
            "SELECT waiting, is_read FROM destinations WHERE name = ?", .init(destination)
        ) { (waiting: $0.int(0), isRead: $0.int(1) != 0) }
        let (waiting, isRead) = before ?? (waiting: 0, isRead: false)
        var added: Int64 = 0
        var dropped: Int64 = 0
        for delivery in deliveries {
            guard isRead || waiting + added < waitingMax else {
                dropped += 1
                continue
            }
            added += Int64(
                try transaction.execute(
                    """
                    INSERT INTO deliveries (destination, tid, sequence, configuration, created, message)
                    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
                    """,
                    .init(destination), .init(delivery.tid), .init(delivery.sequence), .init(delivery.configuration),
                    .init(delivery.created.microseconds), .init(delivery.message)))
        }
        if waiting + added > waitingMax {
            // Who reads what happens now has more use for the newest than for what nobody has fetched for long.
            let oldest = waiting + added - waitingMax
            dropped += Int64(
                try transaction.execute(
                    """
                    DELETE FROM deliveries WHERE destination = ? AND (tid, sequence, configuration) IN (
                        SELECT tid, sequence, configuration FROM deliveries WHERE destination = ?
                        ORDER BY tid, sequence, configuration LIMIT ?)
                    """,
                    .init(destination), .init(destination), .init(oldest)))
            added -= oldest
        }
        let newest = deliveries.map(\.created.microseconds).max()
        try transaction.run(
            """
            INSERT INTO destinations (name, waiting, next, failures, dropped, newest) VALUES (?, ?, 0, 0, ?, ?)
            ON CONFLICT (name) DO UPDATE SET waiting = destinations.waiting + ?,
            dropped = destinations.dropped + ?, newest = ?
            """,
            .init(destination), .init(added), .init(dropped), .init(newest), .init(added), .init(dropped),
            .init(newest))
        record(dropped: dropped, for: destination, "too many messages wait for it", &events)
    }

    static func lockName(_ destination: String) -> String { "destination \(destination)" }

    static func record(
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
    ///
    /// - Parameter place: what comes after it.
    package func waiting(
        for destination: String, after place: JournalPosition = .start, limit: Int
    ) async throws -> [Delivery] {
        try await journal.read { reader in
            try reader.rows(
                """
                SELECT tid, sequence, configuration, created, message FROM deliveries
                WHERE destination = ? AND (tid, sequence) > (?, ?) ORDER BY tid, sequence, configuration LIMIT ?
                """,
                .init(destination), .init(place.tid), .init(place.sequence), .init(limit)
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

    /// Takes messages off what waits together with what else `body` does, which may run more than once.
    ///
    /// - Parameter next: before that the destination is not tried again.
    package func remove(
        _ deliveries: [Delivery], for destination: String, until next: Timestamp,
        _ body: @escaping @Sendable (Transaction) throws -> Void
    ) async throws {
        try await journal.write { transaction, _ in
            try transaction.lock(Self.lockName(destination))
            var count = 0
            for delivery in deliveries {
                count += try Self.take(
                    "tid = ? AND sequence = ?", [.init(delivery.tid), .init(delivery.sequence)], of: destination,
                    in: transaction
                ).count
            }
            // Somebody else has told of them meanwhile.
            guard count > 0 else { return }
            try body(transaction)
            try transaction.run(
                """
                UPDATE destinations SET failures = 0, error = NULL,
                next = CASE WHEN next = ? THEN next ELSE ? END WHERE name = ?
                """,
                .init(Self.never), .init(next.microseconds), .init(destination))
        }
    }

    /// Leaves a destination alone until a moment.
    package func postpone(_ destination: String, until next: Timestamp) async throws {
        try await journal.database.write { transaction in
            try transaction.lock(Self.lockName(destination))
            try transaction.run(
                "UPDATE destinations SET next = ? WHERE name = ? AND next <> ?", .init(next.microseconds),
                .init(destination), .init(Self.never))
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
