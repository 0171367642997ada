import Database
package import Journal
import Wire

extension EventKind {
    package static let passwordResetAsked = EventKind("account.password-reset-asked")
    package static let emailConfirmed = EventKind("account.email-confirmed")
}

/// Letters that lead to a new password or prove a new address.
extension People {
    private static let resetSeconds: Int64 = 3600
    private static let emailSeconds: Int64 = 86_400

    /// Writes to whoever has forgotten their password. Whoever asks hears the same for every name, and as soon: what
    /// there is to do is done behind their back.
    ///
    /// - Parameter who: a login name or an e-mail address.
    /// - Throws: ``IdentityError`` `.conflict` where no letters are sent, `.rateLimited`.
    package func requestReset(_ who: String, from client: String) async throws {
        guard sendsMail else { throw Self.noMail }
        let guesser = "reset=\(client)"
        try identity.throttle.check(name: guesser, address: nil)
        try identity.throttle.check(name: "reset \(who.lowercased().prefix(254))", address: nil)
        identity.throttle.failed(name: guesser, address: nil)
        identity.throttle.failed(name: "reset \(who.lowercased().prefix(254))", address: nil)
        guard !who.utf8.contains(0) else { return }
        let origin = RequestOrigin.current
        Task { [self] in
            try await RequestOrigin.$current.withValue(origin) { try await sendReset(who) }
        }
    }

    private func sendReset(_ who: String) async throws {
        try await journal.write { transaction, events in
            let found = try transaction.first(
                """
                SELECT id, name, email FROM accounts
                WHERE (name = ? OR lower(email) = lower(?)) AND email <> '' AND disabled = 0
                """,
                .init(who), .init(who)
            ) { (id: $0.int(0), name: $0.text(1), email: $0.text(2)) }
            guard let found else { return }
            let ticket = try Identity.issueTicket(
                .reset, account: found.id, seconds: Self.resetSeconds, in: transaction)
            try identity.post(
                to: found.email, "A new password",
                "Somebody, probably you, has forgotten the password of '\(found.name)' on \(nodeName). To choose a new "
                    + "one, open within an hour:\n\n\(address)/reset/\(ticket)\n\nIf it was not you, do nothing.\n",
                in: transaction)
            events.record(.passwordResetAsked, by: "anonymous", on: found.name)
        }
    }

    /// Whose password a ticket changes.
    ///
    /// - Throws: ``IdentityError`` `.expired`.
    package func reset(_ ticket: String) async throws -> String {
        try await journal.find { reader in
            guard let account = try Identity.ticket(ticket, .reset, in: reader).account else {
                throw Identity.expiredTicket
            }
            return try Identity.accountName(account, in: reader)
        }
    }

    /// Sets the new password. Codes of an app are asked for as before.
    ///
    /// - Throws: ``IdentityError`` `.expired`, `.weakPassword`.
    package func reset(_ ticket: String, password: String) async throws {
        let name = try await reset(ticket)
        // A password that is too short does not use the ticket up.
        guard password.utf8.count >= 8 else { throw IdentityError(.weakPassword, "a password has 8 to 1,024 bytes") }
        try await journal.write { transaction, _ in _ = try Identity.redeem(ticket, .reset, in: transaction) }
        try await identity.setPassword(password, of: name, by: name)
    }

    /// Writes to an address that somebody says is theirs.
    ///
    /// - Throws: ``IdentityError`` `.conflict` where no letters are sent, `.invalidName`, `.exists`.
    package func requestEmail(_ email: String, of name: String) async throws {
        guard sendsMail else { throw Self.noMail }
        guard !email.isEmpty else { throw IdentityError(.invalidName, "an e-mail address is needed") }
        try Identity.checkEmail(email)
        try identity.throttle.check(name: "email=\(name)", address: nil)
        identity.throttle.failed(name: "email=\(name)", address: nil)
        try await journal.write { transaction, _ in
            let account = try Identity.accountID(name, in: transaction)
            try Identity.checkUnused(email: email, account: account, in: transaction)
            var content = JSONObject()
            content["email"] = .string(email)
            let ticket = try Identity.issueTicket(
                .email, account: account, content: content, seconds: Self.emailSeconds, in: transaction)
            try identity.post(
                to: email, "Confirm your address",
                "To confirm that this is the address of '\(name)' on \(nodeName), open within a day:\n\n"
                    + "\(address)/account/email/\(ticket)\n\nIf this is not you, do nothing.\n", in: transaction)
        }
    }

    /// Takes the address over.
    ///
    /// - Throws: ``IdentityError`` `.expired`, `.exists`.
    package func confirmEmail(_ ticket: String, of name: String) async throws {
        let email = try await journal.write { transaction, events in
            let found = try Identity.redeem(ticket, .email, in: transaction)
            guard found.account == (try Identity.accountID(name, in: transaction)) else { throw Identity.expiredTicket }
            events.record(.emailConfirmed, by: name, on: name)
            return found.content["email"]?.string ?? ""
        }
        try await identity.setDetails(email: email, of: name, by: name)
    }
}
