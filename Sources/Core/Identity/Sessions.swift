import Wire

extension Identity {
    /// How long a session of an account itself may last: 15 minutes to 36 hours.
    package static let accountSessionSecondsRange: ClosedRange<Int64> = 900...129_600

    /// A session in a role that assumes another lasts an hour at most, so that nobody goes on for ever.
    package static let chainedSessionSecondsMax: Int64 = 3600

    /// Opens a session in a role. Whether that is allowed was decided before.
    ///
    /// - Parameters:
    ///   - account: who opens it, if that is an account: the session ends with it.
    ///   - policy: a session policy; it was checked before.
    ///   - scopes: of the token that opens it: the session may do no more than that.
    ///   - web: whom that token speaks for: the session ends with the trust in another issuer, and with a token of
    ///     this node's.
    ///   - actor: who opens it, for the journal.
    package func openSession(
        in role: Role, name: String, account: Int64?, seconds: Int64, policy: String?, claims: [String: [String]],
        scopes: Scopes? = nil, of web: WebIdentity? = nil, by actor: String
    ) async throws -> TemporaryCredentials {
        try Self.checkSessionName(name)
        let now = Timestamp.now
        return try await issueTemporaryKey(
            SessionContent(
                account: account, role: role.id, name: name, issued: now, expires: now.adding(seconds: seconds),
                policy: policy, claims: claims, scopes: scopes,
                issuer: web.flatMap { $0.account == nil ? $0.issuer.url : nil }, tokenID: web?.tokenID),
            by: actor, on: role.name)
    }

    /// Credentials for a session that has none: what a token of another issuer opened, for as long as that counts.
    func temporaryKey(of session: TemporarySession, _ role: TemporarySession.AssumedRole, _ principal: Principal)
        async throws -> TemporaryCredentials
    {
        try await issueTemporaryKey(
            SessionContent(
                account: nil, role: role.id, name: session.name, issued: .now, expires: session.expires,
                policy: nil, claims: session.claims, scopes: principal.scopes, issuer: session.issuer),
            by: principal.name, on: role.name)
    }

    /// Opens a session of an account itself, perhaps with fewer rights.
    ///
    /// - Throws: ``IdentityError`` `.invalidCredentials` for a principal that is no account, or is in a session
    ///   already: what a short session may do must not become a long one.
    package func openSession(of principal: Principal, name: String, seconds: Int64, policy: String?) async throws
        -> TemporaryCredentials
    {
        guard let account = principal.accountID, principal.session == nil else {
            throw IdentityError(.invalidCredentials, "a session is opened with an account's own credentials")
        }
        try Self.checkSessionName(name)
        let now = Timestamp.now
        return try await issueTemporaryKey(
            SessionContent(
                account: account, name: name, issued: now, expires: now.adding(seconds: seconds), policy: policy,
                scopes: principal.scopes),
            by: principal.name, on: principal.name)
    }

    private static func checkSessionName(_ name: String) throws {
        let isFine = name.utf8.allSatisfy { c in
            PercentEncoding.isUnreserved(c) && c != UInt8(ascii: "~") || "=,@+".utf8.contains(c)
        }
        guard isFine, (2...64).contains(name.utf8.count) else {
            throw IdentityError(
                .invalidName,
                "'\(name.prefix(80))' is no name of a session: 2 to 64 letters, digits or characters of _=,.@+-")
        }
    }
}
