import Ciphers
import Database
package import Journal
import Synchronization
package import Wire

extension EventKind {
    package static let appPasswordCreated = EventKind("app-password.created")
    package static let appPasswordDeleted = EventKind("app-password.deleted")
}

/// A password for one program of an account, which can be taken back without changing the account's own.
package struct AppPassword: Sendable {
    package var id: String
    package var account: String
    package var description: String
    package var created: Timestamp
    /// From when on it opens nothing; nil for never.
    package var ends: Timestamp?
}

extension Identity {
    /// App passwords that one account may have.
    private static let appPasswordsMax: Int64 = 100

    /// Makes an app password. It is returned this once. The node makes it of 98 random bits, so a plain hash of it
    /// tells nothing, and it is found by that.
    ///
    /// - Parameter ends: from when on it opens nothing.
    package func createAppPassword(
        account name: String, description: String = "", ends: Timestamp? = nil, by actor: String
    ) async throws -> (id: String, password: String) {
        let password = Self.readablePassword()
        let id = Hex.encode(randomBytes(8))
        try await journal.write { transaction, events in
            let account = try Self.accountID(name, in: transaction)
            let count = try transaction.scalar("SELECT count(*) FROM app_passwords WHERE account = ?", .init(account))
            guard (count ?? 0) < Self.appPasswordsMax else {
                throw IdentityError(
                    .limit, "'\(name)' has \(count ?? 0) app passwords already: delete one that is not used")
            }
            try transaction.run(
                "INSERT INTO app_passwords (hash, id, account, description, created, ends) VALUES (?, ?, ?, ?, ?, ?)",
                .init(Self.hash(appPassword: password)), .init(id), .init(account),
                .init(String(description.prefix(256))), .init(Timestamp.now.microseconds), .init(ends?.microseconds))
            events.record(.appPasswordCreated, by: actor, on: name) {
                $0.member("appPassword", id)
                if let ends { $0.member("ends", ends.rfc3339) }
            }
        }
        return (id, password)
    }

    /// The app passwords of one account, or of all, in the order of their ids, after `id`.
    package func appPasswords(
        account: String?, after id: String = "", limit: Int = 1000
    ) async throws -> [AppPassword] {
        try await journal.read { reader in
            if let account { _ = try Self.accountID(account, in: reader) }
            return try reader.rows(
                """
                SELECT p.id, a.name, p.description, p.created, p.ends FROM app_passwords p JOIN accounts a ON a.id = p.account
                WHERE p.id > ? AND (a.name = ? OR ? = '') ORDER BY p.id LIMIT ?
                """,
                .init(id), .init(account ?? ""), .init(account ?? ""), .init(limit)
            ) { row in
                AppPassword(
                    id: row.text(0), account: row.text(1), description: row.text(2),
                    created: Timestamp(microseconds: row.int(3)),
                    ends: row.intOrNil(4).map { Timestamp(microseconds: $0) })
            }
        }
    }

    /// Whose app password it is.
    package func owner(ofAppPassword id: String) async throws -> String {
        let name = try await journal.find { reader in
            try reader.first(
                "SELECT a.name FROM app_passwords p JOIN accounts a ON a.id = p.account WHERE p.id = ?", .init(id)
            ) { $0.text(0) }
        }
        guard let name else { throw IdentityError(.notFound, "there is no app password '\(id.prefix(64))'") }
        return name
    }

    package func deleteAppPassword(_ id: String, by actor: String) async throws {
        let owner = try await owner(ofAppPassword: id)
        try await journal.write { transaction, events in
            try transaction.run("DELETE FROM app_passwords WHERE id = ?", .init(id))
            events.record(.appPasswordDeleted, by: actor, on: owner) { $0.member("appPassword", id) }
        }
        forgetLogins()
    }

    private static func hash(appPassword: String) -> [UInt8] {
        DigestAlgorithm.sha256.hash(Array(("app password " + appPassword).utf8))
    }

    /// Checks a name with a password or an app password, as programs send them with each request (RFC 7617).
    ///
    /// That a pair is right is remembered for a minute, by a hash under a key that only this process has: a password
    /// takes 80 ms to check. Whether the account is suspended is looked at as for every other credential.
    ///
    /// - Throws: ``IdentityError`` `.invalidCredentials`, `.disabled`, `.rateLimited`, `.codeNeeded` or
    ///   `.agreementNeeded`.
    package func basicLogin(name: String, password: String, address: String) async throws -> Principal {
        let login = try await standingLogin(name: name, password: password, address: address)
        return try await principal(account: login.account, method: login.method)
    }

