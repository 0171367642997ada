import Database
import Journal
package import Wire

/// An account as a provisioning system knows it.
package struct ProvisionedAccount: Sendable {
    package var account: Account
    /// The other system's name for it; empty where it gave none.
    package var externalID: String
    /// What is kept for that system beside the account's own columns: a JSON object.
    package var attributes: String
    /// The groups that it is a direct member of, where they were asked for.
    package var groups: [ProvisionedReference] = []
}

/// A group as a provisioning system knows it.
package struct ProvisionedGroup: Sendable {
    package var group: Group
    package var externalID: String
    /// How people call it. The group's own name, which stands in policies, is made from the first one and stays.
    package var displayName: String
    /// Its direct members, where they were asked for.
    package var members: [ProvisionedReference] = []
}

package struct ProvisionedReference: Sendable {
    package var uuid: String
    package var name: String
    package var isGroup: Bool
}

/// What finds one account or group, or a few, by an index.
package enum ProvisioningKey: Sendable {
    case uuid(String)
    /// In any case.
    case name(String)
    case externalID(String)
}

/// What an account is to be.
package struct AccountChange: Sendable {
    package var name: String
    package var displayName: String
    package var email: String
    /// Nil leaves it as it is; new accounts are active.
    package var isActive: Bool?
    /// Nil leaves it as it is.
    package var password: String?
    package var externalID: String
    package var attributes: String

    package init(
        name: String, displayName: String, email: String, isActive: Bool?, password: String?, externalID: String,
        attributes: String
    ) {
        self.name = name
        self.displayName = displayName
        self.email = email
        self.isActive = isActive
        self.password = password
        self.externalID = externalID
        self.attributes = attributes
    }
}

/// What a group is to be.
package struct GroupChange: Sendable {
    package var displayName: String
    package var externalID: String
    /// UUIDs of accounts and groups.
    package var members: [String]

    package init(displayName: String, externalID: String, members: [String]) {
        self.displayName = displayName
        self.externalID = externalID
        self.members = members
    }
}

extension Identity {
    static let provisioningMigrations = [
        Migration(
            module: "provisioning", number: 1,
            [
                """
                CREATE TABLE provisioned_accounts (
                    account INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
                    external_id TEXT NOT NULL, attributes TEXT NOT NULL)
                """,
                "CREATE INDEX provisioned_accounts_by_external_id ON provisioned_accounts (external_id)",
                """
                CREATE TABLE provisioned_groups (
                    group_id INTEGER PRIMARY KEY REFERENCES groups (id) ON DELETE CASCADE,
                    external_id TEXT NOT NULL, display_name TEXT NOT NULL, folded_name TEXT NOT NULL UNIQUE)
                """,
                "CREATE INDEX provisioned_groups_by_external_id ON provisioned_groups (external_id)",
            ])
    ]

    // MARK: Accounts

    /// Accounts of all kinds in the order of their ids, after `id`.
    package func provisionedAccounts(
        _ key: ProvisioningKey? = nil, after id: Int64 = 0, skipping: Int = 0, limit: Int, withGroups: Bool
    ) async throws -> [ProvisionedAccount] {
        var values: [SQLValue] = [.init(id)]
        let condition = Self.condition(key, table: "a", &values)
        return try await journal.read { [values] reader in
            var found = try reader.rows(
                """
                SELECT \(Self.accountColumns), COALESCE(p.external_id, ''), COALESCE(p.attributes, '{}')
                FROM accounts a LEFT JOIN provisioned_accounts p ON p.account = a.id
                WHERE a.id > ?\(condition) ORDER BY a.id LIMIT ? OFFSET ?
                """,
                values + [.init(limit), .init(skipping)]
            ) { row in
                ProvisionedAccount(
                    account: Self.account(row), externalID: row.text(Self.accountColumnCount),
                    attributes: row.text(Self.accountColumnCount + 1))
            }
            guard withGroups, let first = found.first, let last = found.last else { return found }
            var groups: [Int64: [ProvisionedReference]] = [:]
            let wanted = Set(found.map(\.account.id))
            try reader.query(
                """
                SELECT m.account, g.uuid, COALESCE(p.display_name, g.name) FROM memberships m
                JOIN groups g ON g.id = m.group_id LEFT JOIN provisioned_groups p ON p.group_id = g.id
                WHERE m.account >= ? AND m.account <= ? ORDER BY 1, 3
                """,
                [.init(first.account.id), .init(last.account.id)]
            ) { row in
                guard wanted.contains(row.int(0)) else { return }
                groups[row.int(0), default: []].append(
                    ProvisionedReference(uuid: row.text(1), name: row.text(2), isGroup: true))
            }
            for index in found.indices { found[index].groups = groups[found[index].account.id] ?? [] }
            return found
        }
    }

