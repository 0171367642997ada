import Database
import Journal
import Wire

/// The parts of the directory: who there is, sorted.
package enum DirectoryBranch: String, Sendable, CaseIterable {
    case people, groups, services

    /// Where accounts of a kind are.
    package init(_ kind: PrincipalKind) { self = kind == .person ? .people : .services }
}

/// Which accounts or groups are wanted. Each case is answered from an index.
package indirect enum DirectoryCondition: Sendable, Equatable {
    /// Conditions within one.
    package static let partsMax = 100

    case everything
    /// By name, in lower case.
    case name(String)
    case namePrefix(String)
    /// Accounts, by their display name or, without one, their name; ``Identity/folded(_:)``.
    case commonName(String)
    case commonNamePrefix(String)
    /// Accounts, by address in lower case.
    case email(String)
    case emailPrefix(String)
    /// By UUID, in lower case.
    case uuid(String)
    /// By number on Unix.
    case number(Int64)
    /// Accounts that belong to a group, directly or through others; by its name in lower case.
    case inGroup(String)
    /// Groups that an account of a branch belongs to, directly or through others; by its name in lower case.
    case withMember(String, DirectoryBranch)
    /// The same by its name as it is, wherever it is.
    case withMemberNamed(String)
    case any([DirectoryCondition])
    case all([DirectoryCondition])
}

/// An account with the groups that it belongs to, directly or through others, where they were asked for.
package struct DirectoryAccount: Sendable {
    package var account: Account
    package var groups: [String] = []
}

/// A group with the accounts that belong to it, directly or through others, where they were asked for.
package struct DirectoryGroup: Sendable {
    package struct Member: Sendable {
        package var name: String
        package var branch: DirectoryBranch
    }

    package var group: Group
    package var members: [Member] = []
}

/// A stretch of the directory, in the order of ids.
package struct DirectoryPage<Entry: Sendable>: Sendable {
    package var entries: [Entry]
    /// Whether nothing comes after it.
    package var isLast: Bool
}

extension Identity {
    /// Members of one group that are told; more are too many for one entry.
    package static let directoryMembersMax = 200_000
    /// Members on one page of groups after which it ends early.
    private static let membersOnPage = 20_000

