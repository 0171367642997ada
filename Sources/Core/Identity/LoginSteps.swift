import Database
import Journal
import Wire

/// How far somebody has come in logging in.
package enum LoginStep: Sendable {
    /// Logged in, by these factors, and perhaps at another provider.
    case done(Principal, [AuthenticationFactor], UpstreamLogin?)
    /// The password was right; a second factor is needed too.
    case second(ticket: String, Identity.SecondStep)
    /// All is proven; the acceptable-use policy has to be signed first.
    case agreement(ticket: String, UsePolicy)
}

/// A login at another provider, which ends sessions here when it ends there.
package struct UpstreamLogin: Sendable, Equatable {
    package var issuer: String
    package var subject: String
    /// `sid` of the provider's session; empty where it tells none.
    package var session: String

    package init(issuer: String, subject: String, session: String) {
        self.issuer = issuer
        self.subject = subject
        self.session = session
    }
}

/// Logging in with a browser, a step at a time. Between steps a ticket says how far somebody has come.
extension Identity {
    /// How long a login may rest between two steps.
    private static let loginSeconds: Int64 = 900

    /// The first step: name and password.
    ///
    /// - Parameter isStrong: whether a second factor is asked for wherever there is one.
    /// - Throws: ``IdentityError`` `.invalidCredentials` (also for an unknown or disabled account) or `.rateLimited`.
    package func beginLogin(
        name: String, password: String, isStrong: Bool = false, address: String
    ) async throws -> LoginStep {
        let found = try await checkPassword(name: name, password: password, address: address)
        var needsMore = found.needsMore
        if isStrong, !needsMore { needsMore = try await hasSecondFactor(account: found.account) }
        guard needsMore else {
            return try await proceed(account: found.account, factors: [.pwd], address: address)
        }
        return try await second(account: found.account, factors: [.pwd])
    }

    /// A login of somebody who has logged in at another provider.
    ///
    /// - Parameter isStrong: whether a second factor is asked for wherever there is one here.
    func login(
        linked account: Int64, _ upstream: UpstreamLogin, isStrong: Bool, address: String
    ) async throws -> LoginStep {
        var needsMore = try await journal.find { try Self.needsSecondFactor(account: account, in: $0) }
        if isStrong, !needsMore { needsMore = try await hasSecondFactor(account: account) }
        guard needsMore else {
            return try await proceed(account: account, factors: [.fed], upstream, address: address)
        }
        return try await second(account: account, factors: [.fed], upstream)
    }

    private func second(
        account: Int64, factors: [AuthenticationFactor], _ upstream: UpstreamLogin? = nil
    ) async throws -> LoginStep {
        let step = try await secondStep(account: account)
        return .second(ticket: try await ticket(account: account, factors: factors, upstream), step)
    }

    /// What the second step can be answered with, for who has answered it wrongly.
    ///
    /// - Throws: ``IdentityError`` `.expired`.
    package func secondStep(ticket: String) async throws -> SecondStep {
        try await secondStep(account: try await login(ticket: ticket).account)
    }

    /// Whether a second factor is asked for after these, where there is one.
    private static func needMore(_ factors: [AuthenticationFactor]) -> Bool {
        !factors.contains(.otp) && !factors.contains(.hwk)
    }

    /// The second step: a code. A wrong one leaves the ticket as it is.
    ///
    /// - Throws: ``IdentityError`` `.invalidCredentials`, `.rateLimited`, `.expired`.
    package func continueLogin(ticket: String, code: String, address: String) async throws -> LoginStep {
        let (account, factors, upstream) = try await login(ticket: ticket)
        guard Self.needMore(factors) else { throw Self.expiredTicket }
        let name = try await journal.find { try Self.accountName(account, in: $0) }
        try await checkCode(code, account: account, name: name, address: address)
        try await journal.write { transaction, _ in _ = try Self.redeem(ticket, .login, in: transaction) }
        return try await proceed(account: account, factors: factors + [.otp, .mfa], upstream, address: address)
    }

