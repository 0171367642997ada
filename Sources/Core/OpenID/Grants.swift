import Ciphers
import Database
package import Identity
package import Journal
package import Wire

extension EventKind {
    package static let tokenIssued = EventKind("token.issued")
    package static let tokenRefreshed = EventKind("token.refreshed")
    package static let grantRevoked = EventKind("grant.revoked")
}

/// What somebody has let an application do, as they see it.
package struct StandingGrant: Sendable {
    package var id: String
    package var client: String
    package var account: String
    package var scopes: Scopes
    package var created: Timestamp
    package var used: Timestamp
    package var expires: Timestamp
}

/// An application that somebody has let do something in their name.
package struct AllowedApplication: Sendable {
    package var client: String
    /// What people call it.
    package var name: String
    package var scopes: Scopes
    package var since: Timestamp
    /// When it last came for a token while they were away; nil where it never did.
    package var used: Timestamp?
}

/// Refresh tokens. One has two parts: the first names its family and stays, the second changes with each use. The next
/// second part follows from the one before by a key of the node: who asks twice, or on two nodes at once, gets the same
/// answer, and still only hashes are stored.
extension OpenIDProvider {
    /// A refresh token ends when it was not used for 30 days, and after 400 days in any case (WLCG §3.4).
    static let idleSeconds: Int64 = 30 * 86_400
    static let grantSecondsMax: Int64 = 400 * 86_400
    /// The token before counts for a minute more: an answer can get lost, and programs run side by side.
    package static let graceSeconds: Int64 = 60
    private static let partBytes = 32

    private func next(after part: [UInt8], of family: [UInt8]) async throws -> [UInt8] {
        hmacSHA256(key: try await identity.derivingKey("refresh-tokens", refreshKey), family + part)
    }

    /// Begins a family.
    ///
    /// - Returns: the first token, and in how many seconds it ends.
    func openGrant(
        id: String, account: Int64, client: Client, _ content: GrantContent
    ) async throws -> (token: String, expiresIn: Int64) {
        let (family, part) = (randomBytes(Self.partBytes), randomBytes(Self.partBytes))
        let now = Timestamp.now
        // Without offline access it lasts as long as the browser's session.
        let isOffline = content.scopes.contains(Scopes.offline)
        let session = isOffline ? nil : content.authentication?.sessionID
        let seconds = isOffline ? Self.idleSeconds : Identity.sessionSeconds
        let document = content.text
        try await journal.write { transaction, events in
            try transaction.run("DELETE FROM oauth_grants WHERE expires < ?", .init(now.microseconds))
            try transaction.run(
                """
                INSERT INTO oauth_grants
                    (hash, id, client, account, session, document, current, rotated, created, used, expires)
                VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)
                """,
                .init(DigestAlgorithm.sha256.hash(family)), .init(id), .init(client.id), .init(account),
                .init(session), .init(document), .init(DigestAlgorithm.sha256.hash(part)), .init(now.microseconds),
                .init(now.microseconds), .init(now.adding(seconds: seconds).microseconds))
            events.record(.tokenIssued, by: client.id, on: client.id) {
                $0.member("grant", id)
                $0.member("account", account)
                $0.member("scope", content.scopes.text)
            }
        }
        return (Base64.encodeURL(family + part), seconds)
    }

