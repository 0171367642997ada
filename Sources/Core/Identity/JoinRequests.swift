import Database
package import Journal
package import Wire

extension EventKind {
    package static let joinRequested = EventKind("group.join-requested")
    package static let joinWithdrawn = EventKind("group.join-withdrawn")
    package static let joinApproved = EventKind("group.join-approved")
    package static let joinRejected = EventKind("group.join-rejected")
}

/// Somebody's wish to become a member of a group.
package struct JoinRequest: Sendable {
    package var group: String
    package var account: String
    /// Why, in their own words.
    package var note: String
    package var created: Timestamp
}

extension Identity {
    private static let joinRequestsMax: Int64 = 50

    /// Asks to become a member of an open group.
    ///
    /// - Throws: ``IdentityError`` `.notFound` (also for a group that is not open), `.exists` for who is a member or
    ///   has asked, `.limit`.
    package func requestJoin(_ group: String, note: String, as name: String) async throws {
        let note = Self.cleaned(note, max: 1024)
        try await journal.write { transaction, events in
            let account = try Self.accountID(name, in: transaction)
            guard
                let id = try transaction.scalar("SELECT id FROM groups WHERE name = ? AND open = 1", .init(group))
            else { throw Self.noGroup(group) }
            let isMember = try transaction.scalar(
                "SELECT 1 FROM memberships WHERE group_id = ? AND account = ?", .init(id), .init(account))
            guard isMember == nil else { throw IdentityError(.exists, "'\(name)' is a member of '\(group)' already") }
            let count = try transaction.scalar("SELECT count(*) FROM join_requests WHERE account = ?", .init(account))
            guard (count ?? 0) < Self.joinRequestsMax else {
                throw IdentityError(.limit, "'\(name)' waits for the answers of \(count ?? 0) groups already")
            }
            let added = try transaction.execute(
                "INSERT INTO join_requests (group_id, account, note, created) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                .init(id), .init(account), .init(note), .init(Timestamp.now.microseconds))
            guard added == 1 else { throw IdentityError(.exists, "'\(name)' has asked to join '\(group)' already") }
            events.record(.joinRequested, by: name, on: group) { $0.member("account", name) }
        }
    }

    /// Takes one's own request back.
    ///
    /// - Throws: ``IdentityError`` `.notFound`.
    package func withdrawJoin(_ group: String, as name: String) async throws {
        try await journal.write { transaction, events in
            _ = try Self.takeRequest(of: name, group, in: transaction)
            events.record(.joinWithdrawn, by: name, on: group) { $0.member("account", name) }
        }
    }

    /// Answers a request. Whether the actor may was decided before.
    ///
    /// - Throws: ``IdentityError`` `.notFound`.
    package func answerJoin(_ group: String, of name: String, isApproved: Bool, by actor: String) async throws {
        try await journal.write { transaction, events in
            let (id, account) = try Self.takeRequest(of: name, group, in: transaction)
            events.record(isApproved ? .joinApproved : .joinRejected, by: actor, on: group) {
                $0.member("account", name)
            }
            guard isApproved else { return }
            try transaction.run(
                "INSERT INTO memberships (group_id, account) VALUES (?, ?) ON CONFLICT DO NOTHING", .init(id),
                .init(account))
            try Self.touch(group: id, in: transaction)
            events.record(.memberAdded, by: actor, on: group) { $0.member("account", name) }
        }
        principals.clear()
    }

    private static func takeRequest(
        of name: String, _ group: String, in transaction: Transaction
    ) throws -> (group: Int64, account: Int64) {
        let (id, account) = (try groupID(group, in: transaction), try accountID(name, in: transaction))
        let count = try transaction.execute(
            "DELETE FROM join_requests WHERE group_id = ? AND account = ?", .init(id), .init(account))
        guard count == 1 else { throw IdentityError(.notFound, "'\(name)' has not asked to join '\(group)'") }
        return (id, account)
    }

    /// What was asked of a group, oldest first.
    package func joinRequests(group: String, limit: Int = 1000) async throws -> [JoinRequest] {
        try await journal.read { reader in
            try reader.rows(
                """
                SELECT a.name, j.note, j.created FROM join_requests j JOIN accounts a ON a.id = j.account
                WHERE j.group_id = ? ORDER BY j.created LIMIT ?
                """,
                .init(try Self.groupID(group, in: reader)), .init(limit)
            ) { row in
                JoinRequest(
                    group: group, account: row.text(0), note: row.text(1), created: Timestamp(microseconds: row.int(2)))
            }
        }
    }
}
