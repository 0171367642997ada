package import Certificates
import Ciphers
import Database
import Identity
package import Journal
import Wire

extension EventKind {
    package static let acmeAccountCreated = EventKind("acme-account.created")
    package static let acmeAccountChanged = EventKind("acme-account.changed")
}

extension Authority {
    private static let accountColumns = """
        m.id, m.jwk, m.account, a.name, m.contacts, m.deactivated, m.hosts, m.seconds
        FROM acme_accounts m JOIN accounts a ON a.id = m.account
        """

    private static func acmeAccount(_ row: borrowing Row) throws -> ACMEAccount {
        ACMEAccount(
            id: row.text(0), key: try AccountKey(try JSONValue(parsing: row.text(1))), account: row.int(2),
            accountName: row.text(3), contacts: row.text(4).split(separator: "\n").map(String.init),
            isDeactivated: row.int(5) != 0, hosts: row.text(6).split(separator: " ").map(String.init),
            seconds: row.int(7))
    }

    /// The account that a key has; nil for none.
    package func acmeAccount(key: AccountKey) async throws -> ACMEAccount? {
        let thumbprint = key.thumbprint
        return try await journal.find { reader in
            try reader.first(
                "SELECT \(Self.accountColumns) WHERE m.thumbprint = ?", .init(thumbprint), map: Self.acmeAccount)
        }
    }

    /// The account with an id, if it may order anything.
    ///
    /// - Throws: ``ACMEError`` `.accountDoesNotExist`, `.unauthorized` where it was deactivated or its owner suspended.
    package func acmeAccount(_ id: String) async throws -> ACMEAccount {
        let found = try await journal.find { reader in
            try reader.first(
                "SELECT \(Self.accountColumns) WHERE m.id = ?", .init(id), map: Self.acmeAccount)
        }
        guard let found else { throw ACMEError(.accountDoesNotExist, "there is no such account") }
        guard !found.isDeactivated else { throw ACMEError(.unauthorized, "the account was deactivated") }
        do {
            _ = try await identity.principal(account: found.account, method: .certificate)
        } catch let error as IdentityError {
            throw ACMEError(.unauthorized, error.message)
        }
        return found
    }

    /// Makes an account for a key, bound to an account here (RFC 8555 §7.3.4). What it was bound with is used up.
    ///
    /// - Parameter binding: the message that the client signed with the key that it was given.
    /// - Throws: ``ACMEError``.
    package func createACMEAccount(
        key: AccountKey, contacts: [String], binding: SignedMessage, url: String
    ) async throws -> ACMEAccount {
        let unknown = ACMEError(.unauthorized, "the binding is of an unknown key, or one that was used or has expired")
        guard let kid = binding.keyID, binding.url == url, binding.nonce == nil, kid.utf8.count <= 64,
            let inner = try? AccountKey(try JSONValue(parsing: binding.payload)), inner == key
        else {
            throw ACMEError(.malformed, "the binding has the account's key as payload, 'kid', this 'url' and no nonce")
        }
        guard binding.verify(shared: try await bindingKey(kid)) else { throw unknown }
        let contacts = try Self.checked(contacts)
        let (id, now, thumbprint) = (Hex.encode(randomBytes(12)), Timestamp.now, key.thumbprint)
        return try await journal.write { transaction, events in
            try transaction.lock("enrolment \(kid)")
            let found = try transaction.first(
                """
                SELECT a.id, a.name, a.kind, a.email, e.hosts, e.seconds, a.disabled
                FROM enrolments e JOIN accounts a ON a.id = e.account
                WHERE e.id = ? AND e.hash IS NULL AND e.used IS NULL AND e.expires > ?
                """,
                .init(kid), .init(now.microseconds)
            ) { (holder: Self.holder($0), hosts: $0.text(4), seconds: $0.int(5), isDisabled: $0.int(6) != 0) }
            guard let found, !found.isDisabled else { throw unknown }
            try transaction.run("UPDATE enrolments SET used = ? WHERE id = ?", .init(now.microseconds), .init(kid))
            try transaction.run(
                """
                INSERT INTO acme_accounts (
                    id, thumbprint, jwk, account, contacts, hosts, seconds, deactivated, created)
                VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)
                """,
                .init(id), .init(thumbprint), .init(key.json), .init(found.holder.id),
                .init(contacts.joined(separator: "\n")), .init(found.hosts), .init(found.seconds),
                .init(now.microseconds))
            events.record(.acmeAccountCreated, by: found.holder.name, on: found.holder.name) {
                $0.member("id", id)
                $0.member("binding", kid)
            }
            return ACMEAccount(
                id: id, key: key, account: found.holder.id, accountName: found.holder.name, contacts: contacts,
                isDeactivated: false, hosts: found.hosts.split(separator: " ").map(String.init), seconds: found.seconds)
        }
    }

    /// Changes what an account says, or ends it.
    package func changeACMEAccount(_ account: ACMEAccount, contacts: [String]?, deactivates: Bool) async throws {
        let contacts = try contacts.map { try Self.checked($0) }
        try await journal.write { transaction, events in
            if let contacts {
                try transaction.run(
                    "UPDATE acme_accounts SET contacts = ? WHERE id = ?", .init(contacts.joined(separator: "\n")),
                    .init(account.id))
            }
            if deactivates {
                try transaction.run("UPDATE acme_accounts SET deactivated = 1 WHERE id = ?", .init(account.id))
            }
            events.record(.acmeAccountChanged, by: account.accountName, on: account.accountName) {
                $0.member("id", account.id)
                $0.member("deactivated", deactivates)
            }
        }
    }

    /// Gives an account another key (RFC 8555 §7.3.5).
    ///
    /// - Throws: ``ACMEError`` `.conflict` where another account has it.
    package func changeKey(of account: ACMEAccount, to key: AccountKey) async throws {
        let (json, thumbprint) = (key.json, key.thumbprint)
        try await journal.write { transaction, events in
            try transaction.lock("acme key \(Hex.encode(thumbprint))")
            let other = try transaction.scalar("SELECT 1 FROM acme_accounts WHERE thumbprint = ?", .init(thumbprint))
            guard other == nil else { throw ACMEError(.conflict, "another account has this key") }
            try transaction.run(
                "UPDATE acme_accounts SET jwk = ?, thumbprint = ? WHERE id = ?", .init(json), .init(thumbprint),
                .init(account.id))
            events.record(.acmeAccountChanged, by: account.accountName, on: account.accountName) {
                $0.member("id", account.id)
                $0.member("key", Base64.encodeURL(thumbprint))
            }
        }
    }

    private static func checked(_ contacts: [String]) throws -> [String] {
        let isFine = contacts.allSatisfy {
            $0.hasPrefix("mailto:") && $0.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        }
        guard isFine, contacts.count <= 10, contacts.allSatisfy({ $0.utf8.count <= 300 }) else {
            throw ACMEError(.invalidContact, "contacts are at most 10 addresses such as mailto:ada@example.org")
        }
        return contacts
    }
}