    /// How text is compared where case and the number of spaces mean nothing (RFC 4518 §2.6.1).
    package static func folded(_ text: String) -> String {
        if text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !(UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }) {
            return text
        }
        return text.lowercased().split(separator: " ").joined(separator: " ")
    }

    /// The name of the account or group that is meant where case means nothing: the same if there is one, otherwise
    /// the only one that differs in case. Nil where there is none in this branch.
    package func directoryName(_ name: String, in branch: DirectoryBranch) async throws -> String? {
        let named =
            switch branch {
            case .groups: "groups WHERE lower(name) = lower(?)"
            case .people: "accounts WHERE lower(name) = lower(?) AND kind = 'person'"
            case .services: "accounts WHERE lower(name) = lower(?) AND kind <> 'person'"
            }
        let found = try await journal.find { reader in
            try reader.rows("SELECT name FROM \(named) LIMIT 2", .init(name)) { $0.text(0) }
        }
        return found.contains(name) ? name : found.count == 1 ? found[0] : nil
    }

    /// Accounts of people or of services, after an id.
    package func directoryAccounts(
        _ branch: DirectoryBranch, _ condition: DirectoryCondition, after id: Int64, limit: Int, withGroups: Bool
    ) async throws -> DirectoryPage<DirectoryAccount> {
        var values: [SQLValue] = []
        let kind = branch == .people ? "a.kind = 'person'" : "a.kind <> 'person'"
        let wanted = "\(kind) AND \(try condition.sql("a", &values))"
        let body: @Sendable (Reader) throws -> DirectoryPage<DirectoryAccount> = { [values] reader in
            var entries: [DirectoryAccount] = []
            entries.reserveCapacity(min(limit, 16))
            try reader.query(
                "SELECT \(Self.accountColumns) FROM accounts a WHERE \(wanted) AND a.id > ? ORDER BY a.id LIMIT ?",
                values + [.init(id), .init(limit)]
            ) { row in entries.append(DirectoryAccount(account: Self.account(row))) }
            if withGroups, let last = entries.last {
                try Self.addGroups(to: &entries, where: wanted, values + [.init(id), .init(last.account.id)], reader)
            }
            return DirectoryPage(entries: entries, isLast: entries.count < limit)
        }
        return try await condition.isNarrow ? journal.find(body) : journal.read(body)
    }

    private static func addGroups(
        to entries: inout [DirectoryAccount], where wanted: String, _ values: [SQLValue], _ reader: Reader
    ) throws {
        var index = 0
        try reader.query(
            """
            WITH RECURSIVE belongs (account, id) AS (
                SELECT m.account, m.group_id FROM accounts a JOIN memberships m ON m.account = a.id
                WHERE \(wanted) AND a.id > ? AND a.id <= ? UNION
                SELECT belongs.account, m.group_id FROM memberships m JOIN belongs ON m.subgroup = belongs.id)
            SELECT belongs.account, g.name FROM belongs JOIN groups g ON g.id = belongs.id ORDER BY 1, 2
            """,
            values
        ) { row in
            let account = row.int(0)
            while index < entries.count, entries[index].account.id < account { index += 1 }
            if index < entries.count, entries[index].account.id == account { entries[index].groups.append(row.text(1)) }
        }
    }

    /// Groups, after an id.
    ///
    /// - Throws: ``IdentityError`` `.limit` where members are asked for and a group has more than
    ///   ``directoryMembersMax``.
    package func directoryGroups(
        _ condition: DirectoryCondition, after id: Int64, limit: Int, withMembers: Bool
    ) async throws -> DirectoryPage<DirectoryGroup> {
        var values: [SQLValue] = []
        let wanted = try condition.sql("g", &values)
        return try await journal.read { [values] reader in
            let groups = try reader.rows(
                "SELECT \(Self.groupColumns) FROM groups g WHERE \(wanted) AND g.id > ? ORDER BY g.id LIMIT ?",
                values + [.init(id), .init(limit)], map: Self.group)
            var page = DirectoryPage<DirectoryGroup>(entries: [], isLast: groups.count < limit)
            var members = 0
            for group in groups {
                guard members < Self.membersOnPage else {
                    page.isLast = false
                    break
                }
                let entry = DirectoryGroup(
                    group: group, members: withMembers ? try Self.members(of: group, in: reader) : [])
                members += entry.members.count
                page.entries.append(entry)
            }
            return page
        }
    }

    private static func members(of group: Group, in reader: Reader) throws -> [DirectoryGroup.Member] {
        let members = try reader.rows(
            """
            WITH RECURSIVE inside (id) AS (
                SELECT CAST(? AS BIGINT) UNION
                SELECT m.subgroup FROM memberships m JOIN inside ON m.group_id = inside.id
                WHERE m.subgroup IS NOT NULL)
            SELECT DISTINCT a.name, a.kind FROM inside JOIN memberships m ON m.group_id = inside.id
            JOIN accounts a ON a.id = m.account ORDER BY 1 LIMIT ?
            """,
            .init(group.id), .init(directoryMembersMax + 1)
        ) { row in
            DirectoryGroup.Member(
                name: row.text(0), branch: DirectoryBranch(PrincipalKind(rawValue: row.text(1)) ?? .person))
        }
        guard members.count <= directoryMembersMax else {
            throw IdentityError(
                .limit,
                "the group '\(group.name)' has more than \(directoryMembersMax) members: ask by memberOf instead")
        }
        return members
    }
}

