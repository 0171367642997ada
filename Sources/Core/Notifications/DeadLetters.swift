import Database
package import Journal
package import Wire

extension EventKind {
    package static let notificationsBuried = EventKind("notifications.buried")
    package static let notificationsRevived = EventKind("notifications.revived")
}

// What was given up, kept for somebody to look at.
extension Notifications {
    /// Dead letters of one destination: beyond, the oldest go.
    package static let deadMax: Int64 = 10_000
    /// How long one is kept: 30 days.
    package static let deadSecondsMax: Int64 = 30 * 86_400
    private static let atOnce = 500

    /// Takes messages off what waits, and keeps them as dead letters.
    ///
    /// - Parameter deadMax: for the destination.
    package func bury(
        _ deliveries: [Delivery], for destination: String, _ reason: String, now: Timestamp = .now,
        deadMax: Int64 = Notifications.deadMax
    ) async throws {
        guard !deliveries.isEmpty else { return }
        try await journal.write { transaction, events in
            try transaction.lock(Self.lockName(destination))
            var (count, new) = (0, 0)
            for delivery in deliveries {
                let taken = try transaction.execute(
                    """
                    DELETE FROM deliveries WHERE destination = ? AND tid = ? AND sequence = ? AND configuration = ?
                    """,
                    .init(destination), .init(delivery.tid), .init(delivery.sequence), .init(delivery.configuration))
                guard taken == 1 else { continue }
                count += 1
                new += try transaction.execute(
                    """
                    INSERT INTO dead_letters (
                        destination, tid, sequence, configuration, created, died, reason, message)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
                    """,
                    .init(destination), .init(delivery.tid), .init(delivery.sequence), .init(delivery.configuration),
                    .init(delivery.created.microseconds), .init(now.microseconds), .init(String(reason.prefix(300))),
                    .init(delivery.message))
            }
            try transaction.run(
                """
                UPDATE destinations SET waiting = waiting - ?, dead = dead + ?, failures = 0,
                next = CASE WHEN next = ? THEN next ELSE 0 END, error = NULL WHERE name = ?
                """,
                .init(count), .init(new), .init(Self.never), .init(destination))
            guard count > 0 else { return }
            events.record(.notificationsBuried, by: Self.actor, on: destination) {
                $0.member("count", count)
                $0.member("reason", String(reason.prefix(300)))
            }
            let dead = try transaction.scalar("SELECT dead FROM destinations WHERE name = ?", .init(destination)) ?? 0
            guard dead > deadMax else { return }
            let removed = try transaction.execute(
                """
                DELETE FROM dead_letters WHERE destination = ? AND (tid, sequence, configuration) IN (
                    SELECT tid, sequence, configuration FROM dead_letters WHERE destination = ?
                    ORDER BY tid, sequence, configuration LIMIT ?)
                """,
                .init(destination), .init(destination), .init(dead - deadMax))
            try transaction.run(
                "UPDATE destinations SET dead = dead - ?, dropped = dropped + ? WHERE name = ?", .init(removed),
                .init(removed), .init(destination))
            Self.record(dropped: Int64(removed), for: destination, "too many dead letters are kept for it", &events)
        }
    }

    /// Dead letters of a destination in the order in which what they tell of happened, after `id`.
    package func deadLetters(of destination: String, after id: DeliveryID?, limit: Int) async throws -> [DeadLetter] {
        let after = id?.position ?? .start
        return try await journal.read { reader in
            try reader.rows(
                """
                SELECT tid, sequence, configuration, created, message, died, reason FROM dead_letters
                WHERE destination = ? AND (tid, sequence, configuration) > (?, ?, ?)
                ORDER BY tid, sequence, configuration LIMIT ?
                """,
                .init(destination), .init(after.tid), .init(after.sequence), .init(id?.configuration ?? ""),
                .init(limit)
            ) { row in
                DeadLetter(
                    delivery: Delivery(
                        tid: row.int(0), sequence: row.int(1), configuration: row.text(2), destination: destination,
                        created: Timestamp(microseconds: row.int(3)), message: row.blob(4)),
                    died: Timestamp(microseconds: row.int(5)), reason: row.text(6))
            }
        }
    }

    /// Puts dead letters back among what waits, to be tried for another day.
    ///
    /// - Parameter ids: which; nil for all.
    /// - Returns: how many.
    package func revive(_ ids: [DeliveryID]?, of destination: String, by actor: String) async throws -> Int {
        let count = try await removeDead(ids, of: destination, by: actor, revives: true)
        journal.wake()
        return count
    }