    /// ``basicLogin(name:password:address:)`` for a connection that goes on: ``principal(of:)`` tells with each
    /// operation who it is now. A pair that comes again within the minute is no new login.
    ///
    /// - Throws: ``IdentityError`` `.invalidCredentials`, also for a disabled account, `.rateLimited`, `.codeNeeded` or
    ///   `.agreementNeeded`.
    package func standingLogin(name: String, password: String, address: String) async throws -> StandingLogin {
        let key = basicLogins.key(name, password)
        if let known = basicLogins[key] { return known }
        let hash = Self.hash(appPassword: password)
        let found = try await journal.find { reader in
            try reader.first(
                """
                SELECT p.account, p.ends FROM app_passwords p JOIN accounts a ON a.id = p.account
                WHERE p.hash = ? AND a.name = ? AND (p.ends IS NULL OR p.ends > ?)
                """,
                .init(hash), .init(name), .init(Timestamp.now.microseconds)
            ) { (account: $0.int(0), ends: $0.intOrNil(1)) }
        }
        let login: StandingLogin
        if let found {
            login = StandingLogin(
                account: found.account, method: .appPassword, credential: hash, ends: found.ends ?? .max)
        } else {
            let found = try await checkPassword(name: name, password: password, address: address)
            // Programs that send a password with each request cannot ask for more.
            guard !found.needsMore else {
                throw IdentityError(
                    .codeNeeded, "the login of '\(name)' needs a second factor: a program gets an app password instead")
            }
            login = StandingLogin(account: found.account, method: .password, credential: found.salt)
        }
        _ = try await principal(account: login.account, method: login.method)
        basicLogins[key] = login
        try await journal.write { [login] _, events in
            events.record(.loginSucceeded, by: name, on: name) {
                $0.member("address", address)
                $0.member("method", login.method.rawValue)
            }
        }
        return login
    }

    /// Who has logged in, as long as the account is not disabled and what it logged in with still counts. What was
    /// found counts for a second.
    ///
    /// - Throws: ``IdentityError`` `.disabled`, `.notFound`, or `.expired` where the password is another by now.
    package func principal(of login: StandingLogin) async throws -> Principal {
        let key = "login \(login.account) \(Hex.encode(login.credential))"
        if let known = principals[key]?.principal { return known }
        let counts = try await journal.find { reader in
            switch login.method {
            case .appPassword:
                try Timestamp.now.microseconds < login.ends
                    && reader.scalar("SELECT 1 FROM app_passwords WHERE hash = ?", .init(login.credential)) != nil
            default:
                // Each password is kept with a salt of its own.
                try reader.scalar(
                    "SELECT 1 FROM passwords WHERE account = ? AND salt = ?", .init(login.account),
                    .init(login.credential)) != nil
            }
        }
        let principal = try await principal(account: login.account, method: login.method)
        guard counts else { throw IdentityError(.expired, "the password that was given does not count any more") }
        principals[key] = KnownPrincipal(principal: principal)
        return principal
    }
}

/// A login that lasts as long as a connection does.
package struct StandingLogin: Sendable {
    var account: Int64
    package var method: AuthenticationMethod
    /// What names the password without telling it.
    var credential: [UInt8]
    /// From when on it counts no more, in microseconds.
    var ends = Int64.max
}

/// Pairs of names and passwords that were right a moment ago.
final class BasicLogins: Sendable {
    /// How long a pair counts: a password that is changed on another node opens things here for so long.
    private static let microsecondsMax: Int64 = 60_000_000
    private static let countMax = 10_000

    private let secret = randomBytes(32)
    private let entries = Mutex<[[UInt8]: (known: StandingLogin, since: Int64)]>([:])

    func key(_ name: String, _ password: String) -> [UInt8] {
        hmacSHA256(key: secret, Array(name.utf8) + [0] + Array(password.utf8))
    }

    subscript(_ key: [UInt8]) -> StandingLogin? {
        get {
            let now = Timestamp.now.microseconds
            return entries.withLock { entries in
                guard let entry = entries[key], now - entry.since < Self.microsecondsMax, now < entry.known.ends else {
                    return nil
                }
                return entry.known
            }
        }
        set {
            let now = Timestamp.now.microseconds
            entries.withLock { entries in
                if entries.count >= Self.countMax { entries = [:] }
                entries[key] = newValue.map { ($0, now) }
            }
        }
    }

    func clear() { entries.withLock { $0 = [:] } }
}
