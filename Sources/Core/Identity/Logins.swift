import Ciphers
import Database
package import Journal
import Wire

extension EventKind {
    package static let loginSucceeded = EventKind("login.succeeded")
    package static let loginFailed = EventKind("login.failed")
    package static let sessionEnded = EventKind("session.ended")
}

extension Identity {
    /// How long a browser's session lasts: 12 hours.
    package static let sessionSeconds: Int64 = 12 * 3600

    /// Checks a password.
    ///
    /// - Throws: ``IdentityError`` `.invalidCredentials` (also for an unknown or disabled account) or `.rateLimited`.
    package func login(name: String, password: String, address: String) async throws -> Principal {
        let account = try await checkPassword(name: name, password: password, address: address).account
        try await journal.write { _, events in
            events.record(.loginSucceeded, by: name, on: name) { $0.member("address", address) }
        }
        return try await principal(account: account, method: .password)
    }

    /// The account whose name and password these are, and the salt of that password. A failure is an event.
    func checkPassword(
        name: String, password: String, address: String
    ) async throws -> (account: Int64, salt: [UInt8]) {
        try throttle.check(name: name, address: address)
        let stored = try await journal.read { reader in
            try reader.first(
                """
                SELECT a.id, a.disabled, p.salt, p.hash, p.cost FROM accounts a
                LEFT JOIN passwords p ON p.account = a.id WHERE a.name = ?
                """,
                .init(name)
            ) { row in
                (
                    id: row.int(0), isDisabled: row.int(1) != 0,
                    hash: row.isNull(2) ? nil : PasswordHash(salt: row.blob(2), bytes: row.blob(3), cost: row.int(4))
                )
            }
        }
        let matches = try await hasher.verify(password, stored?.hash)
        guard matches, let stored, !stored.isDisabled else {
            throttle.failed(name: name, address: address)
            try await journal.write { _, events in
                events.record(.loginFailed, by: "anonymous", on: String(name.prefix(64))) {
                    $0.member("address", address)
                }
            }
            throw IdentityError.invalidCredentials
        }
        throttle.succeeded(name: name)
        return (stored.id, stored.hash?.salt ?? [])
    }

    /// Checks the password of an account that is about to get another one.
    ///
    /// - Throws: ``IdentityError`` as ``login(name:password:address:)``.
    package func checkOwnPassword(_ password: String, of name: String, address: String) async throws {
        _ = try await checkPassword(name: name, password: password, address: address)
    }

    /// Opens a browser session and returns its secret, of which only a hash is kept.
    package func openSession(for principal: Principal) async throws -> String {
        guard let account = principal.accountID else { throw IdentityError.invalidCredentials }
        let secret = randomBytes(32)
        let hash = DigestAlgorithm.sha256.hash(secret)
        let now = Timestamp.now
        try await journal.write { transaction, _ in
            try transaction.run("DELETE FROM sessions WHERE expires < ?", .init(now.microseconds))
            try transaction.run(
                "INSERT INTO sessions (hash, account, created, expires) VALUES (?, ?, ?, ?)", .init(hash),
                .init(account),
                .init(now.microseconds), .init(now.adding(seconds: Self.sessionSeconds).microseconds))
        }
        return Base64.encodeURL(secret)
    }

    /// The principal of a session, or nil where there is no such session (any more).
    package func principal(session secret: String) async throws -> Principal? {
        guard let bytes = Base64.decode(secret), bytes.count == 32 else { return nil }
        let hash = DigestAlgorithm.sha256.hash(bytes)
        let now = Timestamp.now.microseconds
        let account = try await journal.read { reader in
            try reader.scalar("SELECT account FROM sessions WHERE hash = ? AND expires > ?", .init(hash), .init(now))
        }
        guard let account else { return nil }
        do {
            return try await principal(account: account, method: .session)
        } catch is IdentityError {
            return nil
        }
    }

    package func endSession(_ secret: String) async throws {
        guard let bytes = Base64.decode(secret) else { return }
        let hash = DigestAlgorithm.sha256.hash(bytes)
        try await journal.write { transaction, events in
            let name = try transaction.first(
                "SELECT a.name FROM sessions s JOIN accounts a ON a.id = s.account WHERE s.hash = ?", .init(hash)
            ) { $0.text(0) }
            guard let name else { return }
            try transaction.run("DELETE FROM sessions WHERE hash = ?", .init(hash))
            events.record(.sessionEnded, by: name, on: name)
        }
    }
}
