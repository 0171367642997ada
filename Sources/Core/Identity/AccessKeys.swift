import Ciphers
import Database
package import Journal
import Vault
import Wire

extension EventKind {
    package static let keyCreated = EventKind("access-key.created")
    package static let keyChanged = EventKind("access-key.changed")
    package static let keyDeleted = EventKind("access-key.deleted")
}

extension Identity {
    /// Keys that one account may have.
    private static let keysMax = 100

    /// Makes an S3 access key. The secret is returned this once; it is kept only sealed under the master key, since a
    /// SigV4 signature cannot be checked from a hash.
    package func createAccessKey(
        account name: String, description: String = "", by actor: String
    ) async throws -> (id: String, secret: String) {
        let (id, secret) = Self.newKey(prefix: "MRT")
        let sealed = try master.seal(Array(secret.utf8), label: "access key \(id)")
        try await journal.write { transaction, events in
            let account = try Self.accountID(name, in: transaction)
            let count =
                try transaction.scalar("SELECT count(*) FROM access_keys WHERE account = ?", .init(account)) ?? 0
            guard count < Self.keysMax else {
                throw IdentityError(.limit, "'\(name)' has \(count) access keys already: delete one that is not used")
            }
            try transaction.run(
                "INSERT INTO access_keys (id, account, sealed, description, created) VALUES (?, ?, ?, ?, ?)", .init(id),
                .init(account), .init(sealed), .init(String(description.prefix(256))), .init(Timestamp.now.microseconds)
            )
            events.record(.keyCreated, by: actor, on: name) { $0.member("key", id) }
        }
        return (id, secret)
    }

    /// A key id of 20 letters and digits, and a secret: 30 bytes are 40 characters of base64, the length of AWS's.
    static func newKey(prefix: String) -> (id: String, secret: String) {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
        let id = prefix + String(randomBytes(20 - prefix.count).map { alphabet[Int($0 & 31)] })
        return (id, Base64.encode(randomBytes(30)).replacing("/", with: "x").replacing("+", with: "y"))
    }

    /// The keys of one account, or of all, in the order of their ids, after `id`.
    package func accessKeys(account: String?, after id: String = "", limit: Int = 1000) async throws -> [AccessKey] {
        try await journal.read { reader in
            if let account { _ = try Self.accountID(account, in: reader) }
            return try reader.rows(
                """
                SELECT k.id, a.name, k.description, k.created, k.inactive FROM access_keys k JOIN accounts a ON a.id = k.account
                WHERE k.id > ? AND (a.name = ? OR ? = '') ORDER BY k.id LIMIT ?
                """,
                .init(id), .init(account ?? ""), .init(account ?? ""), .init(limit)
            ) { row in
                AccessKey(
                    id: row.text(0), account: row.text(1), description: row.text(2),
                    created: Timestamp(microseconds: row.int(3)), isActive: row.int(4) == 0)
            }
        }
    }

    /// Whose key it is.
    package func owner(ofKey id: String) async throws -> String {
        let name = try await journal.find { reader in
            try reader.first(
                "SELECT a.name FROM access_keys k JOIN accounts a ON a.id = k.account WHERE k.id = ?", .init(id)
            ) { $0.text(0) }
        }
        guard let name else { throw IdentityError(.notFound, "there is no access key '\(id.prefix(64))'") }
        return name
    }

    /// Switches a key on or off. Off, it opens nothing, nor do the URLs that were signed with it.
    package func setActive(_ isActive: Bool, ofKey id: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let owner = try transaction.first(
                "SELECT a.name FROM access_keys k JOIN accounts a ON a.id = k.account WHERE k.id = ?", .init(id)
            ) { $0.text(0) }
            guard let owner else { throw IdentityError(.notFound, "there is no access key '\(id.prefix(64))'") }
            try transaction.run("UPDATE access_keys SET inactive = ? WHERE id = ?", .init(!isActive), .init(id))
            events.record(.keyChanged, by: actor, on: owner) {
                $0.member("key", id)
                $0.member("active", isActive)
            }
        }
        principals.clear()
    }

    package func deleteAccessKey(_ id: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let owner = try transaction.first(
                "SELECT a.name FROM access_keys k JOIN accounts a ON a.id = k.account WHERE k.id = ?", .init(id)
            ) { $0.text(0) }
            guard let owner else { throw IdentityError(.notFound, "there is no access key '\(id.prefix(64))'") }
            try transaction.run("DELETE FROM access_keys WHERE id = ?", .init(id))
            events.record(.keyDeleted, by: actor, on: owner) { $0.member("key", id) }
        }
        principals.clear()
    }

    /// The secret and the owner of an access key; nil if there is no such key.
    ///
    /// - Throws: ``IdentityError`` `.disabled`; `.notFound` for a key that is inactive.
    package func signingSecret(accessKey id: String) async throws -> (secret: [UInt8], principal: Principal)? {
        let cacheKey = "key \(id)"
        if let known = principals[cacheKey], let secret = known.secret { return (secret, known.principal) }
        let found = try await journal.find { reader -> (sealed: [UInt8], principal: Principal)? in
            let row = try reader.first("SELECT sealed, account, inactive FROM access_keys WHERE id = ?", .init(id)) {
                row in (sealed: row.blob(0), account: row.int(1), isActive: row.int(2) == 0)
            }
            guard let row else { return nil }
            guard row.isActive else { throw IdentityError(.notFound, "the access key '\(id.prefix(64))' is inactive") }
            return (row.sealed, try Self.principal(account: row.account, method: .accessKey, in: reader))
        }
        guard let found else { return nil }
        var principal = found.principal
        principal.accessKeyID = id
        let secret = try master.open(found.sealed, label: "access key \(id)")
        principals[cacheKey] = KnownPrincipal(principal: principal, secret: secret)
        return (secret, principal)
    }

    /// An access key of this account for presigned URLs that the node makes itself on the account's behalf, made when
    /// it is first needed. Such URLs end when the key is deleted or the account is disabled, like any other.
    ///
    /// Temporary credentials sign with themselves, so that a URL gives no more than they do and ends with them; so do
    /// those that are made here for whom a token of another issuer speaks.
    package func signingKey(for principal: Principal) async throws
        -> (id: String, secret: [UInt8], sessionToken: String?)
    {
        if let session = principal.session, let id = principal.accessKeyID {
            let known = try await temporaryPrincipal(accessKey: id, token: session.token)
            return (id, known.secret ?? [], session.token)
        }
        if let session = principal.session, let role = session.role, session.token.isEmpty {
            let made = try await temporaryKey(of: session, role, principal)
            return (made.accessKeyID, Array(made.secret.utf8), made.token)
        }
        guard let account = principal.accountID else { throw IdentityError.invalidCredentials }
        let existing = try await journal.find { reader in
            try reader.first(
                "SELECT id FROM access_keys WHERE account = ? AND description = ? AND inactive = 0 ORDER BY created DESC LIMIT 1",
                .init(account), .init(Self.urlSigning)
            ) { $0.text(0) }
        }
        if let existing, let found = try await signingSecret(accessKey: existing) {
            return (existing, found.secret, nil)
        }
        let made = try await createAccessKey(account: principal.name, description: Self.urlSigning, by: principal.name)
        return (made.id, Array(made.secret.utf8), nil)
    }

    static var urlSigning: String { "signed URLs" }
}
