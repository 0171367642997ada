import Ciphers
import Database
package import Journal
package import Wire

extension EventKind {
    package static let registrationBegun = EventKind("registration.begun")
    package static let registrationConfirmed = EventKind("registration.confirmed")
    package static let registrationApproved = EventKind("registration.approved")
    package static let registrationRejected = EventKind("registration.rejected")
}

/// Somebody who has asked for an account and proved that their e-mail address is theirs.
package struct PendingRegistration: Sendable {
    package var id: String
    package var name: String
    package var displayName: String
    package var email: String
    /// Why, in their own words.
    package var note: String
    package var created: Timestamp
}

extension People {
    /// Registrations that may wait, confirmed or not.
    private static let registrationsMax: Int64 = 5_000
    /// For how long a letter's address can be followed.
    private static let confirmSeconds: Int64 = 86_400

    /// Begins a registration. Whoever asks hears the same whether name and address are free or not: the letter says it.
    ///
    /// - Throws: ``IdentityError`` `.conflict` where nobody may register, `.invalidName`, `.weakPassword`,
    ///   `.rateLimited`.
    package func register(
        name: String, displayName: String, email: String, password: String, note: String, from client: String
    ) async throws {
        guard registration != .off else {
            throw IdentityError(.conflict, "people do not register themselves here: ask an administrator")
        }
        guard sendsMail else { throw Self.noMail }
        try Identity.checkName(name)
        guard !email.isEmpty else { throw IdentityError(.invalidName, "an e-mail address is needed") }
        try Identity.checkEmail(email)
        // One address registers some people in five minutes, not thousands.
        let guesser = "registration=\(client)"
        try identity.throttle.check(name: guesser, address: nil)
        identity.throttle.failed(name: guesser, address: nil)
        let hash = try await identity.hasher.hash(password)
        let (displayName, note) = (Identity.cleaned(displayName), Identity.cleaned(note, max: 2048))
        let (now, id) = (Timestamp.now, Hex.encode(randomBytes(8)))
        try await journal.write { transaction, events in
            try transaction.run(
                "DELETE FROM registrations WHERE confirmed = 0 AND created < ?",
                .init(now.adding(seconds: -Self.confirmSeconds).microseconds))
            let count = try transaction.scalar(
                "SELECT count(*) FROM (SELECT 1 FROM registrations LIMIT \(Self.registrationsMax)) found")
            guard (count ?? 0) < Self.registrationsMax else {
                throw IdentityError(.rateLimited, "too many registrations wait already: try again later")
            }
            let owner = try transaction.first(
                "SELECT name FROM accounts WHERE lower(email) = lower(?) AND email <> ''", .init(email)
            ) { $0.text(0) }
            if let owner {
                return try identity.post(
                    to: email, "You have an account already",
                    "Somebody asked for an account on \(nodeName) with this address. You have one: '\(owner)'.\n\n"
                        + "Log in: \(address)/login\nForgotten password: \(address)/reset\n", in: transaction)
            }
            if try transaction.scalar("SELECT 1 FROM accounts WHERE lower(name) = lower(?)", .init(name)) != nil {
                return try identity.post(
                    to: email, "Choose another name",
                    "You asked for an account on \(nodeName) with the name '\(name)', which somebody else has. "
                        + "Register again with another one:\n\n\(address)/register\n", in: transaction)
            }
            try transaction.run(
                """
                INSERT INTO registrations (
                    id, name, display_name, email, note, salt, hash, cost, confirmed, created)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)
                """,
                .init(id), .init(name), .init(displayName), .init(email), .init(note), .init(hash.salt),
                .init(hash.bytes), .init(hash.cost), .init(now.microseconds))
            var content = JSONObject()
            content["registration"] = .string(id)
            let ticket = try Identity.issueTicket(
                .registration, account: nil, content: content, seconds: Self.confirmSeconds, in: transaction)
            try identity.post(
                to: email, "Confirm your registration",
                "Somebody, probably you, asked for the account '\(name)' on \(nodeName). To confirm that this address "
                    + "is yours, open within a day:\n\n\(address)/register/\(ticket)\n\n"
                    + "If it was not you, do nothing.\n", in: transaction)
            events.record(.registrationBegun, by: "anonymous", on: name) { $0.member("registration", id) }
        }
    }

