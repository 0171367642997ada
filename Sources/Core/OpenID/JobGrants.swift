import Ciphers
import Database
package import Identity
package import Journal
package import Wire

extension EventKind {
    package static let jobGranted = EventKind("job.granted")
    package static let jobClaimed = EventKind("job.claimed")
    package static let jobEnded = EventKind("job.ended")
    package static let jobRevoked = EventKind("job.revoked")
}

/// What somebody has let jobs do that wait in a queue. It holds no token: a job gets one when it runs.
package struct JobGrant: Sendable {
    package var id: String
    package var account: String
    package var client: String
    package var description: String
    package var scopes: Scopes
    package var audiences: [String]
    /// So many jobs may claim it: those of an array each with their number.
    package var count: Int64
    package var claimed: Int64
    package var created: Timestamp
    /// When it ends in any case.
    package var expires: Timestamp
    package var isRevoked: Bool
}

/// How a job grant is asked for.
package struct JobGrantWish: Sendable {
    package var scopes: Scopes
    package var audiences: [String]
    package var description: String
    package var count: Int64
    /// Seconds: what the job may wait and run together.
    package var seconds: Int64

    package init(scopes: Scopes, audiences: [String], description: String, count: Int64, seconds: Int64) {
        self.scopes = scopes
        self.audiences = audiences
        self.description = description
        self.count = count
        self.seconds = seconds
    }
}

/// A job's token, and with what it gets the next one.
package struct JobToken: Sendable {
    package var token: String
    package var expiresIn: Int64
    /// Shown once: the next renewal shows it.
    package var renewal: String
    /// In so many seconds the job does best to ask again; not all of an array at once.
    package var renewAfter: Int64
}

/// Tokens for queued jobs (contract: processing.md §6).
///
/// At submission somebody's token is exchanged for a *job grant*, of which the job carries a claim. A job that starts
/// claims its grant, once for each number of an array, and gets a token of an hour; it renews it while it runs. Every
/// renewal looks at the account again: suspended, out of a group, or out of time, and there is no further token.
extension OpenIDProvider {
    package static let jobSecondsMax: Int64 = 60 * 86_400
    package static let jobCountMax: Int64 = 100_000
    private static let jobGrantsMax: Int64 = 10_000
    private static let claimPrefix = "mjc"
    /// For so long a claim with the same nonce gets the same answer.
    private static let repeatSeconds: Int64 = 600
    private static let nonceBytes = 16...256

