import Ciphers
import Database
import Identity
package import Journal
import Wire

extension EventKind {
    package static let clientCreated = EventKind("client.created")
    package static let clientChanged = EventKind("client.changed")
    package static let clientDeleted = EventKind("client.deleted")
    package static let clientSecretChanged = EventKind("client.secret-changed")
}

extension OpenIDProvider {
    /// Applications that may register themselves in all; those that administrators made do not count.
    private static let dynamicMax: Int64 = 10_000

    /// A client by its id.
    ///
    /// - Throws: ``OAuthError`` `.invalidClient`.
    package func client(_ id: String) async throws -> Client {
        if let known = clients[id] { return known }
        if let client = Client.builtIn.first(where: { $0.id == id }) { return client }
        let found = try await journal.find { reader in
            try reader.first(
                "SELECT \(Self.clientColumns) FROM oauth_clients WHERE id = ?", .init(id), map: Self.client)
        }
        guard let found else { throw OAuthError(.invalidClient, "there is no client '\(id.prefix(128))'") }
        clients[id] = found
        return found
    }

    /// Clients in the order of their ids, after `id`; those that every node knows come first.
    package func clients(after id: String = "", limit: Int = 1000) async throws -> [Client] {
        let stored = try await journal.read { reader in
            try reader.rows(
                "SELECT \(Self.clientColumns) FROM oauth_clients WHERE id > ? ORDER BY id LIMIT ?", .init(id),
                .init(limit), map: Self.client)
        }
        return (id.isEmpty ? Client.builtIn : []) + stored
    }

    private static var clientColumns: String {
        "id, metadata, secret, registration, account, is_trusted, is_dynamic, created"
    }

    private static func client(_ row: borrowing Row) throws -> Client {
        var client = try Client(id: row.text(0), metadata: JSONValue(parsing: row.text(1), maximumDepth: 8))
        client.secret = row.blobOrNil(2)
        client.registration = row.blobOrNil(3)
        client.account = row.intOrNil(4)
        client.isTrusted = row.int(5) != 0
        client.isDynamic = row.int(6) != 0
        client.created = Timestamp(microseconds: row.int(7))
        return client
    }

    /// Registers a client.
    ///
    /// - Parameters:
    ///   - account: the name of the account as which it acts by itself; a client with client credentials and none gets
    ///     a new one, of the kind software, with its own name.
    ///   - hasRegistration: whether it is to manage its registration itself (RFC 7592).
    /// - Returns: its secret and its registration access token, each shown only now.
    /// - Throws: ``OAuthError`` `.invalidClientMetadata`, `.invalidRedirectURI`; `IdentityError` `.exists`, `.limit`.
    package func addClient(
        _ client: Client, account: String? = nil, hasRegistration: Bool = false, by actor: String
    ) async throws -> (client: Client, secret: String?, registration: String?) {
        try client.check()
        try await checkSector(of: client)
        let secret = client.authentication.hasSecret ? Self.randomText() : nil
        let registration = hasRegistration ? Self.randomText() : nil
        var client = client
        client.secret = secret.map(Self.hash)
        client.registration = registration.map(Self.hash)
        client.created = .now
        if client.grants.contains(.clientCredentials) {
            let name = account ?? client.id
            if account == nil {
                try await identity.createAccount(
                    name: name, kind: .software, displayName: client.name, password: nil, by: actor)
            }
            client.account = try await identity.account(name).id
        }
        let made = client
        try await journal.write { transaction, events in
            try transaction.lock(made.isDynamic ? "oauth clients" : "oauth client \(made.id)")
            if made.isDynamic {
                let count = try transaction.scalar("SELECT count(*) FROM oauth_clients WHERE is_dynamic = 1") ?? 0
                guard count < Self.dynamicMax else {
                    throw IdentityError(.limit, "\(count) applications have registered themselves already")
                }
            }
            let known = try transaction.scalar("SELECT 1 FROM oauth_clients WHERE id = ?", .init(made.id))
            guard known == nil, !Client.builtIn.contains(where: { $0.id == made.id }) else {
                throw IdentityError(.exists, "there is a client '\(made.id)' already")
            }
            try transaction.run(
                """
                INSERT INTO oauth_clients
                    (id, metadata, secret, registration, account, is_trusted, is_dynamic, created, changed)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                .init(made.id), .init(made.metadata), .init(made.secret), .init(made.registration),
                .init(made.account), .init(made.isTrusted), .init(made.isDynamic), .init(made.created.microseconds),
                .init(made.created.microseconds))
            events.record(.clientCreated, by: actor, on: made.id) { $0.member("name", made.name) }
        }
        return (client, secret, registration)
    }

    /// Changes what is registered of a client. Its secret and account stay.
    package func updateClient(_ client: Client, by actor: String) async throws {
        try client.check()
        try await checkSector(of: client)
        try await change(client.id) { transaction, events in
            events.record(.clientChanged, by: actor, on: client.id)
            return try transaction.execute(
                "UPDATE oauth_clients SET metadata = ?, is_trusted = ?, changed = ? WHERE id = ?",
                .init(client.metadata), .init(client.isTrusted), .init(Timestamp.now.microseconds), .init(client.id))
        }
    }

    /// Gives a client another secret. The old one ends at once.
    package func rotateSecret(ofClient id: String, by actor: String) async throws -> String {
        guard try await client(id).authentication.hasSecret else {
            throw OAuthError(.invalidClientMetadata, "the client '\(id)' has no secret")
        }
        let secret = Self.randomText()
        try await change(id) { transaction, events in
            events.record(.clientSecretChanged, by: actor, on: id)
            return try transaction.execute(
                "UPDATE oauth_clients SET secret = ?, changed = ? WHERE id = ?", .init(Self.hash(secret)),
                .init(Timestamp.now.microseconds), .init(id))
        }
        return secret
    }

    /// Removes a client with all that was granted to it. Its account stays.
    package func deleteClient(_ id: String, by actor: String) async throws {
        try await change(id) { transaction, events in
            let grants = try transaction.rows("SELECT id FROM oauth_grants WHERE client = ?", .init(id)) { $0.text(0) }
            for grant in grants { try Identity.revoke(token: grant, in: transaction) }
            for table in ["oauth_grants", "oauth_consents", "oauth_codes", "oauth_requests", "oauth_devices"] {
                try transaction.run("DELETE FROM \(table) WHERE client = ?", .init(id))
            }
            events.record(.clientDeleted, by: actor, on: id)
            return try transaction.execute("DELETE FROM oauth_clients WHERE id = ?", .init(id))
        }
        identity.noteRevocation()
    }

    private func change(
        _ id: String, _ body: @escaping @Sendable (Transaction, inout EventRecorder) throws -> Int
    ) async throws {
        try await journal.write { transaction, events in
            guard try body(transaction, &events) > 0 else {
                let isBuiltIn = Client.builtIn.contains { $0.id == id }
                throw IdentityError(
                    isBuiltIn ? .conflict : .notFound,
                    isBuiltIn ? "the client '\(id)' is built in" : "there is no client '\(id.prefix(128))'")
            }
        }
        clients.clear()
    }
}
