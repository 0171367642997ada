import Ciphers
import Database
package import Journal
import Wire

extension EventKind {
    package static let loginSucceeded = EventKind("login.succeeded")
    package static let loginFailed = EventKind("login.failed")
}

extension Identity {
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
}
