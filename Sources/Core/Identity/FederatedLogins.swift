import Ciphers
import Database
import Journal
package import Wire

/// Posts a form and gives the answer's body, of at most so many bytes.
package typealias FormPost =
    @Sendable (
        _ url: String, _ fields: QueryItems, _ authorization: String?, _ bytesMax: Int
    ) async throws -> [UInt8]

/// How a login at another provider ended.
package enum FederatedResult: Sendable {
    case step(LoginStep, next: String)
    /// The account that was logged in already can log in so from now on.
    case linked
    /// The provider knows them, and nobody here does.
    case unknown(provider: String, shown: String)
}

/// Logging in at another OpenID provider: code flow with PKCE, state and nonce (OpenID Connect Core 1.0 §3.1).
package final class FederatedLogins: Sendable {
    /// How long somebody may take there.
    package static let seconds: Int64 = 900
    private static let documentBytesMax = 256 << 10
    private static let sessionBytesMax = 255

    private let identity: Identity
    /// Where providers send people back to.
    private let callback: String
    private let keys: RemoteKeys
    private let fetch: DocumentFetch
    private let post: FormPost
    private let discovered = RecentReads<JSONValue>()

    package init(people: People, fetch: @escaping DocumentFetch, post: @escaping FormPost) {
        identity = people.identity
        callback = people.callback
        self.fetch = fetch
        self.post = post
        keys = RemoteKeys.ofIssuers(fetch)
    }

    /// Begins a login.
    ///
    /// - Parameters:
    ///   - next: where to go afterwards.
    ///   - account: who is logged in and wants to add the login; nil for who wants to log in.
    ///   - isStrong: whether a second factor is asked for afterwards, wherever there is one here.
    /// - Returns: where to send the browser, and what it has to bring back in a cookie.
    /// - Throws: ``IdentityError`` `.notFound`, `.unreachable`.
    package func begin(
        _ name: String, next: String, account: Int64?, isStrong: Bool = false
    ) async throws -> (url: String, cookie: String) {
        let provider = try await identity.provider(name).provider
        let endpoint = try await endpoint("authorization_endpoint", of: provider)
        let (state, nonce, verifier) = (Self.random(), Self.random(), Self.random())
        var content = JSONObject()
        content["provider"] = .string(name)
        content["state"] = .string(state)
        content["nonce"] = .string(nonce)
        content["verifier"] = .string(verifier)
        content["next"] = .string(next)
        content["account"] = account.map { .integer($0) }
        if isStrong { content["strong"] = .bool(true) }
        content["expires"] = .integer(Timestamp.now.seconds + Self.seconds)
        let cookie = try await identity.openSessionKey().seal(
            JSONValue.object(content).bytes, authenticating: Self.label)
        let challenge = Base64.encodeURL(DigestAlgorithm.sha256.hash(Array(verifier.utf8)))
        let query = QueryItems([
            ("response_type", "code"), ("client_id", provider.client), ("redirect_uri", callback),
            ("scope", provider.scopes), ("state", state), ("nonce", nonce), ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ])
        return (endpoint + (endpoint.contains("?") ? "&" : "?") + query.encoded, Base64.encodeURL(cookie))
    }

    private static func random() -> String { Base64.encodeURL(randomBytes(32)) }
    private static var label: [UInt8] { Array("federated login".utf8) }

    /// Takes what the provider has sent a browser back with.
    ///
    /// - Parameters:
    ///   - cookie: what the browser was given at the beginning.
    ///   - account: who is logged in now.
    /// - Throws: ``IdentityError`` `.expired` for a login that was not begun in this browser, `.invalidToken`,
    ///   `.unreachable`, `.exists`.
    package func finish(
        _ query: QueryItems, cookie: String, account: Int64?, from client: String
    ) async throws -> FederatedResult {
        let key = try await identity.openSessionKey()
        guard let sealed = Base64.decode(cookie), let plain = try? key.open(sealed, authenticating: Self.label),
            let content = try? JSONValue(parsing: plain), (content["expires"]?.integer ?? 0) > Timestamp.now.seconds,
            let state = content["state"]?.string, let answered = query["state"],
            constantTimeEquals(Array(state.utf8), Array(answered.utf8))
        else { throw Identity.expiredTicket }
        let (provider, secret) = try await identity.provider(content["provider"]?.string ?? "")
        // RFC 9207: an answer of another provider than the one that was asked.
        if let issuer = query["iss"], Issuer.trimmed(issuer) != provider.issuer {
            throw IdentityError(.invalidToken, "the answer is not that of \(provider.title)")
        }
        guard let code = query["code"], !code.isEmpty, code.utf8.count <= 4096 else {
            let reason = query["error"].map { ": \($0.prefix(80))" } ?? ""
            throw IdentityError(.invalidToken, "\(provider.title) has not let you in\(reason)")
        }
        let token = try await redeem(code, content["verifier"]?.string ?? "", provider, secret)
        try await check(token, provider, nonce: content["nonce"]?.string ?? "")
        return try await settle(token, provider, content, account: account, from: client)
    }

    private func redeem(
        _ code: String, _ verifier: String, _ provider: LoginProvider, _ secret: String?
    ) async throws -> UnverifiedToken {
        var fields: [(name: String, value: String?)] = [
            ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", callback),
            ("code_verifier", verifier),
        ]
        var authorization: String?
        if let secret {
            // RFC 6749 §2.3.1: both are form-encoded before they are joined.
            let pair = PercentEncoding.encode(provider.client) + ":" + PercentEncoding.encode(secret)
            authorization = "Basic " + Base64.encode(Array(pair.utf8))
        } else {
            fields.append(("client_id", provider.client))
        }
        let endpoint = try await endpoint("token_endpoint", of: provider)
        let answer: JSONValue
        do {
            answer = try JSONValue(
                parsing: try await post(endpoint, QueryItems(fields), authorization, Self.documentBytesMax))
        } catch {
            throw IdentityError(.unreachable, "\(provider.title) has not answered for its code: \(error)")
        }
        guard let text = answer["id_token"]?.string else {
            throw IdentityError(.invalidToken, "\(provider.title) has given no id_token: is 'openid' among its scopes?")
        }
        return try UnverifiedToken(text)
    }

    /// OpenID Connect Core 1.0 §3.1.3.7.
    private func check(_ token: UnverifiedToken, _ provider: LoginProvider, nonce: String) async throws {
        func refused(_ what: String) -> IdentityError {
            IdentityError(.invalidToken, "the id_token of \(provider.title) \(what)")
        }
        guard token.issuer == provider.issuer else { throw refused("names another issuer") }
        let audiences = token.audiences
        guard audiences.contains(provider.client) else { throw refused("is meant for somebody else") }
        guard audiences.count == 1 || token.claims["azp"]?.string == provider.client else {
            throw refused("is meant for several, and was asked for by another")
        }
        guard let told = token.claims["nonce"]?.string, constantTimeEquals(Array(told.utf8), Array(nonce.utf8)) else {
            throw refused("belongs to another login")
        }
        try token.checkTime(now: Timestamp.now.seconds)
        try await keys.verify(token.jwt, by: provider.issuer)
    }

    private func settle(
        _ token: UnverifiedToken, _ provider: LoginProvider, _ content: JSONValue, account: Int64?,
        from client: String
    ) async throws -> FederatedResult {
        guard let subject = token.claims["sub"]?.string, (1...255).contains(subject.utf8.count),
            !subject.utf8.contains(0)
        else { throw IdentityError(.invalidToken, "the id_token of \(provider.title) names nobody") }
        let shown =
            token.claims["preferred_username"]?.string ?? token.claims["email"]?.string
            ?? token.claims["name"]?.string ?? subject
        let next = content["next"]?.string ?? "/"
        if let asker = content["account"]?.integer {
            guard asker == account else { throw Identity.expiredTicket }
            let name = try await identity.journal.find { try Identity.accountName(asker, in: $0) }
            try await identity.journal.write { transaction, events in
                try Identity.link(
                    issuer: provider.issuer, subject: subject, shown: shown, account: asker, name: name,
                    in: transaction, &events)
            }
            return .linked
        }
        let upstream = UpstreamLogin(
            issuer: provider.issuer, subject: subject,
            session: String((token.claims["sid"]?.string ?? "").prefix(Self.sessionBytesMax)))
        var known = try await identity.linkedAccount(issuer: provider.issuer, subject: subject)
        if known == nil, provider.createsAccounts {
            known = try await create(token, provider, subject: subject, shown: shown)
        }
        guard let known else { return .unknown(provider: provider.title, shown: shown) }
        let isStrong = content["strong"]?.bool == true
        return .step(
            try await identity.login(linked: known, upstream, isStrong: isStrong, address: client), next: next)
    }

    /// Takes the word of a provider that a login there has ended (OpenID Connect Back-Channel Logout 1.0 §2.6):
    /// sessions that it opened here end.
    ///
    /// - Throws: ``IdentityError`` `.invalidToken`, `.expired`, `.unreachable`.
    package func logout(token text: String) async throws {
        func refused(_ what: String) -> IdentityError { IdentityError(.invalidToken, "the logout token \(what)") }
        let token = try UnverifiedToken(text)
        guard let provider = try await identity.providers().first(where: { $0.issuer == token.issuer }) else {
            throw refused("is not that of a provider that people log in with here")
        }
        guard token.audiences.contains(provider.client) else { throw refused("is meant for somebody else") }
        // What an ID token is must not end sessions, nor the other way about.
        guard token.claims["events"]?[Self.logoutEvent]?.object != nil, token.claims["nonce"] == nil else {
            throw refused("is no logout token")
        }
        let (subject, session) = (token.claims["sub"]?.string ?? "", token.claims["sid"]?.string ?? "")
        guard !subject.isEmpty || !session.isEmpty, subject.utf8.count <= Self.sessionBytesMax,
            session.utf8.count <= Self.sessionBytesMax, !subject.utf8.contains(0), !session.utf8.contains(0)
        else { throw refused("names neither a session nor a person") }
        try token.checkTime(now: Timestamp.now.seconds)
        try await keys.verify(token.jwt, by: provider.issuer)
        try await identity.endSessions(
            of: UpstreamLogin(issuer: provider.issuer, subject: subject, session: session),
            by: "provider:\(provider.name)")
    }

    private static let logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

    /// Makes an account for somebody whom nobody knows here. A name that is taken is not theirs.
    private func create(
        _ token: UnverifiedToken, _ provider: LoginProvider, subject: String, shown: String
    ) async throws -> Int64 {
        let isConfirmed = token.claims["email_verified"]?.bool == true
        let email = isConfirmed ? token.claims["email"]?.string ?? "" : ""
        try Identity.checkEmail(email)
        let wanted = token.claims["preferred_username"]?.string ?? String(email.prefix { $0 != "@" })
        try Identity.checkName(wanted)
        let account = Identity.NewAccount(
            name: wanted, displayName: Identity.cleaned(token.claims["name"]?.string ?? ""), email: email)
        return try await identity.journal.write { transaction, events in
            let id = try Identity.insert(account, in: transaction, &events, by: "provider:\(provider.name)")
            try Identity.link(
                issuer: provider.issuer, subject: subject, shown: shown, account: id, name: account.name,
                in: transaction, &events)
            return id
        }
    }

    // MARK: Discovery

    private func endpoint(_ name: String, of provider: LoginProvider) async throws -> String {
        let document: JSONValue
        if let known = discovered[provider.issuer] {
            document = known
        } else {
            do {
                document = try JSONValue(
                    parsing: try await fetch(
                        provider.issuer + "/.well-known/openid-configuration", Self.documentBytesMax))
            } catch {
                throw IdentityError(.unreachable, "\(provider.title) does not answer: try again later")
            }
            guard Issuer.trimmed(document["issuer"]?.string ?? "") == provider.issuer else {
                throw IdentityError(.unreachable, "\(provider.issuer) says that it is another issuer")
            }
            discovered[provider.issuer] = document
        }
        guard let url = document[name]?.string, url.hasPrefix("https://") || Identity.isLoopback(url),
            url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { throw IdentityError(.unreachable, "\(provider.title) names no \(name) that can be used") }
        return url
    }
}
