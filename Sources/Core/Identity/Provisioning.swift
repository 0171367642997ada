import Database
package import Journal
import Wire

/// An account as programs that manage accounts see it.
package struct ProvisionedAccount: Sendable {
    package var account: Account
    package var attributes: [String: String] = [:]
    /// The groups that it is a direct member of.
    package var groups: [(uuid: String, name: String)] = []
}

/// A group as programs that manage accounts see it.
package struct ProvisionedGroup: Sendable {
    package struct Member: Sendable {
        package var uuid: String
        package var name: String
        package var isGroup: Bool
    }

    package var group: Group
    package var attributes: [String: String] = [:]
    /// Its direct members, where they were asked for.
    package var members: [Member] = []
}

/// Accounts and groups by their lasting names, a stretch at a time.
extension Identity {
    /// Members that one change may add and remove.
    package static let memberChangesMax = 20_000

    /// Accounts of all kinds, in the order of their ids, after one.
    package func provisionedAccounts(
        _ condition: DirectoryCondition, after id: Int64, limit: Int
    ) async throws -> [ProvisionedAccount] {
        var values: [SQLValue] = []
        let wanted = try condition.sql("a", &values)
        return try await journal.read { [values] reader in
            var found: [ProvisionedAccount] = []
            try reader.query(
                "SELECT \(Self.accountColumns) FROM accounts a WHERE \(wanted) AND a.id > ? ORDER BY a.id LIMIT ?",
                values + [.init(id), .init(limit)]
            ) { row in found.append(ProvisionedAccount(account: Self.account(row))) }
            guard let last = found.last?.account.id else { return [] }
            let places = Dictionary(uniqueKeysWithValues: found.indices.map { (found[$0].account.id, $0) })
            let stretch = values + [.init(id), .init(last)]
            try reader.query(
                """
                SELECT t.account, t.name, t.value FROM accounts a JOIN attributes t ON t.account = a.id
                WHERE \(wanted) AND a.id > ? AND a.id <= ?
                """,
                stretch
            ) { row in
                if let place = places[row.int(0)] { found[place].attributes[row.text(1)] = row.text(2) }
            }
            try reader.query(
                """
                SELECT m.account, g.uuid, g.name FROM accounts a JOIN memberships m ON m.account = a.id
                JOIN groups g ON g.id = m.group_id WHERE \(wanted) AND a.id > ? AND a.id <= ? ORDER BY g.name
                """,
                stretch
            ) { row in
                if let place = places[row.int(0)] { found[place].groups.append((row.text(1), row.text(2))) }
            }
            return found
        }
    }

    /// Groups in the order of their ids, after one.
    package func provisionedGroups(
        _ condition: DirectoryCondition, after id: Int64, limit: Int, withMembers: Bool
    ) async throws -> [ProvisionedGroup] {
        var values: [SQLValue] = []
        let wanted = try condition.sql("g", &values)
        return try await journal.read { [values] reader in
            var found: [ProvisionedGroup] = []
            try reader.query(
                "SELECT \(Self.groupColumns) FROM groups g WHERE \(wanted) AND g.id > ? ORDER BY g.id LIMIT ?",
                values + [.init(id), .init(limit)]
            ) { row in found.append(ProvisionedGroup(group: Self.group(row))) }
            guard let last = found.last?.group.id else { return [] }
            let places = Dictionary(uniqueKeysWithValues: found.indices.map { (found[$0].group.id, $0) })
            let stretch = values + [.init(id), .init(last)]
            try reader.query(
                """
                SELECT t.group_id, t.name, t.value FROM groups g JOIN attributes t ON t.group_id = g.id
                WHERE \(wanted) AND g.id > ? AND g.id <= ?
                """,
                stretch
            ) { row in
                if let place = places[row.int(0)] { found[place].attributes[row.text(1)] = row.text(2) }
            }
            guard withMembers else { return found }
            try reader.query(
                """
                SELECT m.group_id, a.uuid, a.name, s.uuid, s.name FROM groups g JOIN memberships m ON m.group_id = g.id
                LEFT JOIN accounts a ON a.id = m.account LEFT JOIN groups s ON s.id = m.subgroup
                WHERE \(wanted) AND g.id > ? AND g.id <= ? ORDER BY a.name, s.name
                """,
                stretch
            ) { row in
                guard let place = places[row.int(0)] else { return }
                let isGroup = row.isNull(1)
                found[place].members.append(
                    ProvisionedGroup.Member(
                        uuid: row.text(isGroup ? 3 : 1), name: row.text(isGroup ? 4 : 2), isGroup: isGroup))
            }
            return found
        }
    }

    /// How many accounts, or groups, there are.
    package func count(ofGroups: Bool) async throws -> Int64 {
        try await journal.read { try $0.scalar("SELECT count(*) FROM \(ofGroups ? "groups" : "accounts")") ?? 0 }
    }

    /// Adds and removes members of a group by their UUIDs, all at once or none.
    ///
    /// - Throws: ``IdentityError`` `.notFound` for a UUID that is nobody's, `.limit` for too many, and where a group
    ///   would be a member of itself.
    package func changeMembers(
        of name: String, adding: [String], removing: [String], by actor: String
    ) async throws {
        guard adding.count + removing.count <= Self.memberChangesMax else {
            throw IdentityError(.limit, "one change is of \(Self.memberChangesMax) members at most")
        }
        guard !adding.isEmpty || !removing.isEmpty else { return }
        try await journal.write { transaction, events in
            try transaction.lock("group nesting")
            let id = try Self.groupID(name, in: transaction)
            for uuid in removing {
                guard let member = try Self.member(uuid, in: transaction) else { continue }
                let column = member.isGroup ? "subgroup" : "account"
                let count = try transaction.execute(
                    "DELETE FROM memberships WHERE group_id = ? AND \(column) = ?", .init(id), .init(member.id))
                guard count > 0 else { continue }
                events.record(.memberRemoved, by: actor, on: name) {
                    $0.member(member.isGroup ? "group" : "account", member.name)
                }
            }
            for uuid in adding {
                guard let member = try Self.member(uuid, in: transaction) else {
                    throw IdentityError(.notFound, "there is no account and no group '\(uuid.prefix(64))'")
                }
                if member.isGroup { try Self.checkNesting(member.id, member.name, in: id, name, transaction) }
                let column = member.isGroup ? "subgroup" : "account"
                let count = try transaction.execute(
                    "INSERT INTO memberships (group_id, \(column)) VALUES (?, ?) ON CONFLICT DO NOTHING", .init(id),
                    .init(member.id))
                guard count > 0 else { continue }
                events.record(.memberAdded, by: actor, on: name) {
                    $0.member(member.isGroup ? "group" : "account", member.name)
                }
            }
            try Self.touch(group: id, in: transaction)
        }
        principals.clear()
    }

    private static func member(
        _ uuid: String, in reader: Reader
    ) throws -> (id: Int64, name: String, isGroup: Bool)? {
        try reader.first(
            """
            SELECT id, name, 0 FROM accounts WHERE uuid = ? UNION ALL SELECT id, name, 1 FROM groups WHERE uuid = ?
            """,
            .init(uuid.lowercased()), .init(uuid.lowercased())
        ) { ($0.int(0), $0.text(1), $0.int(2) != 0) }
    }
}
