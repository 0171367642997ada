import Ciphers
import Database
package import Identity
package import Journal
package import Wire

extension EventKind {
    package static let consentGiven = EventKind("consent.given")
    package static let consentRefused = EventKind("consent.refused")
    package static let consentWithdrawn = EventKind("consent.withdrawn")
    package static let codeIssued = EventKind("code.issued")
    package static let codeReplayed = EventKind("code.replayed")
}

/// What comes next on the way of an authorization request.
package enum AuthorizationStep: Sendable {
    case answer(AuthorizationAnswer)
    /// Somebody has to log in, perhaps again or with a second factor, and then come back with this in the address.
    case login(after: Int64?, isAgain: Bool, isStrong: Bool)
    /// Somebody is asked whether they agree.
    case consent
}

extension OpenIDProvider {
    /// An authorization code counts for so long, and once.
    private static let codeSeconds: Int64 = 60
    /// A used one is remembered, so that a second use is seen.
    private static let usedCodeSeconds: Int64 = 3600
    private static let pushedSeconds: Int64 = 600

    /// Decides what comes next.
    ///
    /// - Parameter principal: whose browser it is; nil where nobody is logged in.
    package func advance(
        _ request: AuthorizationRequest, principal: Principal?, issuer: String
    ) async throws -> AuthorizationStep {
        func refuse(_ code: OAuthError.Code, _ message: String) -> AuthorizationStep {
            .answer(self.answer(request, OAuthError(code, message), issuer: issuer))
        }
        let isSilent = request.prompts.contains("none")
        guard let principal, let account = principal.accountID, let login = principal.authentication else {
            return isSilent
                ? refuse(.loginRequired, "nobody is logged in")
                : .login(after: request.after, isAgain: false, isStrong: request.wantsMultiFactor)
        }
        if request.isDenied { return refuse(.accessDenied, "'\(principal.name)' has not agreed") }
        let now = Timestamp.now
        let isOther = try await isOther(account, request)
        let isOld: Bool
        if let after = request.after {
            isOld = login.time.microseconds < after
        } else {
            isOld =
                request.maxAge.map { now.seconds - login.time.seconds > $0 } ?? false
                || !request.prompts.isDisjoint(with: ["login", "select_account"])
        }
        let isWeak = request.wantsMultiFactor && !login.isMultiFactor
        if isOther || isOld || (isWeak && request.after == nil) {
            guard !isSilent else { return refuse(.loginRequired, "another login is needed") }
            guard !isOther || request.after == nil else {
                return refuse(.loginRequired, "somebody else is logged in than the application expects")
            }
            return .login(
                after: request.after ?? now.microseconds, isAgain: true, isStrong: request.wantsMultiFactor)
        }
        if isWeak, request.isAcrEssential {
            return refuse(.unmetAuthentication, "the login was not as strong as the application needs it")
        }
        if try await needsConsent(request, account: account) {
            return isSilent ? refuse(.consentRequired, "'\(principal.name)' has not agreed yet") : .consent
        }
        return .answer(try await issueCode(request, to: principal, account, login, issuer: issuer))
    }

    private func isOther(_ account: Int64, _ request: AuthorizationRequest) async throws -> Bool {
        guard let hint = request.idTokenHint, let claims = try? await tokens.signed(hint, type: "jwt") else {
            return false
        }
        return try await claims["sub"]?.string != subject(of: account, for: request.client)
    }

    private func needsConsent(_ request: AuthorizationRequest, account: Int64) async throws -> Bool {
        guard !request.client.isTrusted else { return false }
        let given = try await journal.find { reader in
            try reader.first(
                "SELECT scopes, created FROM oauth_consents WHERE account = ? AND client = ?", .init(account),
                .init(request.client.id)
            ) { (scopes: $0.text(0), time: $0.int(1)) }
        }
        guard let given else { return true }
        // Asked for by the application: agreed to a minute ago at most is on the way through the page.
        if request.prompts.contains("consent"), Timestamp.now.microseconds - given.time > 60_000_000 { return true }
        return try !Scopes(parsing: given.scopes).cover(request.scopes)
    }

