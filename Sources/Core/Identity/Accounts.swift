import Ciphers
import Database
package import Journal
import Wire

extension EventKind {
    package static let accountCreated = EventKind("account.created")
    package static let accountChanged = EventKind("account.changed")
    package static let accountDeleted = EventKind("account.deleted")
    package static let passwordChanged = EventKind("account.password-changed")
}

extension Identity {
    /// Checks an account's, group's or policy's name: 1 to 64 characters of `[A-Za-z0-9._@-]`, none of the reserved
    /// ones.
    package static func checkName(_ name: String) throws {
        let isFine = name.utf8.allSatisfy { c in
            PercentEncoding.isUnreserved(c) && c != UInt8(ascii: "~") || c == UInt8(ascii: "@")
        }
        guard isFine, (1...64).contains(name.utf8.count), name != "anonymous", name != ".", name != ".." else {
            throw IdentityError(
                .invalidName, "'\(name.prefix(80))' is no valid name: 1 to 64 letters, digits, '.', '_', '@' or '-'")
        }
    }

    /// Creates an account.
    ///
    /// - Parameter password: nil for an account that only uses keys, or gets its password later.
    /// - Throws: ``IdentityError`` `.invalidName`, `.weakPassword`, `.exists`.
    package func createAccount(
        name: String, kind: PrincipalKind, displayName: String = "", email: String = "", password: String?,
        by actor: String
    ) async throws {
        try Self.checkName(name)
        try Self.checkEmail(email)
        let account = NewAccount(
            name: name, kind: kind, displayName: Self.cleaned(displayName), email: email,
            password: password == nil ? nil : try await hasher.hash(password ?? ""))
        _ = try await journal.write { transaction, events in
            try Self.insert(account, in: transaction, &events, by: actor)
        }
    }

    /// What an account is made of.
    struct NewAccount: Sendable {
        var name: String
        var kind = PrincipalKind.person
        var displayName: String
        var email: String
        var password: PasswordHash?
    }

    /// Makes an account whose name and address were checked. It takes locks: it comes before all else that a
    /// transaction does.
    ///
    /// - Throws: ``IdentityError`` `.exists`.
    @discardableResult
    static func insert(
        _ account: NewAccount, in transaction: Transaction, _ events: inout EventRecorder, by actor: String
    ) throws -> Int64 {
        let id = try insertAccount(
            name: account.name, kind: account.kind, displayName: account.displayName, email: account.email,
            in: transaction)
        if let password = account.password { try store(password, account: id, in: transaction) }
        events.record(.accountCreated, by: actor, on: account.name) { $0.member("kind", account.kind.rawValue) }
        return id
    }

    /// Makes the row of an account whose name and address were checked.
    ///
    /// - Returns: its id.
    static func insertAccount(
        name: String, kind: PrincipalKind, displayName: String, email: String, in transaction: Transaction
    ) throws -> Int64 {
        try transaction.lock("account \(name)")
        if !email.isEmpty { try transaction.lock("email \(email.lowercased())") }
        try transaction.lock(unixNumbers)
        guard try transaction.scalar("SELECT 1 FROM accounts WHERE name = ?", .init(name)) == nil else {
            throw IdentityError(.exists, "there is an account '\(name)' already")
        }
        try checkUnused(email: email, account: 0, in: transaction)
        let (id, number, now) = (try transaction.tid, try nextUnixNumber(in: transaction), Timestamp.now.microseconds)
        try transaction.run(
            """
            INSERT INTO accounts (
                id, name, kind, display_name, email, disabled, created, changed, uuid, number, common_name)
            VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?)
            """,
            .init(id), .init(name), .init(kind.rawValue), .init(displayName), .init(email), .init(now), .init(now),
            .init(randomUUID()), .init(number), .init(folded(displayName.isEmpty ? name : displayName)))
        return id
    }

    static func store(_ hash: PasswordHash, account: Int64, in transaction: Transaction) throws {
        try transaction.run(
            """
            INSERT INTO passwords (account, salt, hash, cost, changed) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (account) DO UPDATE
            SET salt = excluded.salt, hash = excluded.hash, cost = excluded.cost, changed = excluded.changed
            """,
            .init(account), .init(hash.salt), .init(hash.bytes), .init(hash.cost), .init(Timestamp.now.microseconds))
    }

    /// Sets a password, and ends every session that the old one opened.
    ///
    /// - Parameter kept: a session that goes on, by its public name: that of whoever changes their own password.
    package func setPassword(
        _ password: String, of name: String, keeping kept: String? = nil, by actor: String
    ) async throws {
        let hash = try await hasher.hash(password)
        try await journal.write { transaction, events in
            let id = try Self.accountID(name, in: transaction)
            try Self.store(hash, account: id, in: transaction)
            try Self.endSessions(of: id, named: name, except: kept, by: actor, in: transaction, &events)
            events.record(.passwordChanged, by: actor, on: name)
        }
        forgetLogins()
    }

