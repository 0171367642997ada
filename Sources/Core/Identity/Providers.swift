import Database
package import Journal
import Vault
package import Wire

extension EventKind {
    package static let providerAdded = EventKind("provider.added")
    package static let providerRemoved = EventKind("provider.removed")
    package static let loginLinked = EventKind("account.login-linked")
    package static let loginUnlinked = EventKind("account.login-unlinked")
}

/// An OpenID provider at which people log in instead of here.
package struct LoginProvider: Sendable {
    /// As accounts' names; part of addresses.
    package var name: String
    /// What people call it.
    package var title: String
    /// `iss` of its tokens, without a slash at the end.
    package var issuer: String
    /// Who this node is there.
    package var client: String
    /// What is asked for, with spaces between.
    package var scopes: String
    /// Whether people whom nobody knows here get an account.
    package var createsAccounts: Bool
    package var created: Timestamp

    package init(
        name: String, title: String, issuer: String, client: String, scopes: String, createsAccounts: Bool,
        created: Timestamp
    ) {
        self.name = name
        self.title = title
        self.issuer = issuer
        self.client = client
        self.scopes = scopes
        self.createsAccounts = createsAccounts
        self.created = created
    }
}

/// An account's login at another provider.
package struct LoginLink: Sendable {
    package var issuer: String
    package var subject: String
    /// How the provider calls them.
    package var shown: String
    package var created: Timestamp
}

extension Identity {
    private static let providersMax: Int64 = 20

    /// Lets people log in at another provider.
    ///
    /// - Parameter secret: nil for a public client.
    /// - Throws: ``IdentityError`` `.invalidName`, `.exists`, `.limit`.
    package func addProvider(_ provider: LoginProvider, secret: String?, by actor: String) async throws {
        try Self.checkName(provider.name)
        try Self.checkIssuer(provider.issuer)
        guard (1...255).contains(provider.client.utf8.count), !provider.client.utf8.contains(0) else {
            throw IdentityError(.invalidName, "a client id has 1 to 255 bytes")
        }
        let scopes = provider.scopes.split(separator: " ")
        let isFine = provider.scopes.utf8.allSatisfy { (0x20...0x7E).contains($0) && !"\"\\".utf8.contains($0) }
        guard scopes.contains("openid"), isFine, provider.scopes.utf8.count <= 1000 else {
            throw IdentityError(.invalidName, "the scopes are words in ASCII, and 'openid' is one of them")
        }
        let sealed = try secret.map { try master.seal(Array($0.utf8), label: Self.label(provider: provider.name)) }
        let title = Self.cleaned(provider.title.isEmpty ? provider.name : provider.title)
        try await journal.write { transaction, events in
            try transaction.lock("providers")
            let known = try transaction.scalar(
                "SELECT 1 FROM providers WHERE name = ? OR issuer = ?", .init(provider.name), .init(provider.issuer))
            guard known == nil else {
                throw IdentityError(.exists, "there is a provider of that name, or of that issuer, already")
            }
            guard (try transaction.scalar("SELECT count(*) FROM providers") ?? 0) < Self.providersMax else {
                throw IdentityError(.limit, "there are \(Self.providersMax) providers already")
            }
            try transaction.run(
                """
                INSERT INTO providers (name, title, issuer, client, sealed, scopes, creates, created)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
                .init(provider.name), .init(title), .init(provider.issuer), .init(provider.client), .init(sealed),
                .init(provider.scopes), .init(provider.createsAccounts), .init(Timestamp.now.microseconds))
            events.record(.providerAdded, by: actor, on: provider.name) { $0.member("issuer", provider.issuer) }
        }
    }

    static func label(provider name: String) -> String { "provider \(name)" }

    /// People log in there no longer. Links stay, for when it comes back.
    ///
    /// - Throws: ``IdentityError`` `.notFound`.
    package func removeProvider(_ name: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            guard try transaction.execute("DELETE FROM providers WHERE name = ?", .init(name)) == 1 else {
                throw IdentityError(.notFound, "there is no provider '\(name.prefix(64))'")
            }
            events.record(.providerRemoved, by: actor, on: name)
        }
    }

    /// All providers, in the order of their names; they are few.
    package func providers() async throws -> [LoginProvider] {
        try await journal.find { reader in
            try reader.rows(
                "SELECT name, title, issuer, client, scopes, creates, created FROM providers ORDER BY name"
            ) { row in
                LoginProvider(
                    name: row.text(0), title: row.text(1), issuer: row.text(2), client: row.text(3),
                    scopes: row.text(4), createsAccounts: row.int(5) != 0,
                    created: Timestamp(microseconds: row.int(6)))
            }
        }
    }

    /// A provider and the secret by which it knows this node.
    func provider(_ name: String) async throws -> (provider: LoginProvider, secret: String?) {
        guard let provider = try await providers().first(where: { $0.name == name }) else {
            throw IdentityError(.notFound, "there is no provider '\(name.prefix(64))'")
        }
        let sealed = try await journal.find { reader in
            try reader.first("SELECT sealed FROM providers WHERE name = ?", .init(name)) { $0.blobOrNil(0) }
        }
        let secret = try sealed.flatMap { $0 }.map { try master.open($0, label: Self.label(provider: name)) }
        return (provider, secret.map { String(decoding: $0, as: UTF8.self) })
    }

    // MARK: Links

    /// The logins at other providers that an account has.
    package func links(of name: String) async throws -> [LoginLink] {
        try await journal.find { reader in
            try reader.rows(
                "SELECT issuer, subject, shown, created FROM links WHERE account = ? ORDER BY created",
                .init(try Self.accountID(name, in: reader))
            ) { row in
                LoginLink(
                    issuer: row.text(0), subject: row.text(1), shown: row.text(2),
                    created: Timestamp(microseconds: row.int(3)))
            }
        }
    }

    func linkedAccount(issuer: String, subject: String) async throws -> Int64? {
        try await journal.find { reader in
            try reader.scalar(
                "SELECT account FROM links WHERE issuer = ? AND subject = ?", .init(issuer), .init(subject))
        }
    }

    /// Lets an account log in by somebody's login elsewhere.
    ///
    /// - Throws: ``IdentityError`` `.exists` where it is another account's.
    static func link(
        issuer: String, subject: String, shown: String, account: Int64, name: String, in transaction: Transaction,
        _ events: inout EventRecorder
    ) throws {
        let owner = try transaction.scalar(
            "SELECT account FROM links WHERE issuer = ? AND subject = ?", .init(issuer), .init(subject))
        guard owner == nil || owner == account else {
            throw IdentityError(.exists, "that login belongs to another account here")
        }
        try transaction.run(
            """
            INSERT INTO links (issuer, subject, account, shown, created) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
            """,
            .init(issuer), .init(subject), .init(account), .init(cleaned(shown)), .init(Timestamp.now.microseconds))
        events.record(.loginLinked, by: name, on: name) {
            $0.member("issuer", issuer)
            $0.member("subject", subject)
        }
    }

    /// - Throws: ``IdentityError`` `.notFound`.
    package func unlink(issuer: String, subject: String, of name: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let count = try transaction.execute(
                "DELETE FROM links WHERE issuer = ? AND subject = ? AND account = ?", .init(issuer), .init(subject),
                .init(try Self.accountID(name, in: transaction)))
            guard count == 1 else { throw IdentityError(.notFound, "'\(name)' has no such login") }
            events.record(.loginUnlinked, by: actor, on: name) {
                $0.member("issuer", issuer)
                $0.member("subject", subject)
            }
        }
    }
}
