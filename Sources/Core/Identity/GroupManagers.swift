import Database
package import Journal
import Wire

extension EventKind {
    package static let groupChanged = EventKind("group.changed")
    package static let managerAdded = EventKind("group.manager-added")
    package static let managerRemoved = EventKind("group.manager-removed")
}

/// What people know of groups, and who decides about their members.
///
/// A manager of a group manages the groups within it too.
extension Identity {
    /// Changes what is known of a group; nil leaves as it is.
    ///
    /// - Parameters:
    ///   - description: for people, 1,024 characters at most.
    ///   - isOpen: whether people see it and may ask to become members.
    package func setDetails(
        description: String? = nil, isOpen: Bool? = nil, ofGroup name: String, by actor: String
    ) async throws {
        let description = description.map { Self.cleaned($0, max: 1024) }
        try await journal.write { transaction, events in
            let id = try Self.groupID(name, in: transaction)
            if let description {
                try transaction.run(
                    "UPDATE groups SET description = ? WHERE id = ?", .init(description), .init(id))
            }
            if let isOpen { try transaction.run("UPDATE groups SET open = ? WHERE id = ?", .init(isOpen), .init(id)) }
            try Self.touch(group: id, in: transaction)
            events.record(.groupChanged, by: actor, on: name) {
                if let description { $0.member("description", description) }
                if let isOpen { $0.member("open", isOpen) }
            }
        }
    }

    /// Makes an account a manager of a group: it adds and removes members and answers requests to join.
    ///
    /// - Throws: ``IdentityError`` `.notFound`; `.invalidName` for the group of administrators, which policy alone
    ///   governs.
    package func addManager(_ account: String, to group: String, by actor: String) async throws {
        guard group != administrators else {
            throw IdentityError(.invalidName, "the group '\(group)' has no managers: its members are enough")
        }
        try await journal.write { transaction, events in
            let member = try Self.accountID(account, in: transaction)
            let id = try Self.groupID(group, in: transaction)
            let added = try transaction.execute(
                "INSERT INTO group_managers (group_id, account) VALUES (?, ?) ON CONFLICT DO NOTHING", .init(id),
                .init(member))
            guard added > 0 else { return }
            events.record(.managerAdded, by: actor, on: group) { $0.member("account", account) }
        }
    }

    /// - Throws: ``IdentityError`` `.notFound`.
    package func removeManager(_ account: String, from group: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let count = try transaction.execute(
                "DELETE FROM group_managers WHERE group_id = ? AND account = ?",
                .init(try Self.groupID(group, in: transaction)), .init(try Self.accountID(account, in: transaction)))
            guard count > 0 else { throw IdentityError(.notFound, "'\(account)' does not manage '\(group)'") }
            events.record(.managerRemoved, by: actor, on: group) { $0.member("account", account) }
        }
    }

    /// The names of a group's own managers.
    package func managers(of group: String) async throws -> [String] {
        try await journal.find { reader in
            try reader.rows(
                """
                SELECT a.name FROM group_managers m JOIN accounts a ON a.id = m.account WHERE m.group_id = ?
                ORDER BY a.name LIMIT 1000
                """,
                .init(try Self.groupID(group, in: reader))
            ) { $0.text(0) }
        }
    }

    /// Whether an account manages a group, or one that the group is in.
    package func manages(_ account: Int64?, group: String) async throws -> Bool {
        guard let account, group != administrators else { return false }
        return try await journal.find { reader in
            try reader.scalar(
                """
                WITH RECURSIVE above (id) AS (
                    SELECT id FROM groups WHERE name = ? UNION
                    SELECT m.group_id FROM memberships m JOIN above ON m.subgroup = above.id)
                SELECT 1 FROM above JOIN group_managers m ON m.group_id = above.id WHERE m.account = ? LIMIT 1
                """,
                .init(group), .init(account)) != nil
        }
    }

    /// A group as somebody sees it who looks for one to join.
    package struct GroupView: Sendable {
        package var group: Group
        package var isMember: Bool
        package var isManager: Bool
        package var hasAsked: Bool
    }

    /// The groups that concern an account: those that are open, that it is a direct member of, or that it manages
    /// itself; in the order of their names, after `name`.
    ///
    /// - Parameter all: all groups, for who may see them.
    package func groupViews(
        for account: Int64, all: Bool = false, after name: String = "", limit: Int = 200
    ) async throws -> [GroupView] {
        try await journal.read { reader in
            try reader.rows(
                """
                SELECT * FROM (
                    SELECT \(Self.groupColumns),
                        (SELECT 1 FROM memberships m WHERE m.group_id = g.id AND m.account = ?) AS member,
                        (SELECT 1 FROM group_managers m WHERE m.group_id = g.id AND m.account = ?) AS manager,
                        (SELECT 1 FROM join_requests j WHERE j.group_id = g.id AND j.account = ?) AS asked
                    FROM groups g WHERE (? = 1 OR g.id IN (
                        SELECT id FROM groups WHERE open = 1 UNION
                        SELECT group_id FROM memberships WHERE account = ? UNION
                        SELECT group_id FROM group_managers WHERE account = ?)) AND g.name > ?) found
                ORDER BY name LIMIT ?
                """,
                .init(account), .init(account), .init(account), .init(all), .init(account), .init(account),
                .init(name), .init(limit)
            ) { row in
                GroupView(
                    group: Self.group(row), isMember: !row.isNull(8), isManager: !row.isNull(9),
                    hasAsked: !row.isNull(10)
                )
            }
        }
    }
}