    /// Notes that somebody agrees to what an application asks for.
    package func agree(to request: AuthorizationRequest, by principal: Principal) async throws {
        guard let account = principal.accountID else { throw IdentityError.noAccountToAgree }
        try await journal.write { transaction, events in
            try transaction.lock("consents of \(account)")
            let before = try transaction.first(
                "SELECT scopes FROM oauth_consents WHERE account = ? AND client = ?", .init(account),
                .init(request.client.id)
            ) { $0.text(0) }
            let scopes = try (before.map { try Scopes(parsing: $0) } ?? .none).adding(request.scopes)
            try transaction.run(
                """
                INSERT INTO oauth_consents (account, client, scopes, created) VALUES (?, ?, ?, ?)
                ON CONFLICT (account, client) DO UPDATE SET scopes = excluded.scopes, created = excluded.created
                """,
                .init(account), .init(request.client.id), .init(scopes.text), .init(Timestamp.now.microseconds))
            events.record(.consentGiven, by: principal.name, on: request.client.id) {
                $0.member("scope", request.scopes.text)
            }
        }
    }

    package func noteRefusal(of request: AuthorizationRequest, by principal: Principal) async throws {
        try await journal.write { _, events in
            events.record(.consentRefused, by: principal.name, on: request.client.id) {
                $0.member("scope", request.scopes.text)
            }
        }
    }

    private func issueCode(
        _ request: AuthorizationRequest, to principal: Principal, _ account: Int64, _ login: Authentication,
        issuer: String
    ) async throws -> AuthorizationAnswer {
        var content = GrantContent(scopes: request.scopes)
        content.audiences = request.audiences
        content.authentication = login
        content.nonce = request.nonce
        content.idTokenClaims = request.idTokenClaims
        content.userinfoClaims = request.userinfoClaims
        content.keyThumbprint = request.keyThumbprint
        content.issuer = issuer == tokens.issuer ? nil : issuer
        content.redirectURI = request.redirectURI
        content.challenge = request.challenge
        let (code, document, client) = (Self.randomText(), content.text, request.client.id)
        let grant = TokenAuthority.newGrantID()
        let now = Timestamp.now
        try await journal.write { transaction, events in
            try transaction.run("DELETE FROM oauth_codes WHERE expires < ?", .init(now.microseconds))
            try transaction.run(
                """
                INSERT INTO oauth_codes (hash, client, account, grant_id, document, used, expires)
                VALUES (?, ?, ?, ?, ?, 0, ?)
                """,
                .init(Self.hash(code)), .init(client), .init(account), .init(grant), .init(document),
                .init(now.adding(seconds: Self.codeSeconds).microseconds))
            if let session = login.sessionID {
                try transaction.run("DELETE FROM oauth_sessions WHERE expires < ?", .init(now.microseconds))
                try transaction.run(
                    """
                    INSERT INTO oauth_sessions (session, client, account, expires) VALUES (?, ?, ?, ?)
                    ON CONFLICT (session, client) DO NOTHING
                    """,
                    .init(session), .init(client), .init(account),
                    .init(now.adding(seconds: Identity.sessionSeconds).microseconds))
            }
            events.record(.codeIssued, by: principal.name, on: client) {
                $0.member("grant", grant)
                $0.member("scope", request.scopes.text)
            }
        }
        return answer(request, [("code", code)], issuer: issuer)
    }

    package func answer(_ request: AuthorizationRequest, _ error: OAuthError, issuer: String) -> AuthorizationAnswer {
        answer(request, [("error", error.code.rawValue), ("error_description", error.message)], issuer: issuer)
    }

    /// RFC 9207: every answer says whose it is.
    private func answer(
        _ request: AuthorizationRequest, _ parameters: [(name: String, value: String)], issuer: String
    ) -> AuthorizationAnswer {
        AuthorizationAnswer(
            redirectURI: request.redirectURI, responseMode: request.responseMode,
            parameters: parameters + (request.state.map { [("state", $0)] } ?? []) + [("iss", issuer)])
    }

    // MARK: Codes

