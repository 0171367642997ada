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

/// What a browser answers that was asked for a passkey.
package struct PasskeyAnswer: Sendable {
    /// The passkey's id.
    var credential: [UInt8]
    /// The account's lasting name, as the authenticator says; empty where it says none.
    var user: [UInt8]
    var assertion: Assertion

    package init(credential: [UInt8], user: [UInt8], assertion: Assertion) {
        self.credential = credential
        self.user = user
        self.assertion = assertion
    }
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

    /// - Throws: ``IdentityError`` `.notFound`; `.conflict` for the last one where the login asks for it.
    package func removePasskey(_ id: String, of name: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let account = try Self.accountID(name, in: transaction)
            try transaction.lock("passkeys \(account)")
            let count = try transaction.execute(
                "DELETE FROM passkeys WHERE id = ? AND account = ?", .init(id), .init(account))
            guard count == 1 else { throw IdentityError(.notFound, "'\(name)' has no passkey '\(id.prefix(64))'") }
            if try Self.needsPasskey(account: account, in: transaction) {
                let left = try transaction.scalar("SELECT 1 FROM passkeys WHERE account = ? LIMIT 1", .init(account))
                guard left != nil else {
                    throw IdentityError(
                        .conflict, "a passkey is asked for after the password: change that before the last one goes")
                }
            }
            events.record(.passkeyRemoved, by: actor, on: name) { $0.member("passkey", id) }
        }
    }

    /// Logs in with a passkey. It is two factors at once: the key, and what its holder showed to it.
    ///
    /// - Throws: ``IdentityError`` `.invalidCredentials`, `.expired`, `.rateLimited`.
    package func login(_ answer: PasskeyAnswer, address: String) async throws -> LoginStep {
        let account = try await check(answer, of: nil, address: address)
        return try await proceed(account: account, factors: [.hwk, .user, .mfa], address: address)
    }

    /// Checks an authenticator's answer, and uses its challenge up. A failure is an event.
    ///
    /// - Parameter account: whose password was right a moment ago; nil where the passkey says who it is.
    /// - Returns: the passkey's account.
    /// - Throws: ``IdentityError`` `.invalidCredentials`, `.expired`, `.rateLimited`.
    func check(_ answer: PasskeyAnswer, of account: Int64?, address: String) async throws -> Int64 {
        // Passkeys have no name: failures are counted by address, behind which there may be many people.
        try throttle.check(name: nil, address: address)
        let assertion = answer.assertion
        try await checkChallenge(assertion.challenge, account: account)
        let stored = try await journal.find { reader in
            try reader.first(
                """
                SELECT p.account, p.key, p.sign_count, a.name, a.uuid FROM passkeys p
                JOIN accounts a ON a.id = p.account
                WHERE p.credential = ?
                """,
                .init(answer.credential)
            ) { row in
                (
                    account: row.int(0), key: row.blob(1), signCount: row.int(2), name: row.text(3), uuid: row.text(4)
                )
            }
        }
        let count = Int64(assertion.signCount)
        guard let stored, let key = PublicKey(bytes: stored.key), assertion.isSigned(by: key),
            account == nil || account == stored.account,
            // Who was asked for certain passkeys need not be told whose they are (§7.2).
            answer.user == Self.userHandle(stored.uuid) || (account != nil && answer.user.isEmpty),
            // A count that does not rise is that of a copy (§6.1.1).
            count > stored.signCount || (count == 0 && stored.signCount == 0)
        else {
            let name = stored?.name ?? "unknown"
            throttle.failed(name: nil, address: address)
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
                .init(Timestamp.now.microseconds), .init(answer.credential))
        }
        return stored.account
    }
}
