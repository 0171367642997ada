import Ciphers
import Crypto
import Database
package import Journal
import Vault
import Wire

extension EventKind {
    package static let oneTimePasswordSet = EventKind("one-time-password.set")
    package static let oneTimePasswordRemoved = EventKind("one-time-password.removed")
    package static let backupCodesMade = EventKind("backup-codes.made")
    package static let backupCodeUsed = EventKind("backup-code.used")
}

/// Codes of an app on somebody's phone (TOTP, RFC 6238), and backup codes for when it is lost.
extension Identity {
    /// A code counts for so long, and also in the step before and the step after: clocks differ.
    private static let stepSeconds: Int64 = 30
    private static let backupCodeCount = 10

    /// Makes a secret for an app. It counts once the first code of it has come:
    /// ``confirmOneTimePassword(_:of:by:)``. Until then what was before stays.
    ///
    /// - Returns: the secret in base32 (RFC 4648 §6), 160 bits.
    /// - Throws: ``IdentityError`` `.conflict` where the account has one already.
    package func prepareOneTimePassword(of name: String) async throws -> String {
        let secret = randomBytes(20)
        let id = Hex.encode(randomBytes(8))
        let sealed = try master.seal(secret, label: Self.label(oneTimePassword: id))
        try await journal.write { transaction, _ in
            let account = try Self.accountID(name, in: transaction)
            let confirmed = try transaction.scalar(
                "SELECT 1 FROM one_time_passwords WHERE account = ? AND confirmed = 1", .init(account))
            guard confirmed == nil else {
                throw IdentityError(.conflict, "codes are set up already: remove them before you set up new ones")
            }
            try transaction.run("DELETE FROM one_time_passwords WHERE account = ?", .init(account))
            try transaction.run(
                """
                INSERT INTO one_time_passwords (id, account, sealed, confirmed, last_step, created)
                VALUES (?, ?, ?, 0, 0, ?)
                """,
                .init(id), .init(account), .init(sealed), .init(Timestamp.now.microseconds))
        }
        return Base32.encode(secret)
    }

    /// The secret that waits for its first code; nil where none does.
    package func preparedOneTimePassword(of name: String) async throws -> String? {
        let stored = try await journal.find { reader in
            try Self.storedSecret(account: try Self.accountID(name, in: reader), confirmed: false, in: reader)
        }
        return try stored.map { try Base32.encode(open($0)) }
    }

    /// Takes the first code of a new secret: from now on a login with the password needs one, and programs need app
    /// passwords.
    ///
    /// - Returns: backup codes, shown this once.
    /// - Throws: ``IdentityError`` `.invalidCredentials` for a wrong code, `.notFound` where nothing was prepared.
    package func confirmOneTimePassword(_ code: String, of name: String, by actor: String) async throws -> [String] {
        let stored = try await journal.find { reader in
            try Self.storedSecret(account: try Self.accountID(name, in: reader), confirmed: false, in: reader)
        }
        guard let stored else { throw IdentityError(.notFound, "no codes were set up: begin again") }
        guard let step = Self.step(of: code, secret: try open(stored), now: .now) else { throw Self.wrongCode }
        let codes = Self.newBackupCodes()
        try await journal.write { transaction, events in
            let account = try Self.accountID(name, in: transaction)
            let count = try transaction.execute(
                "UPDATE one_time_passwords SET confirmed = 1, last_step = ? WHERE id = ? AND confirmed = 0",
                .init(step), .init(stored.id))
            guard count == 1 else { throw IdentityError(.notFound, "no codes were set up: begin again") }
            events.record(.oneTimePasswordSet, by: actor, on: name)
            try Self.store(backupCodes: codes, account: account, in: transaction)
        }
        forgetLogins()
        return codes
    }

