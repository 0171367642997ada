import Ciphers
import Database
package import Journal
import Wire

extension EventKind {
    package static let groupCreated = EventKind("group.created")
    package static let groupDeleted = EventKind("group.deleted")
    package static let memberAdded = EventKind("group.member-added")
    package static let memberRemoved = EventKind("group.member-removed")
}

extension Identity {
    package func createGroup(name: String, by actor: String) async throws {
        try Self.checkName(name)
        try await journal.write { transaction, events in
            _ = try Self.insertGroup(name: name, in: transaction)
            events.record(.groupCreated, by: actor, on: name)
        }
    }

    /// Makes the row of a group whose name was checked.
    ///
    /// - Returns: its id.
    static func insertGroup(name: String, in transaction: Transaction) throws -> Int64 {
        try transaction.lock("group \(name)")
        try transaction.lock(unixNumbers)
        guard try transaction.scalar("SELECT 1 FROM groups WHERE name = ?", .init(name)) == nil else {
            throw IdentityError(.exists, "there is a group '\(name)' already")
        }
        let (id, number, now) = (try transaction.tid, try nextUnixNumber(in: transaction), Timestamp.now.microseconds)
        try transaction.run(
            "INSERT INTO groups (id, name, created, changed, uuid, number) VALUES (?, ?, ?, ?, ?, ?)", .init(id),
            .init(name), .init(now), .init(now), .init(randomUUID()), .init(number))
        return id
    }

    /// - Parameter onlyBare: refuses (`.conflict`) while it has members.
    package func deleteGroup(_ name: String, onlyBare: Bool = false, by actor: String) async throws {
        guard name != administrators else { throw IdentityError(.invalidName, "the group '\(name)' cannot be deleted") }
        try await journal.write { transaction, events in
            let id = try Self.groupID(name, in: transaction)
            if onlyBare,
                try transaction.scalar("SELECT 1 FROM memberships WHERE group_id = ? LIMIT 1", .init(id)) != nil
            {
                throw IdentityError(.conflict, "the group '\(name)' has members: remove these first")
            }
            try Self.touchGroups(containing: "subgroup", id, in: transaction)
            try transaction.run("DELETE FROM groups WHERE id = ?", .init(id))
            events.record(.groupDeleted, by: actor, on: name)
        }
        principals.clear()
    }

    /// Groups in the order of their names, after `name`.
    package func groups(after name: String = "", limit: Int = 1000) async throws -> [Group] {
        try await journal.read { reader in
            try reader.rows(
                "SELECT \(Self.groupColumns) FROM groups g WHERE name > ? ORDER BY name LIMIT ?", .init(name),
                .init(limit), map: Self.group)
        }
    }

    package func group(_ name: String) async throws -> Group {
        try await journal.find { reader in
            let group = try reader.first(
                "SELECT \(Self.groupColumns) FROM groups g WHERE name = ?", .init(name), map: Self.group)
            guard let group else { throw Self.noGroup(name) }
            return group
        }
    }

    /// The accounts that are direct members of a group, in the order of their names, after `name`.
    package func accounts(in group: String, after name: String = "", limit: Int) async throws -> [Account] {
        try await journal.read { reader in
            try reader.rows(
                """
                SELECT \(Self.accountColumns) FROM memberships m
                JOIN accounts a ON a.id = m.account WHERE m.group_id = ? AND a.name > ? ORDER BY a.name LIMIT ?
                """,
                .init(try Self.groupID(group, in: reader)), .init(name), .init(limit), map: Self.account)
        }
    }

    /// The groups that an account is a direct member of, in the order of their names, after `name`.
    package func groups(ofAccount account: String, after name: String = "", limit: Int) async throws -> [Group] {
        try await journal.read { reader in
            try reader.rows(
                """
                SELECT \(Self.groupColumns) FROM memberships m JOIN groups g ON g.id = m.group_id
                WHERE m.account = ? AND g.name > ? ORDER BY g.name LIMIT ?
                """,
                .init(try Self.accountID(account, in: reader)), .init(name), .init(limit), map: Self.group)
        }
    }

    /// The names of a group's direct members.
    package func members(of group: String) async throws -> (accounts: [String], groups: [String]) {
        try await journal.read { reader in
            let id = try Self.groupID(group, in: reader)
            let accounts = try reader.rows(
                "SELECT a.name FROM memberships m JOIN accounts a ON a.id = m.account WHERE m.group_id = ? ORDER BY a.name",
                .init(id)
            ) { $0.text(0) }
            let groups = try reader.rows(
                "SELECT g.name FROM memberships m JOIN groups g ON g.id = m.subgroup WHERE m.group_id = ? ORDER BY g.name",
                .init(id)
            ) { $0.text(0) }
            return (accounts, groups)
        }
    }