    /// The next token of a family, and what the family stands for. One short transaction.
    ///
    /// - Throws: ``OAuthError`` `.invalidGrant`. A token that was replaced longer ago than the time of grace ends its
    ///   family: it is in two hands.
    func refresh(
        _ token: String, client: Client
    ) async throws -> (token: String, expiresIn: Int64, id: String, account: Int64, content: GrantContent) {
        let refused = OAuthError(.invalidGrant, "the refresh token is unknown, was revoked, or has expired")
        guard let bytes = Base64.decode(token), bytes.count == 2 * Self.partBytes else { throw refused }
        let (family, part) = (Array(bytes.prefix(Self.partBytes)), Array(bytes.suffix(Self.partBytes)))
        let next = try await next(after: part, of: family)
        let hash = DigestAlgorithm.sha256.hash(family)
        let (shown, following) = (DigestAlgorithm.sha256.hash(part), DigestAlgorithm.sha256.hash(next))
        let now = Timestamp.now
        enum Outcome: Sendable { case next(String, Int64, String, Int64), reused, none }
        let outcome: Outcome = try await journal.write { transaction, events in
            let row = try transaction.first(
                """
                SELECT id, account, document, current, previous, rotated, created, client, session FROM oauth_grants
                WHERE hash = ? AND expires > ?
                """,
                .init(hash), .init(now.microseconds)
            ) { row in
                (
                    id: row.text(0), account: row.int(1), document: row.text(2), current: row.blob(3),
                    previous: row.blobOrNil(4), rotated: row.int(5), created: Timestamp(microseconds: row.int(6)),
                    client: row.text(7), session: row.textOrNil(8)
                )
            }
            guard let row, row.client == client.id else { return .none }
            if let session = row.session {
                let isOpen = try transaction.scalar("SELECT 1 FROM sessions WHERE id = ?", .init(session)) != nil
                guard isOpen else {
                    try transaction.run("DELETE FROM oauth_grants WHERE hash = ?", .init(hash))
                    events.record(.grantRevoked, by: client.id, on: client.id) {
                        $0.member("grant", row.id)
                        $0.member("reason", "session-ended")
                    }
                    return .none
                }
            }
            if constantTimeEquals(shown, row.current) {
                let idle = row.session == nil ? Self.idleSeconds : Identity.sessionSeconds
                let expires = min(now.adding(seconds: idle), row.created.adding(seconds: Self.grantSecondsMax))
                try transaction.run(
                    """
                    UPDATE oauth_grants SET previous = current, current = ?, rotated = ?, used = ?, expires = ?
                    WHERE hash = ? AND current = ?
                    """,
                    .init(following), .init(now.microseconds), .init(now.microseconds), .init(expires.microseconds),
                    .init(hash), .init(row.current))
                events.record(.tokenRefreshed, by: client.id, on: client.id) { $0.member("grant", row.id) }
                return .next(row.id, row.account, row.document, expires.seconds - now.seconds)
            }
            if let previous = row.previous, constantTimeEquals(shown, previous),
                constantTimeEquals(following, row.current),
                now.microseconds - row.rotated <= Self.graceSeconds * 1_000_000
            {
                return .next(row.id, row.account, row.document, Self.idleSeconds)
            }
            try transaction.run("DELETE FROM oauth_grants WHERE hash = ?", .init(hash))
            try Identity.revoke(token: row.id, in: transaction)
            events.record(.grantRevoked, by: client.id, on: client.id) {
                $0.member("grant", row.id)
                $0.member("reason", "reused")
            }
            return .reused
        }
        switch outcome {
        case .next(let id, let account, let document, let seconds):
            return (Base64.encodeURL(family + next), seconds, id, account, try GrantContent(parsing: document))
        case .reused:
            identity.noteRevocation()
            throw refused
        case .none: throw refused
        }
    }

    /// The grant that a refresh token is of; nil for what is none.
    private func grant(ofToken token: String) async throws -> (id: String, client: String, account: Int64)? {
        guard let bytes = Base64.decode(token), bytes.count == 2 * Self.partBytes else { return nil }
        let hash = DigestAlgorithm.sha256.hash(Array(bytes.prefix(Self.partBytes)))
        let part = DigestAlgorithm.sha256.hash(Array(bytes.suffix(Self.partBytes)))
        return try await journal.find { reader in
            try reader.first(
                """
                SELECT id, client, account FROM oauth_grants
                WHERE hash = ? AND (current = ? OR previous = ?) AND expires > ?
                """,
                .init(hash), .init(part), .init(part), .init(Timestamp.now.microseconds)
            ) { ($0.text(0), $0.text(1), $0.int(2)) }
        }
    }