    /// The second step: a passkey.
    ///
    /// - Throws: ``IdentityError`` `.invalidCredentials`, `.rateLimited`, `.expired`.
    package func continueLogin(ticket: String, passkey: PasskeyAnswer, address: String) async throws -> LoginStep {
        let (account, factors, upstream) = try await login(ticket: ticket)
        guard Self.needMore(factors) else { throw Self.expiredTicket }
        _ = try await check(passkey, of: account, address: address)
        try await journal.write { transaction, _ in _ = try Self.redeem(ticket, .login, in: transaction) }
        return try await proceed(
            account: account, factors: factors + [.hwk, .user, .mfa], upstream, address: address)
    }

    /// The last step: signs the acceptable-use policy.
    ///
    /// - Parameter version: the one that was read.
    /// - Throws: ``IdentityError`` `.expired`, `.conflict` where there is a newer version by now.
    package func continueLogin(ticket: String, signing version: Int64, address: String) async throws -> LoginStep {
        let (account, factors, upstream) = try await login(ticket: ticket)
        let needsMore = try await journal.find { try Self.needsSecondFactor(account: account, in: $0) }
        guard !needsMore || !Self.needMore(factors) else { throw Self.expiredTicket }
        let name = try await journal.find { try Self.accountName(account, in: $0) }
        try await sign(policy: version, as: name)
        try await journal.write { transaction, _ in _ = try Self.redeem(ticket, .login, in: transaction) }
        return try await proceed(account: account, factors: factors, upstream, address: address)
    }

    /// Goes on after everything was proven.
    func proceed(
        account: Int64, factors: [AuthenticationFactor], _ upstream: UpstreamLogin? = nil, address: String
    ) async throws -> LoginStep {
        do {
            let principal = try await principal(account: account, method: .session)
            try await journal.write { _, events in
                events.record(.loginSucceeded, by: principal.name, on: principal.name) {
                    $0.member("address", address)
                    $0.member("factors", factors.map(\.rawValue))
                }
            }
            return .done(principal, factors, upstream)
        } catch let error as IdentityError where error.code == .agreementNeeded {
            guard let policy = try await usePolicy() else { throw error }
            return .agreement(ticket: try await ticket(account: account, factors: factors, upstream), policy)
        } catch let error as IdentityError where [.disabled, .notFound].contains(error.code) {
            throw IdentityError.invalidCredentials
        }
    }

    private func ticket(
        account: Int64, factors: [AuthenticationFactor], _ upstream: UpstreamLogin? = nil
    ) async throws -> String {
        var content = JSONObject()
        content["factors"] = .array(factors.map { .string($0.rawValue) })
        if let upstream {
            content["upstream"] = .array([upstream.issuer, upstream.subject, upstream.session].map { .string($0) })
        }
        return try await journal.write { [content] transaction, _ in
            try Self.issueTicket(
                .login, account: account, content: content, seconds: Self.loginSeconds, in: transaction)
        }
    }

    private func login(
        ticket: String
    ) async throws -> (account: Int64, factors: [AuthenticationFactor], upstream: UpstreamLogin?) {
        let found = try await journal.find { try Self.ticket(ticket, .login, in: $0) }
        guard let account = found.account else { throw Self.expiredTicket }
        let names = found.content["factors"]?.array?.compactMap(\.string) ?? []
        let parts = found.content["upstream"]?.array?.compactMap(\.string) ?? []
        let upstream =
            parts.count == 3 ? UpstreamLogin(issuer: parts[0], subject: parts[1], session: parts[2]) : nil
        return (account, names.compactMap { AuthenticationFactor(rawValue: $0) }, upstream)
    }

    static func accountName(_ id: Int64, in reader: Reader) throws -> String {
        let name = try reader.first("SELECT name FROM accounts WHERE id = ?", .init(id)) { $0.text(0) }
        guard let name else { throw IdentityError(.notFound, "the account does not exist any more") }
        return name
    }
}
