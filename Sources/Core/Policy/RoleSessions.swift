import Ciphers
import IAMPolicy
package import Identity
package import Journal
import Wire

extension EventKind {
    package static let tokenAccepted = EventKind("token.accepted")
}

/// Opens sessions with temporary credentials for those whom policy lets.
package final class RoleSessions: Sendable {
    /// The longest session policy, in bytes: it travels with every request.
    package static let policyBytesMax = 2048

    /// How a session is asked for.
    package struct Wish: Sendable {
        package var role: String
        /// What the session is to be called.
        package var name: String
        /// Nil for an hour, or less where the role allows less.
        package var seconds: Int64?
        /// A policy that limits the session.
        package var policy: String?
        /// A word that the trust policy may ask for: `sts:ExternalId`.
        package var externalID: String?

        package init(role: String, name: String, seconds: Int64?, policy: String?, externalID: String? = nil) {
            self.role = role
            self.name = name
            self.seconds = seconds
            self.policy = policy
            self.externalID = externalID
        }
    }

    /// What was opened.
    package struct Opened: Sendable {
        package var credentials: TemporaryCredentials
        package var role: Role
    }

    private static let webIdentityAction = "sts:AssumeRoleWithWebIdentity"
    private static let defaultSeconds: Int64 = 3600

    private let identity: Identity
    private let gate: Gate
    private let webIdentities: WebIdentities
    /// Whom tokens of other issuers speak for, by their digest and how they were shown.
    private let bearers = RecentReads<Principal>()
    private let accepted = RecentNames()

    package init(identity: Identity, gate: Gate, webIdentities: WebIdentities) {
        self.identity = identity
        self.gate = gate
        self.webIdentities = webIdentities
    }

    // MARK: Roles

    /// Opens a session in a role for a principal.
    ///
    /// The role's trust policy has to let the principal in, by its own name or through a group. Where it only names
    /// everybody here (`arn:aws:iam::martlet:root`), the principal's own policies have to allow `sts:AssumeRole` on the
    /// role. They may deny it in any case, and so may the policy of the session that it is in.
    ///
    /// - Throws: ``AccessDenied``, also for a role that does not exist; `IdentityError`, ``PolicyStoreError``.
    package func assume(_ wish: Wish, by principal: Principal, _ context: RequestContext) async throws -> Opened {
        let action = "sts:AssumeRole"
        try Self.check(wish.policy)
        let role = try await found(wish.role, principal, action, context)
        var context = context
        context.values["sts:RoleSessionName"] = [wish.name]
        if let id = wish.externalID { context.values["sts:ExternalId"] = [id] }
        let decision = try await mayAssume(role, principal, action, context)
        guard decision.isAllowed else {
            throw try await gate.denied(
                principal, action, on: ResourceName.role(role.name), decision.description, context)
        }
        let seconds = try Self.seconds(
            wish.seconds, max: principal.session == nil ? role.sessionSeconds : Identity.chainedSessionSecondsMax)
        let credentials = try await identity.openSession(
            in: role, name: wish.name, account: principal.accountID ?? principal.session?.account,
            seconds: min(seconds, role.sessionSeconds),
            policy: wish.policy, claims: [:], scopes: principal.scopes, by: principal.name)
        return Opened(credentials: credentials, role: role)
    }

    private func mayAssume(
        _ role: Role, _ principal: Principal, _ action: String, _ context: RequestContext
    ) async throws -> Decision {
        let trust: (name: String, document: PolicyDocument) = (
            "trust of \(role.name)", try PolicyDocument(parsing: role.trust, kind: .trust)
        )
        let names = principal.arns + Self.subjects(of: principal).map(\.text)
        let keys = Gate.conditionKeys(principal, context)
        func request(_ names: [String]) -> PolicyRequest {
            PolicyRequest(
                principals: names, action: action, resources: ResourceName.all(of: ResourceName.role(role.name)),
                context: keys)
        }
        let own = try await gate.policies.applicable(to: principal)
        let direct = request(names).evaluate([trust])
        // Named itself: its own policies need not allow it, but may deny it.
        if direct.isAllowed { return request(names).evaluate([trust] + own) }
        let indirect = request(names + Self.everybody).evaluate([trust])
        return indirect.isAllowed ? request(names).evaluate(own) : indirect
    }

    /// How AWS's policies name everybody of an account.
    private static let everybody = ["arn:aws:iam::martlet:root", "martlet"]

    private static func subjects(of principal: Principal) -> [Attachment] {
        if let role = principal.session?.role { return [.role(role.name)] }
        return [.account(principal.name), .authenticated] + principal.groups.map { .group($0) }
    }

    /// Opens a session in a role for whom a token speaks.
    ///
    /// - Returns: what was opened, and for whom.
    /// - Throws: ``AccessDenied``, also for a role that does not exist; `IdentityError` where the token does not hold.
    package func assume(_ wish: Wish, token: String, _ context: RequestContext) async throws -> (Opened, WebIdentity) {
        try Self.check(wish.policy)
        let web: WebIdentity
        do {
            web = try await webIdentities.verify(token)
        } catch let error as IdentityError {
            _ = try await gate.denied(
                .anonymous, Self.webIdentityAction, on: ResourceName.role(String(wish.role.prefix(80))), error.message,
                context)
            throw error
        }
        guard web.binding == nil else {
            throw IdentityError(.invalidToken, "a token that is bound to a key is not taken in exchange")
        }
        let role = try await role(wish.role, for: web, session: wish.name, context)
        let seconds = try Self.seconds(wish.seconds, max: role.sessionSeconds)
        let remaining = web.expires.seconds - Timestamp.now.seconds
        let credentials = try await identity.openSession(
            in: role, name: wish.name, account: web.account,
            seconds: web.isJobs ? min(seconds, max(remaining, Role.sessionSecondsRange.lowerBound)) : seconds,
            policy: wish.policy, claims: web.sessionKeys, scopes: web.scopes, of: web, by: web.name)
        return (Opened(credentials: credentials, role: role), web)
    }

    /// The role, where its trust policy lets in whom a token speaks for.
    private func role(
        _ name: String, for web: WebIdentity, session: String, _ context: RequestContext
    ) async throws -> Role {
        let action = Self.webIdentityAction
        // Whom the token speaks for is known, though no account here need be theirs.
        var principal = Principal.anonymous
        principal.name = web.name
        principal.method = .token
        let role = try await found(name, principal, action, context, isKnown: true)
        let keys = Gate.conditionKeys(principal, context)
            .merging(web.conditionKeys) { known, _ in known }
            .merging(["aws:FederatedProvider": [web.issuer.arn], "sts:RoleSessionName": [session]]) { $1 }
        let request = PolicyRequest(
            principals: [], federated: web.federatedNames, action: action,
            resources: ResourceName.all(of: ResourceName.role(role.name)), context: keys)
        let trust = try PolicyDocument(parsing: role.trust, kind: .trust)
        let decision = request.evaluate([("trust of \(role.name)", trust)])
        guard decision.isAllowed else {
            throw try await gate.denied(
                principal, action, on: ResourceName.role(role.name), decision.description, context, isKnown: true)
        }
        return role
    }

    // MARK: Tokens of other issuers, shown to a face itself

    /// Whom a token of another issuer speaks for: a session in the role that the issuer was trusted with, where that
    /// role's trust policy lets them in. All of it is looked at again after a second.
    ///
    /// - Parameter shown: the key that whoever sends the token has proved to have.
    /// - Throws: `IdentityError` `.invalidToken`, also where the issuer has no role; ``AccessDenied``.
    package func principal(
        token: String, shown: (name: String, digest: String)?, _ context: RequestContext
    ) async throws -> Principal {
        let digest = Hex.encode(DigestAlgorithm.sha256.hash(Array(token.utf8)))
        let key = "\(digest) \(shown?.digest ?? "") \(context.address) \(context.isSecure)"
        if let known = bearers[key], known.session?.expires ?? .now > .now { return known }
        let web = try await webIdentities.verify(token)
        guard web.isHeld(by: shown) else {
            throw IdentityError(.invalidToken, "the token is bound to a key that its sender has not shown")
        }
        guard let name = web.issuer.role else {
            throw IdentityError(
                .invalidToken, "tokens of '\(web.issuer.url)' are taken by STS only: AssumeRoleWithWebIdentity")
        }
        let session = Self.sessionName(web.subject)
        let role = try await role(name, for: web, session: session, context)
        let principal = Principal.bearer(of: web, in: role, session: session)
        // Its first use is an event, as a login is.
        if accepted.note(digest, seconds: max(1, web.expires.seconds - Timestamp.now.seconds)) {
            try await gate.policies.journal.write { _, events in
                events.record(.tokenAccepted, by: principal.name, on: role.name) {
                    $0.member("issuer", web.issuer.url)
                    $0.member("subject", String(web.subject.prefix(200)))
                    if let scopes = web.scopes { $0.member("scope", scopes.text) }
                }
            }
        }
        bearers[key] = principal
        return principal
    }

    /// A subject as sessions are called: 2 to 64 characters.
    private static func sessionName(_ subject: String) -> String {
        let plain = subject.utf8.prefix(64).map { byte -> UInt8 in
            PercentEncoding.isUnreserved(byte) && byte != UInt8(ascii: "~") || "=,@".utf8.contains(byte)
                ? byte : UInt8(ascii: "-")
        }
        return String(decoding: plain.count < 2 ? plain + [UInt8(ascii: "-")] : plain, as: UTF8.self)
    }

    /// Nobody learns here which roles exist.
    private func found(
        _ name: String, _ principal: Principal, _ action: String, _ context: RequestContext, isKnown: Bool = false
    ) async throws -> Role {
        do {
            return try await identity.role(name)
        } catch let error as IdentityError where error.code == .notFound {
            throw try await gate.denied(
                principal, action, on: ResourceName.role(String(name.prefix(80))),
                "Denied because no statement allows it.", context, isKnown: isKnown)
        }
    }

    // MARK: Accounts

    /// Opens a session of an account with all its rights (STS's GetSessionToken). Everybody may, whom no policy denies
    /// it.
    package func open(for principal: Principal, seconds: Int64?, _ context: RequestContext) async throws
        -> TemporaryCredentials
    {
        let action = "sts:GetSessionToken"
        let resource = ResourceName.account(principal.name)
        let decision = try await gate.decide(principal, action, on: resource, context)
        if case .explicitDeny = decision.reason {
            throw try await gate.denied(principal, action, on: resource, decision.description, context)
        }
        return try await identity.openSession(
            of: principal, name: principal.name.count < 2 ? principal.name + "-" : principal.name,
            seconds: try Self.accountSeconds(seconds), policy: nil)
    }

    /// Opens a session of an account that may do only what a policy allows as well (STS's GetFederationToken).
    package func open(
        for principal: Principal, name: String, policy: String, seconds: Int64?, _ context: RequestContext
    ) async throws -> TemporaryCredentials {
        try Self.check(policy)
        try await gate.require(
            principal, "sts:GetFederationToken", on: ResourceName.account(principal.name), context)
        return try await identity.openSession(
            of: principal, name: name, seconds: try Self.accountSeconds(seconds), policy: policy)
    }

    // MARK: Limits

    private static func accountSeconds(_ asked: Int64?) throws -> Int64 {
        let range = Identity.accountSessionSecondsRange
        let seconds = asked ?? 43_200
        guard range.contains(seconds) else {
            throw IdentityError(
                .limit, "DurationSeconds is \(range.lowerBound) to \(range.upperBound) here, not \(seconds)")
        }
        return seconds
    }

    private static func seconds(_ asked: Int64?, max: Int64) throws -> Int64 {
        guard let asked else { return min(defaultSeconds, max) }
        let least = Role.sessionSecondsRange.lowerBound
        guard (least...Role.sessionSecondsRange.upperBound).contains(asked), asked <= max else {
            throw IdentityError(.limit, "DurationSeconds is \(least) to \(max) for this role, not \(asked)")
        }
        return asked
    }

    private static func check(_ policy: String?) throws {
        guard let policy else { return }
        guard policy.utf8.count <= policyBytesMax else {
            throw PolicyStoreError(code: .limit, message: "a session policy has up to \(policyBytesMax) bytes")
        }
        do {
            _ = try PolicyDocument(parsing: policy, kind: .boundary)
        } catch {
            throw PolicyStoreError(code: .invalid, message: "\(error)")
        }
    }
}
