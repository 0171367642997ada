import Database
package import Journal
package import Wire

extension EventKind {
    package static let accountSuspended = EventKind("account.suspended")
}

/// Accounts that end on a day. From that moment nothing of theirs opens anything; then they are suspended, and removed
/// after a while.
extension Identity {
    /// Accounts that one round looks after, so that none keeps others from writing for long.
    private static let endedMax = 100

    /// Says when an account ends by itself; nil for never.
    package func setEnd(_ ends: Timestamp?, of name: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let id = try Self.accountID(name, in: transaction)
            try transaction.run(
                "UPDATE accounts SET ends = ?, changed = ? WHERE id = ?", .init(ends?.microseconds),
                .init(Timestamp.now.microseconds), .init(id))
            events.record(.accountChanged, by: actor, on: name) {
                $0.member("ends", ends.map { .string($0.rfc3339) } ?? .null)
            }
        }
        forgetLogins()
    }

    /// Suspends accounts that have ended, and ends their sessions.
    ///
    /// - Returns: whether there may be more of them.
    package func suspendEnded(by actor: String) async throws -> Bool {
        let now = Timestamp.now.microseconds
        let count = try await journal.write { transaction, events in
            let ended = try transaction.rows(
                "SELECT id, name FROM accounts WHERE ends <= ? AND disabled = 0 ORDER BY ends LIMIT \(Self.endedMax)",
                .init(now)
            ) { (id: $0.int(0), name: $0.text(1)) }
            for (id, name) in ended {
                try transaction.run(
                    "UPDATE accounts SET disabled = 1, changed = ? WHERE id = ?", .init(now), .init(id))
                try Self.endSessions(of: id, named: name, by: actor, in: transaction, &events)
                events.record(.accountSuspended, by: actor, on: name)
            }
            return ended.count
        }
        if count > 0 { principals.clear() }
        return count == Self.endedMax
    }

    /// The suspended accounts that ended more than so long ago: time to remove them.
    package func accountsToRemove(endedBefore time: Timestamp) async throws -> [String] {
        try await journal.read { reader in
            try reader.rows(
                "SELECT name FROM accounts WHERE ends <= ? AND disabled = 1 ORDER BY ends LIMIT \(Self.endedMax)",
                .init(time.microseconds)
            ) { $0.text(0) }
        }
    }
}