    private static func condition(_ key: ProvisioningKey?, table: String, _ values: inout [SQLValue]) -> String {
        switch key {
        case nil: return ""
        case .uuid(let uuid):
            values.append(.init(uuid))
            return " AND \(table).uuid = ?"
        case .name(let name):
            values.append(.init(name.lowercased()))
            guard table == "g" else { return " AND lower(a.name) = ?" }
            values.append(.init(name.lowercased()))
            return " AND \(called)"
        case .externalID(let id):
            values.append(.init(id))
            return " AND p.external_id = ?"
        }
    }

    /// The group `g` is called so, in lower case: its display name, where it has one, otherwise its own, which is
    /// ASCII. Two values, each found by an index.
    private static let called = """
        (g.id IN (SELECT group_id FROM provisioned_groups WHERE folded_name = ?)
            OR lower(g.name) = ? AND p.group_id IS NULL)
        """

    /// How many accounts there are.
    package func accountCount() async throws -> Int {
        Int(try await journal.read { try $0.scalar("SELECT count(*) FROM accounts") } ?? 0)
    }

    /// The account of a UUID.
    ///
    /// - Throws: ``IdentityError`` `.notFound`.
    package func provisionedAccount(_ uuid: String) async throws -> ProvisionedAccount {
        let found = try await provisionedAccounts(.uuid(uuid), limit: 1, withGroups: true).first
        guard let found else { throw IdentityError(.notFound, "there is no account with the id '\(uuid.prefix(64))'") }
        return found
    }

    /// Makes an account, or makes one what it is to be.
    ///
    /// - Parameters:
    ///   - uuid: which one; nil for a new one.
    ///   - changed: when the account has to have been changed last; nil for any time.
    /// - Returns: its UUID.
    /// - Throws: ``IdentityError`` `.invalidName`, `.weakPassword`, `.exists`, `.notFound`, or `.conflict` where it was
    ///   changed since, or its name would change, which stands in policies and the journal.
    package func provision(
        _ change: AccountChange, account uuid: String?, unchangedSince changed: Timestamp? = nil, by actor: String
    ) async throws -> String {
        try Self.checkName(change.name)
        try Self.checkEmail(change.email)
        let displayName = Self.cleaned(change.displayName)
        var hashed: PasswordHash?
        if let password = change.password { hashed = try await hasher.hash(password) }
        let stored = try await journal.write { [hashed] transaction, events in
            let id: Int64
            if let uuid {
                id = try Self.update(
                    uuid, to: change, displayName: displayName, unchangedSince: changed, in: transaction)
                events.record(.accountChanged, by: actor, on: change.name) {
                    $0.member("displayName", displayName)
                    $0.member("email", change.email)
                    if let isActive = change.isActive { $0.member("disabled", !isActive) }
                }
            } else {
                id = try Self.insertAccount(
                    name: change.name, kind: .person, displayName: displayName, email: change.email, in: transaction)
                if change.isActive == false {
                    try transaction.run("UPDATE accounts SET disabled = ? WHERE id = ?", .init(true), .init(id))
                }
                events.record(.accountCreated, by: actor, on: change.name) {
                    $0.member("kind", PrincipalKind.person.rawValue)
                }
            }
            if let hashed {
                try Self.store(hashed, account: id, in: transaction)
                events.record(.passwordChanged, by: actor, on: change.name)
            }
            if hashed != nil || change.isActive == false {
                try Self.endSessions(of: id, named: change.name, by: actor, in: transaction, &events)
            }
            try transaction.run(
                """
                INSERT INTO provisioned_accounts (account, external_id, attributes) VALUES (?, ?, ?)
                ON CONFLICT (account) DO UPDATE
                SET external_id = excluded.external_id, attributes = excluded.attributes
                """,
                .init(id), .init(change.externalID), .init(change.attributes))
            return try transaction.first("SELECT uuid FROM accounts WHERE id = ?", .init(id)) { $0.text(0) }
        }
        forgetLogins()
        return stored ?? ""
    }