    /// Exchanges a token for a job grant.
    ///
    /// - Returns: the grant, and the claim that its jobs carry, shown only now.
    /// - Throws: ``OAuthError`` `.invalidScope`, `.invalidTarget`, `.invalidRequest`; `IdentityError` `.limit`.
    package func grantJob(_ wish: JobGrantWish, token text: String) async throws -> (grant: JobGrant, claim: String) {
        let token = try await tokens.accessToken(text)
        let principal = try await identity.principal(ofAccount: token.account)
        guard token.binding == nil else {
            throw OAuthError(.invalidRequest, "a token that is bound to a key is not handed on to jobs")
        }
        // What counts for an hour must not become what counts for weeks, unless somebody has agreed to that.
        let isLasting = token.scopes.contains(Scopes.everything) || token.scopes.contains(Scopes.offline)
        guard isLasting, token.claims["job_id"] == nil else {
            throw OAuthError(
                .insufficientScope, "a job grant is made of a login, or of a token with the scope '\(Scopes.offline)'")
        }
        for name in wish.scopes.names where !token.scopes.cover(name) {
            throw OAuthError(.invalidScope, "the token does not have the scope '\(name.prefix(200))'")
        }
        guard !wish.scopes.isEmpty, !wish.scopes.contains(Scopes.offline) else {
            throw OAuthError(.invalidScope, "a job is granted the scopes that it needs, as storage.read:/collection")
        }
        let audiences = try audiences(wish.audiences, of: try await client(token.client))
        guard token.audiences.contains(where: tokens.isOwn(audience:)) else {
            throw OAuthError(.invalidTarget, "the token is not meant for this node")
        }
        guard (1...Self.jobCountMax).contains(wish.count), (60...Self.jobSecondsMax).contains(wish.seconds) else {
            throw OAuthError(
                .invalidRequest, "a grant is for 1 to \(Self.jobCountMax) jobs, and for a minute up to 60 days")
        }
        let id = TokenAuthority.newGrantID()
        let secret = Self.randomText()
        let now = Timestamp.now
        let grant = JobGrant(
            id: id, account: principal.name, client: token.client, description: String(wish.description.prefix(256)),
            scopes: wish.scopes, audiences: audiences, count: wish.count, claimed: 0, created: now,
            expires: now.adding(seconds: wish.seconds), isRevoked: false)
        var content = GrantContent(scopes: wish.scopes)
        content.audiences = audiences
        content.authentication = token.authentication
        content.authentication?.sessionID = nil
        let document = content.text
        try await journal.write { transaction, events in
            try transaction.lock("job grants of \(token.account)")
            try transaction.run("DELETE FROM job_grants WHERE expires < ?", .init(now.microseconds))
            let open = try transaction.scalar(
                "SELECT count(*) FROM job_grants WHERE account = ?", .init(token.account))
            guard open ?? 0 < Self.jobGrantsMax else {
                throw IdentityError(.limit, "'\(principal.name)' has \(open ?? 0) job grants: revoke some")
            }
            try transaction.run(
                """
                INSERT INTO job_grants
                    (id, account, client, claim, document, description, jobs, created, expires, is_revoked)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)
                """,
                .init(id), .init(token.account), .init(token.client), .init(Self.hash(secret)), .init(document),
                .init(grant.description), .init(grant.count), .init(now.microseconds),
                .init(grant.expires.microseconds))
            events.record(.jobGranted, by: principal.name, on: principal.name) {
                $0.member("grant", id)
                $0.member("scope", wish.scopes.text)
                $0.member("jobs", wish.count)
                $0.member("expires", grant.expires.rfc3339)
            }
        }
        return (grant, "\(Self.claimPrefix)-\(id)-\(secret)")
    }

    private struct Row: Sendable {
        var account: Int64
        var client: String
        var content: GrantContent
        var expires: Timestamp
    }

    private static func refusedJob(_ message: String) -> OAuthError { OAuthError(.invalidGrant, message) }

    /// The first token of a job that starts.
    ///
    /// - Parameters:
    ///   - index: its number in an array, from 0; 0 for a job of its own.
    ///   - job: what the queue calls it, for the token's `job_id`.
    ///   - nonce: a secret of the job's own: who shows it again within ten minutes, since the answer was lost, gets the
    ///     same renewal once more.
    /// - Throws: ``OAuthError`` `.invalidGrant`: also where this number was claimed already; `.invalidRequest`.
    package func claimJob(
        _ claim: String, index: Int64, job: String, nonce: String? = nil, issuer: String
    ) async throws -> JobToken {
        let parts = claim.split(separator: "-", maxSplits: 2).map(String.init)
        guard parts.count == 3, parts[0] == Self.claimPrefix else {
            throw Self.refusedJob("that is no claim of a job grant")
        }
        let (id, hash) = (parts[1], Self.hash(parts[2]))
        let renewal = try await renewal(ofClaim: id, index, nonce: nonce)
        let now = Timestamp.now
        enum Outcome: Sendable { case row(Row), claimed, unknown }
        let outcome: Outcome = try await journal.write { transaction, events in
            let row = try transaction.first(
                """
                SELECT g.account, g.client, g.document, g.expires, g.jobs, g.claim, a.name FROM job_grants g
                JOIN accounts a ON a.id = g.account WHERE g.id = ? AND g.expires > ? AND g.is_revoked = 0
                """,
                .init(id), .init(now.microseconds)
            ) { row in
                (
                    row: Row(
                        account: row.int(0), client: row.text(1), content: try GrantContent(parsing: row.text(2)),
                        expires: Timestamp(microseconds: row.int(3))), jobs: row.int(4), claim: row.blob(5),
                    owner: row.text(6)
                )
            }
            guard let row, constantTimeEquals(row.claim, hash), (0..<row.jobs).contains(index) else { return .unknown }
            let count = try transaction.execute(
                """
                INSERT INTO job_claims (grant_id, number, job, renewal, claimed, renewed) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (grant_id, number) DO NOTHING
                """,
                .init(id), .init(index), .init(String(job.prefix(128))), .init(Self.hash(renewal)),
                .init(now.microseconds), .init(now.microseconds))
            guard count > 0 else {
                let known = try transaction.scalar(
                    """
                    SELECT 1 FROM job_claims
                    WHERE grant_id = ? AND number = ? AND renewal = ? AND claimed > ? AND ended IS NULL
                    """,
                    .init(id), .init(index), .init(Self.hash(renewal)),
                    .init(now.adding(seconds: -Self.repeatSeconds).microseconds))
                return known == nil ? .claimed : .row(row.row)
            }
            events.record(.jobClaimed, by: row.owner, on: row.owner) {
                $0.member("grant", id)
                $0.member("number", index)
                $0.member("job", String(job.prefix(128)))
            }
            return .row(row.row)
        }
        switch outcome {
        case .row(let row):
            return try await jobToken(row, id: id, index: index, job: job, renewal: renewal, issuer: issuer)
        case .claimed:
            throw Self.refusedJob("job \(index) of this grant has claimed its token: a job that starts again renews it")
        case .unknown: throw Self.refusedJob("the job grant is unknown, was revoked, or has ended")
        }
    }

