package import Wire

/// What a principal is. All kinds authenticate alike; the kind is for people who read lists, and for policy conditions.
package enum PrincipalKind: String, Sendable, CaseIterable {
    case person, service, computer, software
}

/// Somebody or something that can be given rights.
package struct Account: Sendable {
    package var id: Int64
    /// Unique, 1 to 64 characters of `[A-Za-z0-9._@-]`.
    package var name: String
    package var kind: PrincipalKind
    package var displayName: String
    /// An ASCII address that no other account has, or empty.
    package var email: String
    package var isDisabled: Bool
    /// When it ends by itself; nil for never.
    package var ends: Timestamp?
    package var created: Timestamp
    /// When it was last made anything else than it was, credentials aside.
    package var changed: Timestamp
    /// Names it for good, in programs that keep a list of their own. In lower case.
    package var uuid: String
    /// Its user number on Unix, from 200,000. No other account or group ever had it or will have it.
    package var number: Int64
}

/// A named set of accounts and of other groups.
package struct Group: Sendable {
    package var id: Int64
    package var name: String
    package var created: Timestamp
    /// When it, its members or those of a group in it last changed.
    package var changed: Timestamp
    /// In lower case.
    package var uuid: String
    /// Its number on Unix, as ``Account/number``.
    package var number: Int64
    /// What it is for, for people to read.
    package var description = ""
    /// Whether people see it and may ask to become members.
    package var isOpen = false
}

/// An S3 access key, without its secret, which is shown once.
package struct AccessKey: Sendable {
    /// `MRT` and 17 letters and digits.
    package var id: String
    package var account: String
    package var description: String
    package var created: Timestamp
    /// An inactive key opens nothing until it is made active again.
    package var isActive: Bool
}

/// A set of rights that those whom its trust policy names may assume for a while.
package struct Role: Sendable {
    /// 900 to 43,200 seconds: 15 minutes to 12 hours.
    package static let sessionSecondsRange: ClosedRange<Int64> = 900...43_200

    package var id: Int64
    /// Unique, 1 to 64 characters of `[A-Za-z0-9._@-]`.
    package var name: String
    /// The trust policy exactly as it was handed in.
    package var trust: String
    package var description: String
    /// The longest session that it may be assumed for.
    package var sessionSeconds: Int64
    package var created: Timestamp

    package var arn: String { Self.arn(name) }
    package static func arn(_ name: String) -> String { "arn:aws:iam::martlet:role/\(name)" }
}

/// An OpenID provider whose tokens are taken in exchange for a role.
package struct Issuer: Sendable {
    /// `iss` of its tokens, without a slash at the end.
    package var url: String
    /// Its tokens have to be meant for one of these (`aud`).
    package var audiences: [String]
    /// The role in which whoever shows its tokens to a face itself is, where the role's trust policy lets them in; nil
    /// where its tokens open nothing but by STS.
    package var role: String?
    /// Below which its tokens' capabilities count: `/` or `/COLLECTION/…`, percent-encoded.
    package var path = "/"
    package var created: Timestamp

    /// The address without its scheme: how AWS names a provider in policies.
    package var name: String { Self.name(url) }
    package var arn: String { "arn:aws:iam::martlet:oidc-provider/\(name)" }

    /// An address as it is kept: without a slash at the end.
    package static func trimmed(_ url: String) -> String { url.hasSuffix("/") ? String(url.dropLast()) : url }

    package static func name(_ url: String) -> String {
        for scheme in ["https://", "http://"] where url.hasPrefix(scheme) { return String(url.dropFirst(scheme.count)) }
        return url
    }
}

/// How a principal proved who it is.
package enum AuthenticationMethod: String, Sendable {
    case anonymous, password, appPassword = "app-password", accessKey = "access-key", token, session
    /// An access key of a session that STS opened.
    case temporaryKey = "temporary-key"
    /// A certificate of an authority that is trusted, shown when the connection was opened.
    case certificate
}

/// Who makes a request, however it was proved: what every face ends at, and what the policy gate decides for.
package struct Principal: Sendable {
    /// Nil for nobody in particular, and for who has assumed a role.
    package var accountID: Int64?
    /// An account's name; `ROLE/SESSION` for who has assumed a role.
    package var name: String
    package var kind: PrincipalKind
    /// All groups that it belongs to, directly or through other groups.
    package var groups: [String]
    package var method: AuthenticationMethod
    /// The access key that signed the request, where one did.
    package var accessKeyID: String?
    /// What STS gave, where the request was signed with temporary credentials.
    package var session: TemporarySession?
    /// How and when they logged in, where that is known: in a browser session, and with a token that came from one.
    package var authentication: Authentication?
    /// The application that holds the token, and what the token lets it do; nil where no token was shown.
    package var client: String?
    package var scopes: Scopes?

    package static let anonymous = Principal(
        accountID: nil, name: "anonymous", kind: .person, groups: [], method: .anonymous, accessKeyID: nil)

    /// A worker of this node. Workers do not pass the gate: they do what the design has them do.
    package static func system(_ worker: String) -> String { "system:\(worker)" }

    package var isAnonymous: Bool { accountID == nil && session == nil }

    /// The name in policies and in the journal.
    package var arn: String {
        if isAnonymous { return "arn:aws:iam::martlet:anonymous" }
        if session?.role != nil { return "arn:aws:sts::martlet:assumed-role/\(name)" }
        return Self.arn(account: name)
    }

    package static func arn(account name: String) -> String { "arn:aws:iam::martlet:user/\(name)" }
}

/// The group whose members may do everything.
package let administrators = "administrators"
