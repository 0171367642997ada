import Ciphers
import Database
package import Journal
package import Wire

extension EventKind {
    package static let sessionOpened = EventKind("session.opened")
    package static let sessionEnded = EventKind("session.ended")
}

/// A session of a browser, as its account and administrators see it.
package struct BrowserSession: Sendable {
    /// Names it without opening it: `sid` in tokens.
    package var id: String
    package var account: String
    package var authentication: Authentication
    /// Where it was opened from.
    package var address: String
    /// What the browser called itself, 256 characters at most.
    package var agent: String
    package var created: Timestamp
    /// When it was last used, to the minute.
    package var seen: Timestamp
    package var expires: Timestamp
}

extension Identity {
    /// How long a browser's session lasts: 12 hours.
    package static let sessionSeconds: Int64 = 12 * 3600

    /// When a session was last used is written this often at most.
    private static let seenSeconds: Int64 = 60

    /// Opens a browser session and returns its secret, of which only a hash is kept.
    ///
    /// - Parameters:
    ///   - factors: by which the account has just proved who it is.
    ///   - upstream: the login at another provider, if that is how.
    ///   - agent: what the browser calls itself.
    package func openSession(
        for principal: Principal, factors: [AuthenticationFactor], upstream: UpstreamLogin? = nil, address: String,
        agent: String
    ) async throws -> String {
        guard let account = principal.accountID else { throw IdentityError.invalidCredentials }
        let secret = randomBytes(32)
        let hash = Self.hash(session: secret)
        let id = Hex.encode(randomBytes(16))
        let now = Timestamp.now
        let authentication = Authentication(factors: factors, time: now, sessionID: id)
        try await journal.write { transaction, events in
            try transaction.run("DELETE FROM sessions WHERE expires < ?", .init(now.microseconds))
            try transaction.run(
                """
                INSERT INTO sessions (
                    hash, id, account, factors, authenticated, address, agent, created, seen, expires, issuer, subject,
                    upstream)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                .init(hash), .init(id), .init(account), .init(authentication.text), .init(now.microseconds),
                .init(address), .init(String(agent.prefix(256))), .init(now.microseconds), .init(now.microseconds),
                .init(now.adding(seconds: Self.sessionSeconds).microseconds), .init(upstream?.issuer),
                .init(upstream?.subject), .init(upstream?.session))
            events.record(.sessionOpened, by: principal.name, on: principal.name) {
                $0.member("session", id)
                $0.member("factors", factors.map(\.rawValue))
            }
        }
        return Base64.encodeURL(secret)
    }

    /// Notes that whoever has a session has proved again, or by more, who they are.
    ///
    /// - Throws: ``IdentityError`` `.notFound` where the session has ended.
    package func renewSession(_ secret: String, factors: [AuthenticationFactor]) async throws {
        let hash = Base64.decode(secret).map(Self.hash(session:)) ?? []
        let authentication = Authentication(factors: factors)
        let count = try await journal.write { transaction, _ in
            try transaction.execute(
                "UPDATE sessions SET factors = ?, authenticated = ? WHERE hash = ? AND expires > ?",
                .init(authentication.text), .init(authentication.time.microseconds), .init(hash),
                .init(authentication.time.microseconds))
        }
        guard count > 0 else { throw IdentityError(.notFound, "the session has ended: log in again") }
    }

    /// The principal of a session, or nil where there is no such session (any more).
    package func principal(session secret: String) async throws -> Principal? {
        guard let bytes = Base64.decode(secret), bytes.count == 32 else { return nil }
        let hash = Self.hash(session: bytes)
        let now = Timestamp.now
        let found = try await journal.find { reader in
            try reader.first(
                "SELECT account, id, factors, authenticated, seen FROM sessions WHERE hash = ? AND expires > ?",
                .init(hash), .init(now.microseconds)
            ) { row in
                (
                    account: row.int(0),
                    authentication: Authentication(
                        factors: Authentication.factors(row.text(2)), time: Timestamp(microseconds: row.int(3)),
                        sessionID: row.text(1)),
                    seen: Timestamp(microseconds: row.int(4))
                )
            }
        }
        guard let found else { return nil }
        do {
            var principal = try await principal(account: found.account, method: .session)
            principal.authentication = found.authentication
            if found.seen.adding(seconds: Self.seenSeconds) < now { try await noteSeen(hash, now) }
            return principal
        } catch is IdentityError {
            return nil
        }
    }

    private func noteSeen(_ hash: [UInt8], _ now: Timestamp) async throws {
        try await journal.write { transaction, _ in
            try transaction.run(
                "UPDATE sessions SET seen = ? WHERE hash = ?", .init(now.microseconds), .init(hash))
        }
    }

    /// The sessions of an account, those used last first.
    package func sessions(of account: String) async throws -> [BrowserSession] {
        let now = Timestamp.now.microseconds
        return try await journal.read { reader in
            try reader.rows(
                """
                SELECT id, factors, authenticated, address, agent, created, seen, expires FROM sessions
                WHERE account = ? AND expires > ? ORDER BY seen DESC LIMIT 1000
                """,
                .init(try Self.accountID(account, in: reader)), .init(now)
            ) { row in
                BrowserSession(
                    id: row.text(0), account: account,
                    authentication: Authentication(
                        factors: Authentication.factors(row.text(1)), time: Timestamp(microseconds: row.int(2)),
                        sessionID: row.text(0)),
                    address: row.text(3), agent: row.text(4), created: Timestamp(microseconds: row.int(5)),
                    seen: Timestamp(microseconds: row.int(6)), expires: Timestamp(microseconds: row.int(7)))
            }
        }
    }

    /// Ends the session that has this secret, if there is one.
    package func endSession(_ secret: String) async throws {
        guard let bytes = Base64.decode(secret) else { return }
        let hash = Self.hash(session: bytes)
        try await journal.write { transaction, events in
            let found = try transaction.first(
                "SELECT a.name, s.id FROM sessions s JOIN accounts a ON a.id = s.account WHERE s.hash = ?", .init(hash)
            ) { (name: $0.text(0), id: $0.text(1)) }
            guard let found else { return }
            try transaction.run("DELETE FROM sessions WHERE hash = ?", .init(hash))
            events.record(.sessionEnded, by: found.name, on: found.name) { $0.member("session", found.id) }
        }
    }

    /// Ends a session of an account by its public name.
    ///
    /// - Throws: ``IdentityError`` `.notFound`.
    package func endSession(id: String, of account: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let count = try transaction.execute(
                "DELETE FROM sessions WHERE id = ? AND account = ?", .init(id),
                .init(try Self.accountID(account, in: transaction)))
            guard count > 0 else {
                throw IdentityError(.notFound, "'\(account)' has no session '\(id.prefix(64))'")
            }
            events.record(.sessionEnded, by: actor, on: account) { $0.member("session", id) }
        }
    }

    /// Ends all sessions of an account, or all but one.
    package func endSessions(of account: String, except kept: String? = nil, by actor: String) async throws {
        try await journal.write { transaction, events in
            let id = try Self.accountID(account, in: transaction)
            try Self.endSessions(of: id, named: account, except: kept, by: actor, in: transaction, &events)
        }
    }

    /// Ends the sessions that were opened by a login at another provider, which has ended there.
    ///
    /// - Parameter login: without a session, all of its subject.
    func endSessions(of login: UpstreamLogin, by actor: String) async throws {
        try await journal.write { transaction, events in
            let (column, value) = login.session.isEmpty ? ("subject", login.subject) : ("upstream", login.session)
            let ended = try transaction.rows(
                """
                SELECT s.id, a.name FROM sessions s JOIN accounts a ON a.id = s.account
                WHERE s.issuer = ? AND s.\(column) = ? ORDER BY s.id LIMIT 1000
                """,
                .init(login.issuer), .init(value)
            ) { (id: $0.text(0), name: $0.text(1)) }
            for session in ended {
                try transaction.run("DELETE FROM sessions WHERE id = ?", .init(session.id))
                events.record(.sessionEnded, by: actor, on: session.name) { $0.member("session", session.id) }
            }
        }
    }

    /// Ends them within a transaction. Each is an event, since applications that were logged in to are told of it.
    static func endSessions(
        of account: Int64, named name: String, except kept: String? = nil, by actor: String,
        in transaction: Transaction, _ events: inout EventRecorder
    ) throws {
        let ended = try transaction.rows(
            "SELECT id FROM sessions WHERE account = ? AND id <> ?", .init(account), .init(kept ?? "")
        ) { $0.text(0) }
        try transaction.run("DELETE FROM sessions WHERE account = ? AND id <> ?", .init(account), .init(kept ?? ""))
        for session in ended {
            events.record(.sessionEnded, by: actor, on: name) { $0.member("session", session) }
        }
    }

    private static func hash(session secret: [UInt8]) -> [UInt8] { DigestAlgorithm.sha256.hash(secret) }
}