    /// What renews a job's first token: of a nonce always the same one follows.
    private func renewal(ofClaim id: String, _ index: Int64, nonce: String?) async throws -> String {
        guard let nonce else { return Self.randomText() }
        guard Self.nonceBytes.contains(nonce.utf8.count) else {
            throw OAuthError(
                .invalidRequest, "'nonce' has \(Self.nonceBytes.lowerBound) to \(Self.nonceBytes.upperBound) bytes")
        }
        return Base64.encodeURL(
            hmacSHA256(
                key: try await identity.derivingKey("refresh-tokens", refreshKey),
                Array("job claim \(id) \(index) \(nonce)".utf8)))
    }

    /// The next token of a job that runs.
    ///
    /// - Parameter renewal: what came with the token before. It counts until the next one is used, so that an answer
    ///   that got lost ends no job.
    /// - Throws: ``OAuthError`` `.invalidGrant`.
    package func renewJob(_ renewal: String, issuer: String) async throws -> JobToken {
        let hash = Self.hash(renewal)
        let next = Base64.encodeURL(
            hmacSHA256(
                key: try await identity.derivingKey("refresh-tokens", refreshKey), Array(("job " + renewal).utf8)))
        let now = Timestamp.now
        let found = try await journal.write { transaction, _ in
            let found = try transaction.first(
                """
                SELECT c.grant_id, c.number, c.job, g.account, g.client, g.document, g.expires FROM job_claims c
                JOIN job_grants g ON g.id = c.grant_id
                WHERE (c.renewal = ? OR c.previous = ?) AND g.expires > ? AND g.is_revoked = 0 AND c.ended IS NULL
                """,
                .init(hash), .init(hash), .init(now.microseconds)
            ) { row in
                (
                    id: row.text(0), index: row.int(1), job: row.text(2),
                    row: Row(
                        account: row.int(3), client: row.text(4), content: try GrantContent(parsing: row.text(5)),
                        expires: Timestamp(microseconds: row.int(6)))
                )
            }
            guard let found else { return found }
            try transaction.run(
                """
                UPDATE job_claims SET previous = renewal, renewal = ?, renewed = ?
                WHERE grant_id = ? AND number = ? AND renewal = ?
                """,
                .init(Self.hash(next)), .init(now.microseconds), .init(found.id), .init(found.index), .init(hash))
            return found
        }
        guard let found else { throw Self.refusedJob("the job has ended, or its grant was revoked or has ended") }
        return try await jobToken(
            found.row, id: found.id, index: found.index, job: found.job, renewal: next, issuer: issuer)
    }