    private static func update(
        _ uuid: String, to change: AccountChange, displayName: String, unchangedSince changed: Timestamp?,
        in transaction: Transaction
    ) throws -> Int64 {
        try transaction.lock("account \(change.name)")
        if !change.email.isEmpty { try transaction.lock("email \(change.email.lowercased())") }
        let account = try transaction.first(
            "SELECT \(accountColumns) FROM accounts a WHERE uuid = ?", .init(uuid), map: account)
        guard let account else {
            throw IdentityError(.notFound, "there is no account with the id '\(uuid.prefix(64))'")
        }
        if let changed, changed != account.changed {
            throw IdentityError(.conflict, "the account '\(account.name)' was changed since")
        }
        // The name is what was locked.
        guard account.name == change.name else {
            throw IdentityError(
                .conflict, "the name '\(account.name)' stands in policies and in the journal: it cannot be changed")
        }
        try checkUnused(email: change.email, account: account.id, in: transaction)
        try transaction.run(
            """
            UPDATE accounts SET display_name = ?, email = ?, common_name = ?, disabled = ?, changed = ? WHERE id = ?
            """,
            .init(displayName), .init(change.email), .init(folded(displayName.isEmpty ? account.name : displayName)),
            .init(change.isActive.map { !$0 } ?? account.isDisabled), .init(later(than: account.changed)),
            .init(account.id))
        return account.id
    }

    /// Now, but never the moment before: versions are told apart by it.
    private static func later(than moment: Timestamp) -> Int64 {
        max(Timestamp.now.microseconds, moment.microseconds + 1)
    }

    // MARK: Groups

    /// Groups in the order of their ids, after `id`.
    package func provisionedGroups(
        _ key: ProvisioningKey? = nil, after id: Int64 = 0, skipping: Int = 0, limit: Int, withMembers: Bool
    ) async throws -> [ProvisionedGroup] {
        var values: [SQLValue] = [.init(id)]
        let condition = Self.condition(key, table: "g", &values)
        return try await journal.read { [values] reader in
            var found = try reader.rows(
                """
                SELECT \(Self.groupColumns), COALESCE(p.external_id, ''), COALESCE(p.display_name, g.name)
                FROM groups g LEFT JOIN provisioned_groups p ON p.group_id = g.id
                WHERE g.id > ?\(condition) ORDER BY g.id LIMIT ? OFFSET ?
                """,
                values + [.init(limit), .init(skipping)]
            ) { row in
                ProvisionedGroup(
                    group: Self.group(row), externalID: row.text(Self.groupColumnCount),
                    displayName: row.text(Self.groupColumnCount + 1))
            }
            guard withMembers else { return found }
            for index in found.indices {
                found[index].members = try Self.references(in: found[index].group.id, reader)
            }
            return found
        }
    }

    private static func references(in group: Int64, _ reader: Reader) throws -> [ProvisionedReference] {
        try reader.rows(
            """
            SELECT a.uuid, a.name, 0 FROM memberships m JOIN accounts a ON a.id = m.account WHERE m.group_id = ?
            UNION ALL
            SELECT g.uuid, COALESCE(p.display_name, g.name), 1 FROM memberships m JOIN groups g ON g.id = m.subgroup
            LEFT JOIN provisioned_groups p ON p.group_id = g.id WHERE m.group_id = ?
            """,
            .init(group), .init(group)
        ) { ProvisionedReference(uuid: $0.text(0), name: $0.text(1), isGroup: $0.int(2) != 0) }
    }

    /// How many groups there are.
    package func groupCount() async throws -> Int {
        Int(try await journal.read { try $0.scalar("SELECT count(*) FROM groups") } ?? 0)
    }

    /// The group of a UUID.
    ///
    /// - Throws: ``IdentityError`` `.notFound`.
    package func provisionedGroup(_ uuid: String, withMembers: Bool = true) async throws -> ProvisionedGroup {
        let found = try await provisionedGroups(.uuid(uuid), limit: 1, withMembers: withMembers).first
        guard let found else { throw IdentityError(.notFound, "there is no group with the id '\(uuid.prefix(64))'") }
        return found
    }

