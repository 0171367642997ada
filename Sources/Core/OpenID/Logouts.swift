import Ciphers
import Database
package import Identity
package import Journal
import Wire

extension EventKind {
    package static let logoutDelivered = EventKind("logout.delivered")
    package static let logoutFailed = EventKind("logout.failed")
}

/// What the end of a browser session asks for.
package struct LogoutNotice: Sendable {
    package var url: String
    /// Whether an administrator has named the address; otherwise the application itself has.
    package var isTrusted: Bool
    package var client: String
    /// The logout token (OpenID Connect Back-Channel Logout 1.0 §2.4).
    package var token: String
}

extension OpenIDProvider {
    private static let logoutTokenSeconds: Int64 = 120
    private static let logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

    /// Where somebody may be sent after their logout.
    ///
    /// - Parameter session: of the browser that asks; nil without one.
    /// - Returns: nil where the application is not known well enough to end a session without asking;
    ///   otherwise the address to go to, if a registered one was given.
    package func logout(
        hint: String?, clientID: String?, redirectURI: String?, principal: Principal?
    ) async throws -> (isConfirmed: Bool, redirectURI: String?) {
        var client: Client?
        var isConfirmed = false
        if let hint, let claims = try? await tokens.signed(hint, type: "jwt"), let id = claims["aud"]?.string,
            clientID == nil || clientID == id
        {
            client = try? await self.client(id)
            let session = principal?.authentication?.sessionID
            isConfirmed =
                try await isSubject(claims["sub"]?.string, principal, client)
                && (claims["sid"]?.string == nil || claims["sid"]?.string == session || session == nil)
        } else if let clientID {
            client = try? await self.client(clientID)
        }
        let isKnown = redirectURI.map { client?.logoutURIs.contains($0) ?? false } ?? false
        return (isConfirmed, isKnown ? redirectURI : nil)
    }

    /// Whether a client calls somebody so; true where nobody is logged in.
    private func isSubject(_ name: String?, _ principal: Principal?, _ client: Client?) async throws -> Bool {
        guard let account = principal?.accountID else { return true }
        guard let client else { return name == String(account) }
        return try await name == subject(of: account, for: client)
    }

    /// What applications are to be told of a session that has ended.
    package func notices(ofSession session: String) async throws -> [LogoutNotice] {
        let rows = try await journal.read { reader in
            try reader.rows(
                "SELECT client, account FROM oauth_sessions WHERE session = ? ORDER BY client LIMIT 100",
                .init(session)
            ) { (client: $0.text(0), account: $0.int(1)) }
        }
        var notices: [LogoutNotice] = []
        for row in rows {
            guard let client = try? await client(row.client), let url = client.backchannelLogoutURI else { continue }
            let now = Timestamp.now.seconds
            let subject = try await subject(of: row.account, for: client)
            var json = JSONWriter()
            json.object { json in
                json.member("iss", tokens.issuer)
                json.member("sub", subject)
                json.member("aud", client.id)
                json.member("iat", now)
                json.member("exp", now + Self.logoutTokenSeconds)
                json.member("jti", Hex.encode(randomBytes(12)))
                json.member("sid", session)
                json.key("events")
                json.object { json in
                    json.key(Self.logoutEvent)
                    json.object { _ in }
                }
            }
            let token = try await tokens.sign(json.bytes, type: "logout+jwt", client.idTokenAlgorithm)
            notices.append(LogoutNotice(url: url, isTrusted: !client.isDynamic, client: client.id, token: token))
        }
        return notices
    }

    /// Forgets a session that all applications were told of, and notes how that went.
    package func noteLogout(
        ofSession session: String, delivered: [String], failed: [(client: String, reason: String)]
    ) async throws {
        try await journal.write { transaction, events in
            try transaction.run("DELETE FROM oauth_sessions WHERE session = ?", .init(session))
            for client in delivered {
                events.record(.logoutDelivered, by: Principal.system("logout"), on: client) {
                    $0.member("session", session)
                }
            }
            for (client, reason) in failed {
                events.record(.logoutFailed, by: Principal.system("logout"), on: client) {
                    $0.member("session", session)
                    $0.member("reason", reason)
                }
            }
        }
    }
}
