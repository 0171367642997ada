import Ciphers
import Database
package import Journal
import Wire

extension EventKind {
    package static let loginSucceeded = EventKind("login.succeeded")
    package static let loginFailed = EventKind("login.failed")
}

extension Identity {
    /// Checks a password, and a code where the account's login needs one: for programs that ask a person for both.
    ///
    /// - Throws: ``IdentityError`` `.invalidCredentials` (also for an unknown or disabled account), `.rateLimited`,
    ///   `.codeNeeded`, `.agreementNeeded`.
    package func login(
        name: String, password: String, code: String? = nil, address: String
    ) async throws -> Principal {
        let found = try await checkPassword(name: name, password: password, address: address)
        var factors: [AuthenticationFactor] = [.pwd]
        if found.needsMore {
            guard let code, !code.isEmpty else {
                throw IdentityError(
                    .codeNeeded, "a code of the app that '\(name)' has set up, or a backup code, is needed too")
            }
            try await checkCode(code, account: found.account, name: name, address: address)
            factors += [.otp, .mfa]
        }
        var principal = try await principal(account: found.account, method: .password)
        principal.authentication = Authentication(factors: factors)
        try await journal.write { [factors] _, events in
            events.record(.loginSucceeded, by: name, on: name) {
                $0.member("address", address)
                $0.member("factors", factors.map(\.rawValue))
            }
        }
        return principal
    }

    /// An account whose password was right.
    struct CheckedPassword: Sendable {
        var account: Int64
        /// That of the password.
        var salt: [UInt8]
        /// Whether a login needs a second factor.
        var needsMore: Bool
    }

    /// The account whose name and password these are. A failure is an event.
    func checkPassword(name: String, password: String, address: String) async throws -> CheckedPassword {
        try throttle.check(name: name, address: address)
        let stored = try await journal.read { reader in
            try reader.first(
                """
                SELECT a.id, a.disabled, a.ends, p.salt, p.hash, p.cost, o.account, a.needs_passkey FROM accounts a
                LEFT JOIN passwords p ON p.account = a.id
                LEFT JOIN one_time_passwords o ON o.account = a.id AND o.confirmed = 1 WHERE a.name = ?
                """,
                .init(name)
            ) { row in
                (
                    id: row.int(0),
                    isDisabled: row.int(1) != 0 || (row.intOrNil(2) ?? .max) <= Timestamp.now.microseconds,
                    hash: row.isNull(3) ? nil : PasswordHash(salt: row.blob(3), bytes: row.blob(4), cost: row.int(5)),
                    needsMore: !row.isNull(6) || row.int(7) != 0
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
        // Where more is needed the failures of before stay, or codes could be guessed between right passwords.
        if !stored.needsMore { throttle.succeeded(name: name) }
        return CheckedPassword(account: stored.id, salt: stored.hash?.salt ?? [], needsMore: stored.needsMore)
    }

    /// Checks the password of an account that is about to get another one.
    ///
    /// - Throws: ``IdentityError`` as ``login(name:password:address:)``.
    package func checkOwnPassword(_ password: String, of name: String, address: String) async throws {
        _ = try await checkPassword(name: name, password: password, address: address)
    }
}