    /// Makes a group, or makes one what it is to be.
    ///
    /// - Parameters:
    ///   - uuid: which one; nil for a new one.
    ///   - changed: when the group has to have been changed last; nil for any time.
    /// - Returns: its UUID.
    /// - Throws: ``IdentityError`` `.invalidName` for an unknown member, `.exists`, `.notFound`, `.limit` where a group
    ///   would contain itself, or `.conflict` where it was changed since.
    package func provision(
        _ change: GroupChange, group uuid: String?, unchangedSince changed: Timestamp? = nil, by actor: String
    ) async throws -> String {
        let displayName = Self.cleaned(change.displayName)
        guard !displayName.isEmpty else { throw IdentityError(.invalidName, "a group needs a name") }
        let stored = try await journal.write { transaction, events in
            try transaction.lock("group display names")
            try transaction.lock(Self.groupNesting)
            let name: String
            let id: Int64
            if let uuid {
                let group = try transaction.first(
                    "SELECT \(Self.groupColumns) FROM groups g WHERE uuid = ?", .init(uuid), map: Self.group)
                guard let group else {
                    throw IdentityError(.notFound, "there is no group with the id '\(uuid.prefix(64))'")
                }
                if let changed, changed != group.changed {
                    throw IdentityError(.conflict, "the group '\(group.name)' was changed since")
                }
                (name, id) = (group.name, group.id)
                try transaction.run(
                    "UPDATE groups SET changed = ? WHERE id = ?", .init(Self.later(than: group.changed)), .init(id))
            } else {
                name = try Self.freeGroupName(for: displayName, in: transaction)
                id = try Self.insertGroup(name: name, in: transaction)
                events.record(.groupCreated, by: actor, on: name)
            }
            let other = try transaction.scalar(
                """
                SELECT g.id FROM groups g LEFT JOIN provisioned_groups p ON p.group_id = g.id
                WHERE \(Self.called) AND g.id <> ? LIMIT 1
                """,
                .init(displayName.lowercased()), .init(displayName.lowercased()), .init(id))
            guard other == nil else {
                throw IdentityError(.exists, "there is a group '\(displayName.prefix(80))' already")
            }
            try transaction.run(
                """
                INSERT INTO provisioned_groups (group_id, external_id, display_name, folded_name) VALUES (?, ?, ?, ?)
                ON CONFLICT (group_id) DO UPDATE
                SET external_id = excluded.external_id, display_name = excluded.display_name,
                    folded_name = excluded.folded_name
                """,
                .init(id), .init(change.externalID), .init(displayName), .init(displayName.lowercased()))
            try Self.setMembers(of: id, named: name, to: change.members, by: actor, in: transaction, &events)
            return try transaction.first("SELECT uuid FROM groups WHERE id = ?", .init(id)) { $0.text(0) }
        }
        principals.clear()
        return stored ?? ""
    }

    /// The display name where it is a valid name that nobody has, or else one like it.
    private static func freeGroupName(for displayName: String, in reader: Reader) throws -> String {
        let plain = displayName.unicodeScalars.map { scalar -> Character in
            let isFine = scalar.isASCII && PercentEncoding.isUnreserved(UInt8(scalar.value)) && scalar != "~"
            return isFine ? Character(scalar) : "-"
        }
        let base = String(plain.prefix(48))
        for number in 1...1000 {
            let name = number == 1 ? base : "\(base)-\(number)"
            guard (try? checkName(name)) != nil else { continue }
            if try reader.scalar("SELECT 1 FROM groups WHERE name = ?", .init(name)) == nil { return name }
        }
        throw IdentityError(.exists, "there are too many groups whose names begin with '\(base)'")
    }

    private static func setMembers(
        of group: Int64, named name: String, to uuids: [String], by actor: String, in transaction: Transaction,
        _ events: inout EventRecorder
    ) throws {
        func named(_ uuid: String, _ table: String) throws -> (id: Int64, name: String)? {
            try transaction.first(
                "SELECT id, name FROM \(table) WHERE uuid = ?", .init(uuid), map: { ($0.int(0), $0.text(1)) })
        }
        let wanted = Set(uuids)
        let present = try references(in: group, transaction)
        for member in present where !wanted.contains(member.uuid) {
            let (table, column) = member.isGroup ? ("groups", "subgroup") : ("accounts", "account")
            guard let gone = try named(member.uuid, table) else { continue }
            try transaction.run(
                "DELETE FROM memberships WHERE group_id = ? AND \(column) = ?", .init(group), .init(gone.id))
            events.record(.memberRemoved, by: actor, on: name) {
                $0.member(member.isGroup ? "group" : "account", gone.name)
            }
        }
        let known = Set(present.map(\.uuid))
        for uuid in wanted.subtracting(known).sorted() {
            let account = try named(uuid, "accounts")
            guard let member = try account ?? named(uuid, "groups") else {
                throw IdentityError(.invalidName, "there is no account or group with the id '\(uuid.prefix(64))'")
            }
            if account == nil { try checkNesting(member.id, in: group, transaction) }
            try transaction.run(
                """
                INSERT INTO memberships (group_id, \(account == nil ? "subgroup" : "account")) VALUES (?, ?)
                ON CONFLICT DO NOTHING
                """,
                .init(group), .init(member.id))
            events.record(.memberAdded, by: actor, on: name) {
                $0.member(account == nil ? "group" : "account", member.name)
            }
        }
        try touch(group: group, in: transaction)
    }
}