extension DirectoryCondition {
    /// Whether it finds a few rows by their key.
    package var isNarrow: Bool {
        switch self {
        case .name, .commonName, .email, .uuid, .number: true
        case .any(let conditions): conditions.count <= 10 && conditions.allSatisfy(\.isNarrow)
        case .all(let conditions): conditions.contains(where: \.isNarrow)
        default: false
        }
    }

    package var parts: Int {
        switch self {
        case .any(let conditions), .all(let conditions): conditions.reduce(1) { $0 + $1.parts }
        default: 1
        }
    }

    /// The condition on the rows of a table: `a` is the accounts', `g` the groups'. What the other one does not have
    /// finds nothing.
    ///
    /// - Throws: ``IdentityError`` `.limit` for more than ``partsMax`` conditions.
    func sql(_ table: String, _ values: inout [SQLValue]) throws -> String {
        guard parts <= Self.partsMax else {
            throw IdentityError(.limit, "a query has \(Self.partsMax) conditions at most")
        }
        return predicate(table, &values)
    }

    private func predicate(_ table: String, _ values: inout [SQLValue]) -> String {
        func bound(_ value: SQLValue, _ sql: String) -> String {
            values.append(value)
            return sql
        }
        // The greatest of all characters comes after whatever may follow the prefix.
        func prefix(_ column: String, _ text: String) -> String {
            values += [.init(text), .init(text + "\u{10FFFF}")]
            return "(\(column) >= ? AND \(column) < ?)"
        }
        let isAccount = table == "a"
        switch self {
        case .everything: return "1 = 1"
        case .name(let name): return bound(.init(name), "lower(\(table).name) = ?")
        case .namePrefix(let text): return prefix("lower(\(table).name)", text)
        case .uuid(let uuid): return bound(.init(uuid), "\(table).uuid = ?")
        case .number(let number): return bound(.init(number), "\(table).number = ?")
        case .commonName(let name) where isAccount: return bound(.init(name), "a.common_name = ?")
        case .commonNamePrefix(let text) where isAccount: return prefix("a.common_name", text)
        // In the words of the index, which has no row for those without an address.
        case .email(let email) where isAccount:
            return bound(.init(email), "(lower(a.email) = ? AND a.email <> '')")
        case .emailPrefix(let text) where isAccount: return "(\(prefix("lower(a.email)", text)) AND a.email <> '')"
        case .inGroup(let name) where isAccount:
            return bound(
                .init(name),
                """
                a.id IN (
                    WITH RECURSIVE inside (id) AS (
                        SELECT id FROM groups WHERE lower(name) = ? UNION
                        SELECT m.subgroup FROM memberships m JOIN inside ON m.group_id = inside.id
                        WHERE m.subgroup IS NOT NULL)
                    SELECT m.account FROM memberships m JOIN inside ON m.group_id = inside.id
                    WHERE m.account IS NOT NULL)
                """)
        case .withMember(let name, let branch) where !isAccount && branch != .groups:
            values.append(.init(name))
            return Self.groups(of: "lower(x.name) = ? AND x.kind \(branch == .people ? "=" : "<>") 'person'")
        case .withMemberNamed(let name) where !isAccount:
            values.append(.init(name))
            return Self.groups(of: "x.name = ?")
        case .any(let conditions) where !conditions.isEmpty:
            let list = conditions.map { $0.predicate(table, &values) }
            return "(\(list.joined(separator: " OR ")))"
        case .all(let conditions):
            let list = conditions.map { $0.predicate(table, &values) }
            return list.isEmpty ? "1 = 1" : "(\(list.joined(separator: " AND ")))"
        default: return "1 = 0"
        }
    }

    private static func groups(of account: String) -> String {
        """
        g.id IN (
            WITH RECURSIVE above (id) AS (
                SELECT m.group_id FROM accounts x JOIN memberships m ON m.account = x.id WHERE \(account) UNION
                SELECT m.group_id FROM memberships m JOIN above ON m.subgroup = above.id)
            SELECT id FROM above)
        """
    }
}