    /// Takes a token back (RFC 7009): a refresh token with all that came from it, an access token alone. What is none
    /// of this client's is passed over.
    package func revoke(_ token: String, client: Client) async throws {
        if let grant = try await grant(ofToken: token) {
            guard grant.client == client.id else { return }
            try await revokeGrants([grant.id], reason: "revoked", by: client.id)
        } else if let access = try? await tokens.accessToken(token), access.client == client.id {
            try await identity.revoke(token: access.id, of: client.id, by: client.id)
        }
    }

    func revokeGrants(_ ids: [String], reason: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            for id in ids {
                let client = try transaction.first("SELECT client FROM oauth_grants WHERE id = ?", .init(id)) {
                    $0.text(0)
                }
                try transaction.run("DELETE FROM oauth_grants WHERE id = ?", .init(id))
                try Identity.revoke(token: id, in: transaction)
                events.record(.grantRevoked, by: actor, on: client ?? "") {
                    $0.member("grant", id)
                    $0.member("reason", reason)
                }
            }
        }
        identity.noteRevocation()
    }

    /// What an account has let applications do, after `id`.
    package func grants(of account: String, after id: String = "", limit: Int = 1000) async throws -> [StandingGrant] {
        let accountID = try await identity.account(account).id
        return try await journal.read { reader in
            try reader.rows(
                """
                SELECT id, client, document, created, used, expires FROM oauth_grants
                WHERE account = ? AND id > ? AND expires > ? ORDER BY id LIMIT ?
                """,
                .init(accountID), .init(id), .init(Timestamp.now.microseconds), .init(limit)
            ) { row in
                StandingGrant(
                    id: row.text(0), client: row.text(1), account: account,
                    scopes: try GrantContent(parsing: row.text(2)).scopes,
                    created: Timestamp(microseconds: row.int(3)), used: Timestamp(microseconds: row.int(4)),
                    expires: Timestamp(microseconds: row.int(5)))
            }
        }
    }

    /// The applications that an account has let do something, newest first.
    package func applications(of account: String) async throws -> [AllowedApplication] {
        let accountID = try await identity.account(account).id
        var found = try await journal.find { reader in
            try reader.rows(
                "SELECT client, scopes, created FROM oauth_consents WHERE account = ? ORDER BY client LIMIT 200",
                .init(accountID)
            ) { row in
                AllowedApplication(
                    client: row.text(0), name: row.text(0), scopes: try Scopes(parsing: row.text(1)),
                    since: Timestamp(microseconds: row.int(2)))
            }
        }
        // One that the node's administrators trust is not asked about, and has refresh tokens all the same.
        for grant in try await grants(of: account) {
            guard let index = found.firstIndex(where: { $0.client == grant.client }) else {
                found.append(
                    AllowedApplication(
                        client: grant.client, name: grant.client, scopes: grant.scopes, since: grant.created,
                        used: grant.used))
                continue
            }
            let used = max(found[index].used?.microseconds ?? 0, grant.used.microseconds)
            found[index].used = Timestamp(microseconds: used)
        }
        for index in found.indices {
            if let client = try? await client(found[index].client) { found[index].name = client.name }
        }
        return found.sorted { $0.since.microseconds > $1.since.microseconds }
    }

    /// Takes back what an account has let a client do: its consent, its refresh tokens, and the tokens that came of
    /// them.
    ///
    /// - Throws: `IdentityError` `.notFound` where there is nothing to take back.
    package func withdraw(client: String, of account: String, by actor: String) async throws {
        let accountID = try await identity.account(account).id
        let ids = try await journal.write { transaction, events in
            let count = try transaction.execute(
                "DELETE FROM oauth_consents WHERE account = ? AND client = ?", .init(accountID), .init(client))
            let grants = try transaction.rows(
                "SELECT id FROM oauth_grants WHERE account = ? AND client = ?", .init(accountID), .init(client)
            ) { $0.text(0) }
            guard count > 0 || !grants.isEmpty else {
                throw IdentityError(
                    .notFound, "'\(account)' has let no application '\(client.prefix(128))' do anything")
            }
            events.record(.consentWithdrawn, by: actor, on: client) { $0.member("account", account) }
            return grants
        }
        try await revokeGrants(ids, reason: "withdrawn", by: actor)
    }
}
