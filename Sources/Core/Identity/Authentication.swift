package import Wire

/// One way in which somebody proved who they are, by its name in `amr` (RFC 8176, and `fed` for another provider).
package enum AuthenticationFactor: String, Sendable, CaseIterable {
    /// A password.
    case pwd
    /// A one-time password: TOTP or a backup code.
    case otp
    /// A key that does not leave its hardware: a passkey.
    case hwk
    /// The key's holder was checked by it, with a PIN or a finger.
    case user
    /// Several factors of different kinds, together.
    case mfa
    /// A client certificate.
    case x509
    /// A login at another OpenID provider.
    case fed
}

/// How and when somebody logged in: what tokens tell of it, and policies can ask about.
package struct Authentication: Sendable, Hashable {
    /// `amr`.
    package var factors: [AuthenticationFactor]
    /// `auth_time`.
    package var time: Timestamp
    /// The browser session that it opened, by its public name (`sid`); nil where there is none.
    package var sessionID: String?

    package init(factors: [AuthenticationFactor], time: Timestamp = .now, sessionID: String? = nil) {
        self.factors = factors
        self.time = time
        self.sessionID = sessionID
    }

    package var isMultiFactor: Bool { factors.contains(.mfa) }

    /// `acr`: REFEDS' profiles of logins with one factor and with several.
    package var acr: String { isMultiFactor ? Self.multiFactor : Self.singleFactor }

    package static let singleFactor = "https://refeds.org/profile/sfa"
    package static let multiFactor = "https://refeds.org/profile/mfa"

    /// The factors as they are stored: their names with a space between.
    var text: String { factors.map(\.rawValue).joined(separator: " ") }

    /// Reads what ``text`` wrote.
    static func factors(_ text: String) -> [AuthenticationFactor] {
        text.split(separator: " ").compactMap { AuthenticationFactor(rawValue: String($0)) }
    }
}