    /// Removes the codes of an app, and backup codes where nothing else is asked for after the password.
    ///
    /// - Throws: ``IdentityError`` `.notFound` where there are none.
    package func removeOneTimePassword(of name: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let account = try Self.accountID(name, in: transaction)
            guard try Self.removeOneTimePassword(of: account, name, in: transaction, &events, by: actor) else {
                throw IdentityError(.notFound, "'\(name)' has set up no codes")
            }
            try Self.dropNeedlessBackupCodes(of: account, in: transaction)
        }
    }

    /// - Returns: whether there was something to remove.
    static func removeOneTimePassword(
        of account: Int64, _ name: String, in transaction: Transaction, _ events: inout EventRecorder, by actor: String
    ) throws -> Bool {
        let isSet =
            try transaction.scalar(
                "SELECT 1 FROM one_time_passwords WHERE account = ? AND confirmed = 1", .init(account)) != nil
        let count = try transaction.execute("DELETE FROM one_time_passwords WHERE account = ?", .init(account))
        if isSet { events.record(.oneTimePasswordRemoved, by: actor, on: name) }
        return count > 0
    }

    /// Makes new backup codes, shown this once; the old ones count no more.
    ///
    /// - Throws: ``IdentityError`` `.conflict` where there is nothing that they could stand in for.
    package func renewBackupCodes(of name: String, by actor: String) async throws -> [String] {
        let codes = Self.newBackupCodes()
        try await journal.write { transaction, events in
            let account = try Self.accountID(name, in: transaction)
            guard try Self.needsSecondFactor(account: account, in: transaction) else {
                throw IdentityError(
                    .conflict, "backup codes stand in for codes of an app or a passkey: set these up first")
            }
            try Self.store(backupCodes: codes, account: account, in: transaction)
            events.record(.backupCodesMade, by: actor, on: name)
        }
        return codes
    }

    // MARK: Checking

    /// Takes a code of an account's app, or a backup code, which then is used up. A code of an app counts once.
    ///
    /// - Throws: ``IdentityError`` `.invalidCredentials`, `.rateLimited`.
    func checkCode(_ code: String, account: Int64, name: String, address: String) async throws {
        try throttle.check(name: name, address: address)
        let stored = try await journal.find { try Self.storedSecret(account: account, confirmed: true, in: $0) }
        let step = try stored.flatMap { Self.step(of: code, secret: try open($0), now: .now) }
        let isTaken = try await journal.write { transaction, events in
            if let step {
                return try transaction.execute(
                    "UPDATE one_time_passwords SET last_step = ? WHERE account = ? AND confirmed = 1 AND last_step < ?",
                    .init(step), .init(account), .init(step)) == 1
            }
            guard let hash = Self.hash(backupCode: code, account: account),
                try transaction.execute(
                    "DELETE FROM backup_codes WHERE hash = ? AND account = ?", .init(hash), .init(account)) == 1
            else { return false }
            events.record(.backupCodeUsed, by: name, on: name)
            return true
        }
        guard isTaken else {
            throttle.failed(name: name, address: address)
            try await journal.write { _, events in
                events.record(.loginFailed, by: "anonymous", on: name) {
                    $0.member("address", address)
                    $0.member("step", "code")
                }
            }
            throw Self.wrongCode
        }
        throttle.succeeded(name: name)
    }

    static let wrongCode = IdentityError(.invalidCredentials, "the code is wrong, too old or was used already")

    private struct StoredSecret: Sendable {
        var id: String
        var sealed: [UInt8]
    }

    private static func storedSecret(account: Int64, confirmed: Bool, in reader: Reader) throws -> StoredSecret? {
        try reader.first(
            "SELECT id, sealed FROM one_time_passwords WHERE account = ? AND confirmed = ?", .init(account),
            .init(confirmed)
        ) { StoredSecret(id: $0.text(0), sealed: $0.blob(1)) }
    }

    private func open(_ stored: StoredSecret) throws -> [UInt8] {
        try master.open(stored.sealed, label: Self.label(oneTimePassword: stored.id))
    }

    static func label(oneTimePassword id: String) -> String { "one-time password \(id)" }

    /// The step whose code this is, around `now`; nil where it is of none. Each step is looked at, so that the time
    /// tells nothing.
    static func step(of code: String, secret: [UInt8], now: Timestamp) -> Int64? {
        let digits = code.filter { !$0.isWhitespace }
        let current = now.seconds / stepSeconds
        var found: Int64?
        for step in (current - 1)...(current + 1)
        where constantTimeEquals(Array(Self.code(secret: secret, step: step).utf8), Array(digits.utf8)) {
            found = step
        }
        return found
    }

    /// RFC 4226 §5.3 with SHA-1 and six digits, which all apps know.
    package static func code(secret: [UInt8], step: Int64) -> String {
        let counter = (0..<8).map { UInt8(truncatingIfNeeded: step >> Int64(56 - 8 * $0)) }
        let mac = Array(
            HMAC<Insecure.SHA1>.authenticationCode(for: counter, using: SymmetricKey(data: secret)))
        let offset = Int(mac[19] & 15)
        let number = mac[offset..<(offset + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF
        let text = String(number % 1_000_000)
        return String(repeating: "0", count: 6 - text.count) + text
    }

    // MARK: Backup codes

    /// 98 random bits each, so that a plain hash tells nothing.
    static func newBackupCodes() -> [String] { (0..<backupCodeCount).map { _ in readablePassword() } }

    static func store(backupCodes codes: [String], account: Int64, in transaction: Transaction) throws {
        try transaction.run("DELETE FROM backup_codes WHERE account = ?", .init(account))
        for code in codes {
            try transaction.run(
                "INSERT INTO backup_codes (hash, account) VALUES (?, ?)",
                .init(hash(backupCode: code, account: account)), .init(account))
        }
    }

    /// Nil for what cannot be a backup code. Case, spaces and hyphens mean nothing.
    private static func hash(backupCode code: String, account: Int64) -> [UInt8]? {
        let letters = code.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber) }
        guard letters.utf8.count == 20 else { return nil }
        return DigestAlgorithm.sha256.hash(Array("backup code \(account) \(letters)".utf8))
    }
}