    /// What a code stands for, once.
    ///
    /// - Throws: ``OAuthError`` `.invalidGrant`. A code that comes again takes back what it gave.
    func redeem(code: String, verifier: String?, redirectURI: String?, client: Client) async throws
        -> (account: Int64, grant: String, content: GrantContent)
    {
        let hash = Self.hash(code)
        let now = Timestamp.now
        enum Outcome: Sendable { case fresh(Int64, String, String), replayed, none }
        let outcome: Outcome = try await journal.write { transaction, events in
            try transaction.lock("code \(Hex.encode(hash.prefix(8)))")
            let row = try transaction.first(
                "SELECT client, account, grant_id, document, used, expires FROM oauth_codes WHERE hash = ?",
                .init(hash)
            ) { row in
                (
                    client: row.text(0), account: row.int(1), grant: row.text(2), document: row.text(3),
                    isUsed: row.int(4) != 0, expires: row.int(5)
                )
            }
            guard let row, row.client == client.id else { return .none }
            guard !row.isUsed else {
                try transaction.run("DELETE FROM oauth_grants WHERE id = ?", .init(row.grant))
                try Identity.revoke(token: row.grant, in: transaction)
                events.record(.codeReplayed, by: client.id, on: client.id) { $0.member("grant", row.grant) }
                return .replayed
            }
            guard row.expires > now.microseconds else { return .none }
            try transaction.run(
                "UPDATE oauth_codes SET used = 1, expires = ? WHERE hash = ?",
                .init(now.adding(seconds: Self.usedCodeSeconds).microseconds), .init(hash))
            return .fresh(row.account, row.grant, row.document)
        }
        let refused = OAuthError(.invalidGrant, "the code is unknown, was used already, or has expired")
        guard case .fresh(let account, let grant, let document) = outcome else {
            if case .replayed = outcome { identity.noteRevocation() }
            throw refused
        }
        let content = try GrantContent(parsing: document)
        guard redirectURI == nil && client.redirectURIs.count == 1 || redirectURI == content.redirectURI else {
            throw OAuthError(.invalidGrant, "redirect_uri is not the one that the code was asked for with")
        }
        guard Self.isAnswered(content.challenge, by: verifier) else {
            throw OAuthError(.invalidGrant, "code_verifier is not the one that code_challenge was made from")
        }
        return (account, grant, content)
    }

    /// PKCE (RFC 7636 §4.6), S256 only. A verifier without a challenge is refused as well: somebody took it away.
    private static func isAnswered(_ challenge: String?, by verifier: String?) -> Bool {
        guard let challenge else { return verifier == nil }
        guard let verifier, (43...128).contains(verifier.utf8.count) else { return false }
        return constantTimeEquals(hash(verifier), Base64.decode(challenge) ?? [])
    }

    // MARK: Pushed requests

    private static let pushedPrefix = "urn:ietf:params:oauth:request_uri:"

    /// Keeps an authorization request for its client (RFC 9126).
    package func push(_ query: QueryItems, client: Client) async throws -> (uri: String, expiresIn: Int64) {
        guard query["request_uri"] == nil else {
            throw OAuthError(.invalidRequest, "a request that is pushed has no request_uri")
        }
        var full = QueryItems(
            query.items.filter { item in
                !["client_secret", "client_assertion", "client_assertion_type"].contains(item.name)
                    && !item.name.hasPrefix(AuthorizationRequest.ownPrefix)
            })
        if full["client_id"] == nil { full.items.append(("client_id", client.id)) }
        // A signed one is opened now, while it counts, and kept as what it says.
        full = try await opened(full, client)
        do {
            _ = try await authorizationRequest(full, isOpened: true)
        } catch let refusal as AuthorizationRefusal where !client.requiresPushedRequests {
            throw refusal.error
        } catch let fault as AuthorizationFault {
            throw OAuthError(.invalidRequest, fault.message)
        } catch is AuthorizationRefusal {
            // It is looked at again when it comes back, as a pushed one.
        }
        let (text, encoded) = (Self.randomText(), full.encoded)
        let now = Timestamp.now
        try await journal.write { transaction, _ in
            try transaction.run("DELETE FROM oauth_requests WHERE expires < ?", .init(now.microseconds))
            try transaction.run(
                "INSERT INTO oauth_requests (hash, client, query, expires) VALUES (?, ?, ?, ?)",
                .init(Self.hash(text)), .init(client.id), .init(encoded),
                .init(now.adding(seconds: Self.pushedSeconds).microseconds))
        }
        return (Self.pushedPrefix + text, Self.pushedSeconds)
    }

    func pushedRequest(_ uri: String, client: String) async throws -> QueryItems? {
        guard uri.hasPrefix(Self.pushedPrefix) else { return nil }
        let hash = Self.hash(String(uri.dropFirst(Self.pushedPrefix.count)))
        let now = Timestamp.now.microseconds
        let query = try await journal.find { reader in
            try reader.first(
                "SELECT query FROM oauth_requests WHERE hash = ? AND client = ? AND expires > ?", .init(hash),
                .init(client), .init(now)
            ) { $0.text(0) }
        }
        return query.flatMap { QueryItems(parsing: $0) }
    }
}

extension IdentityError {
    static let noAccountToAgree = IdentityError(.invalidCredentials, "only an account can agree to something")
}