    package func addMember(account: String, to group: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let member = try Self.accountID(account, in: transaction)
            let id = try Self.groupID(group, in: transaction)
            let added = try transaction.execute(
                "INSERT INTO memberships (group_id, account) VALUES (?, ?) ON CONFLICT DO NOTHING", .init(id),
                .init(member))
            guard added > 0 else { return }
            try Self.touch(group: id, in: transaction)
            events.record(.memberAdded, by: actor, on: group) { $0.member("account", account) }
        }
        principals.clear()
    }

    /// Makes every member of `subgroup` a member of `group`.
    ///
    /// - Throws: ``IdentityError`` `.limit` where that would make a group a member of itself.
    package func addMember(group subgroup: String, to group: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            try transaction.lock(Self.groupNesting)
            let member = try Self.groupID(subgroup, in: transaction)
            let id = try Self.groupID(group, in: transaction)
            try Self.checkNesting(member, in: id, transaction)
            let added = try transaction.execute(
                "INSERT INTO memberships (group_id, subgroup) VALUES (?, ?) ON CONFLICT DO NOTHING", .init(id),
                .init(member))
            guard added > 0 else { return }
            try Self.touch(group: id, in: transaction)
            events.record(.memberAdded, by: actor, on: group) { $0.member("group", subgroup) }
        }
        principals.clear()
    }

    static let groupNesting = "group nesting"

    /// Whether a group can become a member of another. Who asks holds the lock ``groupNesting``.
    static func checkNesting(_ member: Int64, in group: Int64, _ transaction: Transaction) throws {
        let closes = try transaction.scalar(
            """
            WITH RECURSIVE above (id) AS (
                SELECT CAST(? AS BIGINT) UNION
                SELECT m.group_id FROM memberships m JOIN above ON m.subgroup = above.id)
            SELECT 1 FROM above WHERE id = ?
            """,
            .init(group), .init(member))
        guard closes == nil else {
            throw IdentityError(.limit, "the group is already inside that one: a group cannot contain itself")
        }
    }

    package func removeMember(account: String, from group: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let member = try Self.accountID(account, in: transaction)
            let id = try Self.groupID(group, in: transaction)
            let count = try transaction.execute(
                "DELETE FROM memberships WHERE group_id = ? AND account = ?", .init(id), .init(member))
            guard count > 0 else { throw IdentityError(.notFound, "'\(account)' is not a member of '\(group)'") }
            try Self.touch(group: id, in: transaction)
            events.record(.memberRemoved, by: actor, on: group) { $0.member("account", account) }
        }
        principals.clear()
    }

    package func removeMember(group subgroup: String, from group: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let member = try Self.groupID(subgroup, in: transaction)
            let id = try Self.groupID(group, in: transaction)
            let count = try transaction.execute(
                "DELETE FROM memberships WHERE group_id = ? AND subgroup = ?", .init(id), .init(member))
            guard count > 0 else { throw IdentityError(.notFound, "'\(subgroup)' is not in '\(group)'") }
            try Self.touch(group: id, in: transaction)
            events.record(.memberRemoved, by: actor, on: group) { $0.member("group", subgroup) }
        }
        principals.clear()
    }

    static func groupID(_ name: String, in reader: Reader) throws -> Int64 {
        guard let id = try reader.scalar("SELECT id FROM groups WHERE name = ?", .init(name)) else {
            throw noGroup(name)
        }
        return id
    }

    static func noGroup(_ name: String) -> IdentityError { IdentityError(.notFound, "there is no group '\(name)'") }

    /// What ``group(_:)`` reads, of the table `g`.
    static var groupColumns: String { "g.id, g.name, g.created, g.changed, g.uuid, g.number, g.description, g.open" }

    static let groupColumnCount = 8

    static func group(_ row: borrowing Row) -> Group {
        Group(
            id: row.int(0), name: row.text(1), created: Timestamp(microseconds: row.int(2)),
            changed: Timestamp(microseconds: row.int(3)), uuid: row.text(4), number: row.int(5),
            description: row.text(6), isOpen: row.int(7) != 0)
    }

    /// Notes that the members of a group have changed, and with them those of all groups that it is in.
    static func touch(group: Int64, in transaction: Transaction) throws {
        try transaction.run(
            """
            UPDATE groups SET changed = ? WHERE id IN (
                WITH RECURSIVE above (id) AS (
                    SELECT CAST(? AS BIGINT) UNION
                    SELECT m.group_id FROM memberships m JOIN above ON m.subgroup = above.id)
                SELECT id FROM above)
            """,
            .init(Timestamp.now.microseconds), .init(group))
    }

    /// Notes it for all groups that an account or a group is in, before that is removed.
    ///
    /// - Parameter column: of `memberships`: `account` or `subgroup`.
    static func touchGroups(containing column: String, _ id: Int64, in transaction: Transaction) throws {
        let groups = try transaction.rows("SELECT group_id FROM memberships WHERE \(column) = ?", .init(id)) {
            $0.int(0)
        }
        for group in groups { try touch(group: group, in: transaction) }
    }

    static let unixNumbers = "unix numbers"

    /// A number that nobody has or had. Who takes one holds the lock ``unixNumbers``.
    static func nextUnixNumber(in transaction: Transaction) throws -> Int64 {
        let number = try transaction.scalar("SELECT next FROM unix_numbers") ?? 0
        try transaction.run("UPDATE unix_numbers SET next = ?", .init(number + 1))
        return number
    }

    /// All groups of an account, through nesting too.
    static func groups(of account: Int64, in reader: Reader) throws -> [String] {
        try reader.rows(
            """
            WITH RECURSIVE member (id) AS (
                SELECT group_id FROM memberships WHERE account = ? UNION
                SELECT m.group_id FROM memberships m JOIN member ON m.subgroup = member.id)
            SELECT g.name FROM groups g JOIN member ON member.id = g.id ORDER BY g.name
            """,
            .init(account)
        ) { $0.text(0) }
    }
}
