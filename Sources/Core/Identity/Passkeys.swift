import Ciphers
import Database
package import Journal
package import WebAuthn
package import Wire

extension EventKind {
    package static let passkeyAdded = EventKind("passkey.added")
    package static let passkeyRemoved = EventKind("passkey.removed")
}

/// A key in somebody's phone, computer or stick, with which they log in without name and password (WebAuthn Level 3).
package struct Passkey: Sendable {
    package var id: String
    package var description: String
    /// Whether its maker keeps it in more than one place.
    package var isBackedUp: Bool
    package var created: Timestamp
    package var used: Timestamp?
}

extension Identity {
    private static let passkeysMax: Int64 = 50

    /// What an authenticator is told of an account for a new passkey: its lasting name, and the passkeys that it need
    /// not make again.
    package func passkeyRequest(of name: String) async throws -> (user: [UInt8], known: [[UInt8]], challenge: [UInt8]) {
        let account = try await account(name)
        let known = try await journal.find { reader in
            try reader.rows("SELECT credential FROM passkeys WHERE account = ?", .init(account.id)) { $0.blob(0) }
        }
        return (Self.userHandle(account.uuid), known, try await challenge(account: account.id))
    }

    /// The account's UUID as authenticators keep it: its 16 bytes.
    private static func userHandle(_ uuid: String) -> [UInt8] { Hex.decode(uuid.filter { $0 != "-" }) ?? [] }

    /// Keeps a new passkey.
    ///
    /// - Throws: ``IdentityError`` `.expired` for a challenge that is not ours, `.exists`, `.limit`.
    package func addPasskey(
        _ registration: Registration, description: String, to name: String, by actor: String
    ) async throws {
        let account = try await account(name).id
        try await checkChallenge(registration.challenge, account: account)
        let id = Hex.encode(randomBytes(8))
        let description = Self.cleaned(description)
        try await journal.write { transaction, events in
            try transaction.lock("passkeys \(account)")
            let count = try transaction.scalar("SELECT count(*) FROM passkeys WHERE account = ?", .init(account)) ?? 0
            guard count < Self.passkeysMax else {
                throw IdentityError(.limit, "'\(name)' has \(count) passkeys already: remove one that is not used")
            }
            try Self.useChallenge(registration.challenge, in: transaction)
            let added = try transaction.execute(
                """
                INSERT INTO passkeys (
                    credential, id, account, key, sign_count, backed_up, description, created, used)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL) ON CONFLICT DO NOTHING
                """,
                .init(registration.credential.id), .init(id), .init(account), .init(registration.credential.key.bytes),
                .init(Int64(registration.signCount)), .init(registration.isBackedUp), .init(description),
                .init(Timestamp.now.microseconds))
            guard added == 1 else { throw IdentityError(.exists, "this passkey is known already") }
            events.record(.passkeyAdded, by: actor, on: name) {
                $0.member("passkey", id)
                $0.member("description", description)
            }
        }
    }

    /// The passkeys of an account, oldest first.
    package func passkeys(of name: String) async throws -> [Passkey] {
        try await journal.find { reader in
            try reader.rows(
                "SELECT id, description, backed_up, created, used FROM passkeys WHERE account = ? ORDER BY created",
                .init(try Self.accountID(name, in: reader))
            ) { row in
                Passkey(
                    id: row.text(0), description: row.text(1), isBackedUp: row.int(2) != 0,
                    created: Timestamp(microseconds: row.int(3)),
                    used: row.intOrNil(4).map { Timestamp(microseconds: $0) })
            }
        }
    }

    /// - Throws: ``IdentityError`` `.notFound`.
    package func removePasskey(_ id: String, of name: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let account = try Self.accountID(name, in: transaction)
            let count = try transaction.execute(
                "DELETE FROM passkeys WHERE id = ? AND account = ?", .init(id), .init(account))
            guard count == 1 else { throw IdentityError(.notFound, "'\(name)' has no passkey '\(id.prefix(64))'") }
            events.record(.passkeyRemoved, by: actor, on: name) { $0.member("passkey", id) }
        }
    }

    /// Logs in with a passkey. It is two factors at once: the key, and what its holder showed to it.
    ///
    /// - Parameters:
    ///   - credential: the passkey's id, as the browser says.
    ///   - user: the account's lasting name, as the authenticator says; has to be the passkey's.
    /// - Throws: ``IdentityError`` `.invalidCredentials`, `.expired`, `.rateLimited`.
    package func login(
        credential: [UInt8], user: [UInt8], assertion: Assertion, address: String
    ) async throws -> LoginStep {
        // Passkeys have no name: failures are counted by address.
        let guesser = "passkey=\(address)"
        try throttle.check(name: guesser, address: address)
        try await checkChallenge(assertion.challenge, account: nil)
        let stored = try await journal.find { reader in
            try reader.first(
                """
                SELECT p.account, p.key, p.sign_count, a.name, a.uuid FROM passkeys p JOIN accounts a ON a.id = p.account
                WHERE p.credential = ?
                """,
                .init(credential)
            ) { row in
                (
                    account: row.int(0), key: row.blob(1), signCount: row.int(2), name: row.text(3), uuid: row.text(4)
                )
            }
        }
        let count = Int64(assertion.signCount)
        guard let stored, let key = PublicKey(bytes: stored.key), assertion.isSigned(by: key),
            user == Self.userHandle(stored.uuid),
            // A count that does not rise is that of a copy (§6.1.1).
            count > stored.signCount || (count == 0 && stored.signCount == 0)
        else {
            let name = stored?.name ?? "unknown"
            throttle.failed(name: guesser, address: address)
            try await journal.write { _, events in
                events.record(.loginFailed, by: "anonymous", on: name) {
                    $0.member("address", address)
                    $0.member("step", "passkey")
                }
            }
            throw IdentityError(.invalidCredentials, "the passkey is not one that is known here")
        }
        try await journal.write { transaction, _ in
            try Self.useChallenge(assertion.challenge, in: transaction)
            try transaction.run(
                "UPDATE passkeys SET sign_count = ?, used = ? WHERE credential = ?", .init(count),
                .init(Timestamp.now.microseconds), .init(credential))
        }
        return try await proceed(account: stored.account, factors: [.hwk, .user, .mfa], address: address)
    }
}
