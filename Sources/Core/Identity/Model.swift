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
    package var isDisabled: Bool
    package var created: Timestamp
}

/// A named set of accounts and of other groups.
package struct Group: Sendable {
    package var id: Int64
    package var name: String
    package var created: Timestamp
}

/// An S3 access key, without its secret, which is shown once.
package struct AccessKey: Sendable {
    /// `MRT` and 17 letters and digits.
    package var id: String
    package var account: String
    package var description: String
    package var created: Timestamp
}

/// How a principal proved who it is.
package enum AuthenticationMethod: String, Sendable {
    case anonymous, password, accessKey = "access-key", token, session
}

/// Who makes a request, however it was proved: what every face ends at, and what the policy gate decides for.
package struct Principal: Sendable {
    /// Nil for nobody in particular.
    package var accountID: Int64?
    package var name: String
    package var kind: PrincipalKind
    /// All groups that it belongs to, directly or through other groups.
    package var groups: [String]
    package var method: AuthenticationMethod
    /// The access key that signed the request, where one did.
    package var accessKeyID: String?

    package static let anonymous = Principal(
        accountID: nil, name: "anonymous", kind: .person, groups: [], method: .anonymous, accessKeyID: nil)

    /// A worker of this node. Workers do not pass the gate: they do what the design has them do.
    package static func system(_ worker: String) -> String { "system:\(worker)" }

    package var isAnonymous: Bool { accountID == nil }

    /// The name in policies and in the journal.
    package var arn: String { isAnonymous ? "arn:aws:iam::martlet:anonymous" : "arn:aws:iam::martlet:user/\(name)" }
}

/// The group whose members may do everything.
package let administrators = "administrators"