    /// Discards dead letters.
    ///
    /// - Parameter ids: which; nil for all.
    /// - Returns: how many.
    package func discardDead(_ ids: [DeliveryID]?, of destination: String, by actor: String) async throws -> Int {
        try await removeDead(ids, of: destination, by: actor, revives: false)
    }

    private func removeDead(
        _ ids: [DeliveryID]?, of destination: String, by actor: String, revives: Bool
    ) async throws -> Int {
        if let ids { return try await removeSomeDead(ids, of: destination, by: actor, revives: revives) }
        var count = 0
        while true {
            let page = try await deadLetters(of: destination, after: nil, limit: Self.atOnce)
            guard !page.isEmpty else { return count }
            count += try await removeSomeDead(
                page.map { DeliveryID($0.delivery) }, of: destination, by: actor, revives: revives)
        }
    }

    private func removeSomeDead(
        _ ids: [DeliveryID], of destination: String, by actor: String, revives: Bool
    ) async throws -> Int {
        let now = Timestamp.now
        return try await journal.write { transaction, events in
            try transaction.lock(Self.lockName(destination))
            var (count, waiting) = (0, 0)
            let isRead = try transaction.scalar(
                "SELECT is_read FROM destinations WHERE name = ?", .init(destination))
            for (number, id) in ids.enumerated() {
                let name: [SQLValue] = [
                    .init(destination), .init(id.position.tid), .init(id.position.sequence), .init(id.configuration),
                ]
                if revives {
                    // A receiver of posts knows a message by its name. A reader knows how far they have read: what
                    // they are to read again comes behind that.
                    let place =
                        isRead == 1
                        ? JournalPosition(tid: try transaction.tid, sequence: Int64(number)) : id.position
                    waiting += try transaction.execute(
                        """
                        INSERT INTO deliveries (destination, tid, sequence, configuration, created, message)
                        SELECT destination, ?, ?, configuration, ?, message FROM dead_letters
                        WHERE destination = ? AND tid = ? AND sequence = ? AND configuration = ? ON CONFLICT DO NOTHING
                        """,
                        [.init(place.tid), .init(place.sequence), .init(now.microseconds)] + name)
                }
                count += try transaction.execute(
                    """
                    DELETE FROM dead_letters
                    WHERE destination = ? AND tid = ? AND sequence = ? AND configuration = ?
                    """, name)
            }
            guard count > 0 else { return 0 }
            try transaction.run(
                """
                UPDATE destinations SET dead = dead - ?, waiting = waiting + ?,
                next = CASE WHEN next = ? OR ? = 0 THEN next ELSE 0 END WHERE name = ?
                """,
                .init(count), .init(waiting), .init(Self.never), .init(waiting), .init(destination))
            events.record(.notificationsRevived, by: actor, on: destination) {
                $0.member("count", count)
                $0.member("what", revives ? "retried" : "discarded")
            }
            return count
        }
    }

    /// Forgets dead letters that nobody has looked after for too long.
    ///
    /// - Returns: how many.
    package func expireDead(olderThan seconds: Int64 = Notifications.deadSecondsMax) async throws -> Int {
        let before = Timestamp.now.adding(seconds: -seconds)
        var count = 0
        while true {
            let old = try await journal.read { reader in
                try reader.rows(
                    """
                    SELECT destination, tid, sequence, configuration FROM dead_letters WHERE died < ?
                    ORDER BY died LIMIT ?
                    """,
                    .init(before.microseconds), .init(Self.atOnce)
                ) {
                    (
                        destination: $0.text(0),
                        id: DeliveryID(JournalPosition(tid: $0.int(1), sequence: $0.int(2)), $0.text(3))
                    )
                }
            }
            guard !old.isEmpty else { return count }
            for (destination, found) in Dictionary(grouping: old, by: \.destination) {
                count += try await discardDead(found.map(\.id), of: destination, by: Self.actor)
            }
        }
    }

    /// Forgets all that waits for a destination, and how it stands.
    static func forgetDestination(_ name: String, in transaction: Transaction) throws {
        try transaction.run("DELETE FROM deliveries WHERE destination = ?", .init(name))
        try transaction.run("DELETE FROM dead_letters WHERE destination = ?", .init(name))
        try transaction.run("DELETE FROM destinations WHERE name = ?", .init(name))
    }
}