    /// Changes what is known of an account; nil leaves as it is.
    ///
    /// - Parameter email: an ASCII address, or empty for none.
    /// - Throws: ``IdentityError`` `.notFound`, `.invalidName`, `.exists` for another account's address.
    package func setDetails(
        displayName: String? = nil, email: String? = nil, of name: String, by actor: String
    ) async throws {
        if let email { try Self.checkEmail(email) }
        let displayName = displayName.map { Self.cleaned($0) }
        try await journal.write { transaction, events in
            if let email, !email.isEmpty { try transaction.lock("email \(email.lowercased())") }
            let account = try transaction.first(
                "SELECT \(Self.accountColumns) FROM accounts a WHERE name = ?", .init(name), map: Self.account)
            guard let account else { throw Self.noAccount(name) }
            let (shown, address) = (displayName ?? account.displayName, email ?? account.email)
            try Self.checkUnused(email: address, account: account.id, in: transaction)
            try transaction.run(
                "UPDATE accounts SET display_name = ?, email = ?, common_name = ?, changed = ? WHERE id = ?",
                .init(shown), .init(address), .init(Self.folded(shown.isEmpty ? name : shown)),
                .init(Timestamp.now.microseconds), .init(account.id))
            events.record(.accountChanged, by: actor, on: name) {
                if let displayName { $0.member("displayName", displayName) }
                if let email { $0.member("email", email) }
            }
        }
    }

    static func checkEmail(_ email: String) throws {
        guard !email.isEmpty else { return }
        let parts = email.utf8.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
        let isFine = email.utf8.allSatisfy { (0x21...0x7E).contains($0) && !"<>,;\"\\()".utf8.contains($0) }
        guard isFine, parts.count == 2, parts.allSatisfy({ !$0.isEmpty }), email.utf8.count <= 254 else {
            throw IdentityError(
                .invalidName, "'\(email.prefix(80))' is no e-mail address such as ada@example.org, in ASCII")
        }
    }

    static func checkUnused(email: String, account: Int64, in reader: Reader) throws {
        guard !email.isEmpty else { return }
        let other = try reader.first(
            "SELECT name FROM accounts WHERE lower(email) = lower(?) AND email <> '' AND id <> ?", .init(email),
            .init(account)
        ) { $0.text(0) }
        if let other { throw IdentityError(.exists, "the account '\(other)' has the address '\(email)' already") }
    }

    /// A text for people, as it is kept: without control characters, 256 characters at most.
    static func cleaned(_ text: String, max: Int = 256) -> String {
        String(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }.map { Character($0) }.prefix(max))
    }

    /// Switches an account off or on. Off, none of its credentials opens anything.
    package func setDisabled(_ isDisabled: Bool, of name: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let id = try Self.accountID(name, in: transaction)
            try transaction.run(
                "UPDATE accounts SET disabled = ?, changed = ? WHERE id = ?", .init(isDisabled),
                .init(Timestamp.now.microseconds), .init(id))
            if isDisabled { try Self.endSessions(of: id, named: name, by: actor, in: transaction, &events) }
            events.record(.accountChanged, by: actor, on: name) { $0.member("disabled", isDisabled) }
        }
        principals.clear()
    }

    /// Removes an account with its credentials and memberships. What it did stays in the journal.
    ///
    /// - Parameter onlyBare: refuses (`.conflict`) while it has access keys or is a member of a group.
    package func deleteAccount(_ name: String, onlyBare: Bool = false, by actor: String) async throws {
        try await journal.write { transaction, events in
            let id = try Self.accountID(name, in: transaction)
            if onlyBare {
                let rest = try transaction.scalar(
                    """
                    SELECT (SELECT count(*) FROM access_keys WHERE account = ? AND description <> ?)
                        + (SELECT count(*) FROM memberships WHERE account = ?)
                    """,
                    .init(id), .init(Self.urlSigning), .init(id))
                guard rest == 0 else {
                    throw IdentityError(
                        .conflict, "'\(name)' has access keys or is a member of groups: remove these first")
                }
            }
            try Self.touchGroups(containing: "account", id, in: transaction)
            try transaction.run("DELETE FROM accounts WHERE id = ?", .init(id))
            events.record(.accountDeleted, by: actor, on: name)
        }
        forgetLogins()
    }

    /// Accounts in the order of their names, after `name`.
    package func accounts(after name: String = "", limit: Int = 1000) async throws -> [Account] {
        try await journal.read { reader in
            try reader.rows(
                "SELECT \(Self.accountColumns) FROM accounts a WHERE name > ? ORDER BY name LIMIT ?", .init(name),
                .init(limit), map: Self.account)
        }
    }

    package func account(_ name: String) async throws -> Account {
        let found = try await journal.read { reader in
            try reader.first(
                "SELECT \(Self.accountColumns) FROM accounts a WHERE name = ?", .init(name), map: Self.account)
        }
        guard let found else { throw Self.noAccount(name) }
        return found
    }

    /// What ``account(_:)`` reads, of the table `a`.
    static var accountColumns: String {
        "a.id, a.name, a.kind, a.display_name, a.email, a.disabled, a.created, a.changed, a.uuid, a.number, a.ends"
    }

    static let accountColumnCount = 11

    static func account(_ row: borrowing Row) -> Account {
        Account(
            id: row.int(0), name: row.text(1), kind: PrincipalKind(rawValue: row.text(2)) ?? .person,
            displayName: row.text(3), email: row.text(4), isDisabled: row.int(5) != 0,
            ends: row.intOrNil(10).map { Timestamp(microseconds: $0) },
            created: Timestamp(microseconds: row.int(6)), changed: Timestamp(microseconds: row.int(7)),
            uuid: row.text(8), number: row.int(9))
    }

    static func noAccount(_ name: String) -> IdentityError { IdentityError(.notFound, "there is no account '\(name)'") }

    static func accountID(_ name: String, in reader: Reader) throws -> Int64 {
        guard let id = try reader.scalar("SELECT id FROM accounts WHERE name = ?", .init(name)) else {
            throw noAccount(name)
        }
        return id
    }
}