    /// Confirms the e-mail address of a registration.
    ///
    /// - Returns: whether there is an account now; otherwise somebody has to approve.
    /// - Throws: ``IdentityError`` `.expired`; `.exists` where somebody else has taken the name meanwhile.
    package func confirmRegistration(_ ticket: String) async throws -> Bool {
        let id = try await journal.write { transaction, events in
            let content = try Identity.redeem(ticket, .registration, in: transaction).content
            let id = content["registration"]?.string ?? ""
            guard
                let name = try transaction.first(
                    "SELECT name FROM registrations WHERE id = ?", .init(id),
                    map: {
                        $0.text(0)
                    })
            else { throw Identity.expiredTicket }
            try transaction.run("UPDATE registrations SET confirmed = 1 WHERE id = ?", .init(id))
            events.record(.registrationConfirmed, by: "anonymous", on: name) { $0.member("registration", id) }
            return id
        }
        guard registration == .open else { return false }
        try await approveRegistration(id, by: Principal.system("registration"))
        return true
    }

    /// The registrations that wait for approval, oldest first.
    package func registrations(limit: Int = 1000) async throws -> [PendingRegistration] {
        try await journal.read { reader in
            try reader.rows(
                """
                SELECT id, name, display_name, email, note, created FROM registrations WHERE confirmed = 1
                ORDER BY created LIMIT ?
                """,
                .init(limit), map: Self.registration)
        }
    }

    private static func registration(_ row: borrowing Row) -> PendingRegistration {
        PendingRegistration(
            id: row.text(0), name: row.text(1), displayName: row.text(2), email: row.text(3), note: row.text(4),
            created: Timestamp(microseconds: row.int(5)))
    }

    /// Makes the account, and writes to whom it is.
    ///
    /// - Throws: ``IdentityError`` `.notFound`; `.exists` where somebody else has name or address meanwhile.
    package func approveRegistration(_ id: String, by actor: String) async throws {
        let pending = try await pending(id)
        try await journal.write { transaction, events in
            try Identity.insert(pending, in: transaction, &events, by: actor)
            guard try transaction.execute("DELETE FROM registrations WHERE id = ?", .init(id)) == 1 else {
                throw Self.noRegistration(id)
            }
            events.record(.registrationApproved, by: actor, on: pending.name) { $0.member("registration", id) }
            if sendsMail {
                try identity.post(
                    to: pending.email, "Your account is ready",
                    "Your account '\(pending.name)' on \(nodeName) is ready.\n\nLog in: \(address)/login\n",
                    in: transaction)
            }
        }
    }

    private func pending(_ id: String) async throws -> Identity.NewAccount {
        let found = try await journal.find { reader in
            try reader.first(
                """
                SELECT name, display_name, email, salt, hash, cost FROM registrations WHERE id = ? AND confirmed = 1
                """,
                .init(id)
            ) { row in
                Identity.NewAccount(
                    name: row.text(0), displayName: row.text(1), email: row.text(2),
                    password: row.isNull(3)
                        ? nil : PasswordHash(salt: row.blob(3), bytes: row.blob(4), cost: row.int(5))
                )
            }
        }
        guard let found else { throw Self.noRegistration(id) }
        return found
    }

    /// Declines a registration, and writes so with the reason, if there is one.
    ///
    /// - Throws: ``IdentityError`` `.notFound`.
    package func rejectRegistration(_ id: String, reason: String, by actor: String) async throws {
        let pending = try await pending(id)
        let reason = Identity.cleaned(reason, max: 1024)
        try await journal.write { transaction, events in
            guard try transaction.execute("DELETE FROM registrations WHERE id = ?", .init(id)) == 1 else {
                throw Self.noRegistration(id)
            }
            events.record(.registrationRejected, by: actor, on: pending.name) { $0.member("registration", id) }
            if sendsMail {
                try identity.post(
                    to: pending.email, "Your registration was declined",
                    "The account '\(pending.name)' that you asked for on \(nodeName) was declined"
                        + (reason.isEmpty ? ".\n" : ":\n\n\(reason)\n"), in: transaction)
            }
        }
    }

    private static func noRegistration(_ id: String) -> IdentityError {
        IdentityError(.notFound, "there is no registration '\(id.prefix(64))' that waits")
    }
}