    /// Notes that a job has ended: it gets no further token, and its last one is taken back.
    package func endJob(_ renewal: String) async throws {
        let hash = Self.hash(renewal)
        let now = Timestamp.now
        try await journal.write { transaction, events in
            let found = try transaction.first(
                """
                SELECT c.grant_id, c.number, c.job, a.name FROM job_claims c JOIN job_grants g ON g.id = c.grant_id
                JOIN accounts a ON a.id = g.account WHERE (c.renewal = ? OR c.previous = ?) AND c.ended IS NULL
                """,
                .init(hash), .init(hash)
            ) { (id: $0.text(0), index: $0.int(1), job: $0.text(2), owner: $0.text(3)) }
            guard let found else { throw Self.refusedJob("the job has ended already, or is none") }
            try transaction.run(
                "UPDATE job_claims SET ended = ? WHERE grant_id = ? AND number = ?", .init(now.microseconds),
                .init(found.id), .init(found.index))
            try Identity.revoke(token: Self.tokenName(found.id, found.index), in: transaction)
            events.record(.jobEnded, by: found.owner, on: found.owner) {
                $0.member("grant", found.id)
                $0.member("number", found.index)
                $0.member("job", found.job)
            }
        }
        identity.noteRevocation()
    }

    /// What stands before the dot in the `jti` of a job's tokens. All of a grant's share its beginning.
    private static func tokenName(_ id: String, _ index: Int64) -> String { "\(id)-\(index)" }

    private func jobToken(
        _ row: Row, id: String, index: Int64, job: String, renewal: String, issuer: String
    ) async throws -> JobToken {
        let principal: Principal
        do {
            principal = try await identity.principal(ofAccount: row.account)
        } catch let error as IdentityError {
            throw Self.refusedJob(error.message)
        }
        var wish = TokenWish(
            account: row.account, client: row.client, scopes: row.content.scopes, grant: Self.tokenName(id, index))
        wish.audiences = row.content.audiences
        wish.authentication = row.content.authentication
        wish.issuer = issuer == tokens.issuer ? nil : issuer
        wish.subject = try await pairwiseSubject(of: row.account, for: try await client(row.client))
        do {
            wish.wlcgGroups = try await wlcgGroups(row.content.scopes, principal)
        } catch let error as OAuthError {
            throw Self.refusedJob(error.message)
        }
        wish.lifetime = min(TokenAuthority.lifetimeSeconds, row.expires.seconds - wish.issued)
        wish.actor = ["sub": .string("job:\(id)/\(index)")]
        wish.claims = [("job_id", .string(job.isEmpty ? "\(id)/\(index)" : job))]
        let token = try await tokens.issue(wish, for: principal)
        // Between half and five sixths of its life, so that an array that starts at once does not renew at once.
        let jitter = Int64.random(in: 0...max(0, wish.lifetime / 3))
        return JobToken(
            token: token, expiresIn: wish.lifetime, renewal: renewal, renewAfter: wish.lifetime / 2 + jitter)
    }

    // MARK: Looking and taking back

    /// The job grants of an account, newest first.
    package func jobGrants(of account: String, limit: Int = 1000) async throws -> [JobGrant] {
        let accountID = try await identity.account(account).id
        return try await journal.read { reader in
            try reader.rows(
                """
                SELECT id, client, description, document, jobs, created, expires, is_revoked,
                    (SELECT count(*) FROM job_claims WHERE grant_id = id)
                FROM job_grants WHERE account = ? AND expires > ? ORDER BY created DESC LIMIT ?
                """,
                .init(accountID), .init(Timestamp.now.microseconds), .init(limit)
            ) { row in
                let content = try GrantContent(parsing: row.text(3))
                return JobGrant(
                    id: row.text(0), account: account, client: row.text(1), description: row.text(2),
                    scopes: content.scopes, audiences: content.audiences, count: row.int(4), claimed: row.int(8),
                    created: Timestamp(microseconds: row.int(5)), expires: Timestamp(microseconds: row.int(6)),
                    isRevoked: row.int(7) != 0)
            }
        }
    }

    /// Takes a job grant back: no job gets a token any more, and those that were given open nothing.
    ///
    /// - Throws: `IdentityError` `.notFound`.
    package func revokeJobs(_ id: String, of account: String, by actor: String) async throws {
        let accountID = try await identity.account(account).id
        try await journal.write { transaction, events in
            let count = try transaction.execute(
                "UPDATE job_grants SET is_revoked = 1 WHERE id = ? AND account = ? AND is_revoked = 0", .init(id),
                .init(accountID))
            guard count > 0 else {
                throw IdentityError(.notFound, "'\(account)' has no job grant '\(id.prefix(64))'")
            }
            try Identity.revoke(token: id, in: transaction)
            events.record(.jobRevoked, by: actor, on: account) {
                $0.member("grant", id)
            }
        }
        identity.noteRevocation()
    }
}
