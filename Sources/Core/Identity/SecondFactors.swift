import Database
package import Journal
package import Wire

extension EventKind {
    package static let secondFactorRequired = EventKind("second-factor.required")
    package static let secondFactorWaived = EventKind("second-factor.waived")
}

/// What somebody proves beside their password, or beside a login elsewhere: a code of an app, a backup code, a passkey.
extension Identity {
    /// What an account has beside its password.
    package struct SecondFactor: Sendable {
        /// Since when an app gives codes; nil where none does.
        package var since: Timestamp?
        /// Backup codes that were not used yet.
        package var backupCodes: Int64
        /// Whether a passkey is asked for after the password.
        package var needsPasskey: Bool
    }

    package func secondFactor(of name: String) async throws -> SecondFactor {
        try await journal.find { reader in
            let account = try Self.accountID(name, in: reader)
            let since = try reader.scalar(
                "SELECT created FROM one_time_passwords WHERE account = ? AND confirmed = 1", .init(account))
            let codes = try reader.scalar("SELECT count(*) FROM backup_codes WHERE account = ?", .init(account))
            return SecondFactor(
                since: since.map { Timestamp(microseconds: $0) }, backupCodes: codes ?? 0,
                needsPasskey: try Self.needsPasskey(account: account, in: reader))
        }
    }

    /// Whether somebody could prove a second factor, whether it is asked for at each login or not.
    package func hasSecondFactor(account: Int64) async throws -> Bool {
        try await journal.find { reader in
            if try Self.needsSecondFactor(account: account, in: reader) { return true }
            return try reader.scalar("SELECT 1 FROM passkeys WHERE account = ? LIMIT 1", .init(account)) != nil
        }
    }

    static func needsPasskey(account: Int64, in reader: Reader) throws -> Bool {
        try reader.scalar("SELECT needs_passkey FROM accounts WHERE id = ?", .init(account)) == 1
    }

    /// Whether each login with the password needs more.
    static func needsSecondFactor(account: Int64, in reader: Reader) throws -> Bool {
        let hasCodes =
            try reader.scalar(
                "SELECT 1 FROM one_time_passwords WHERE account = ? AND confirmed = 1", .init(account)) != nil
        return try hasCodes || needsPasskey(account: account, in: reader)
    }

    /// Has a passkey asked for after the password. Programs then need app passwords.
    ///
    /// - Returns: backup codes, shown this once; none where the account has some.
    /// - Throws: ``IdentityError`` `.conflict` where it has no passkey, or that is so already.
    package func requirePasskey(of name: String, by actor: String) async throws -> [String] {
        let fresh = Self.newBackupCodes()
        let codes = try await journal.write { transaction, events in
            let account = try Self.accountID(name, in: transaction)
            try transaction.lock("passkeys \(account)")
            guard try transaction.scalar("SELECT 1 FROM passkeys WHERE account = ? LIMIT 1", .init(account)) != nil
            else { throw IdentityError(.conflict, "'\(name)' has no passkey: add one first") }
            let count = try transaction.execute(
                "UPDATE accounts SET needs_passkey = 1 WHERE id = ? AND needs_passkey = 0", .init(account))
            guard count == 1 else { throw IdentityError(.conflict, "a passkey is asked for already") }
            events.record(.secondFactorRequired, by: actor, on: name)
            let left = try transaction.scalar("SELECT 1 FROM backup_codes WHERE account = ? LIMIT 1", .init(account))
            guard left == nil else { return [String]() }
            try Self.store(backupCodes: fresh, account: account, in: transaction)
            return fresh
        }
        forgetLogins()
        return codes
    }

    /// Asks for no passkey after the password any more.
    ///
    /// - Throws: ``IdentityError`` `.notFound` where none is asked for.
    package func waivePasskey(of name: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let account = try Self.accountID(name, in: transaction)
            guard try Self.waivePasskey(account: account, name, in: transaction, &events, by: actor) else {
                throw IdentityError(.notFound, "no passkey is asked for after the password of '\(name)'")
            }
            try Self.dropNeedlessBackupCodes(of: account, in: transaction)
        }
    }

    private static func waivePasskey(
        account: Int64, _ name: String, in transaction: Transaction, _ events: inout EventRecorder, by actor: String
    ) throws -> Bool {
        let count = try transaction.execute(
            "UPDATE accounts SET needs_passkey = 0 WHERE id = ? AND needs_passkey = 1", .init(account))
        if count > 0 { events.record(.secondFactorWaived, by: actor, on: name) }
        return count > 0
    }

    /// Backup codes stand in for something else.
    static func dropNeedlessBackupCodes(of account: Int64, in transaction: Transaction) throws {
        guard try !needsSecondFactor(account: account, in: transaction) else { return }
        try transaction.run("DELETE FROM backup_codes WHERE account = ?", .init(account))
    }

    /// Makes the password enough again for somebody who has lost phone and backup codes.
    ///
    /// - Throws: ``IdentityError`` `.notFound` where it is enough.
    package func removeSecondFactor(of name: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let account = try Self.accountID(name, in: transaction)
            let waived = try Self.waivePasskey(account: account, name, in: transaction, &events, by: actor)
            let removed = try Self.removeOneTimePassword(of: account, name, in: transaction, &events, by: actor)
            guard waived || removed else {
                throw IdentityError(.notFound, "the password of '\(name)' is enough to log in")
            }
            try Self.dropNeedlessBackupCodes(of: account, in: transaction)
        }
    }

    // MARK: The second step of a login

    /// What somebody can answer the second step with.
    package struct SecondStep: Sendable {
        /// Whether an app gives codes.
        package var hasApp: Bool
        package var hasBackupCodes: Bool
        /// The ids of the account's passkeys.
        package var passkeys: [[UInt8]]
        package var challenge: [UInt8]
    }

    func secondStep(account: Int64) async throws -> SecondStep {
        var step = try await journal.find { reader in
            func has(_ what: String) throws -> Bool {
                try reader.scalar("SELECT 1 FROM \(what) LIMIT 1", .init(account)) != nil
            }
            return SecondStep(
                hasApp: try has("one_time_passwords WHERE confirmed = 1 AND account = ?"),
                hasBackupCodes: try has("backup_codes WHERE account = ?"),
                passkeys: try reader.rows("SELECT credential FROM passkeys WHERE account = ?", .init(account)) {
                    $0.blob(0)
                }, challenge: [])
        }
        step.challenge = try await challenge(account: account)
        return step
    }
}
