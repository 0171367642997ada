import Identity
package import Journal
import Objects
import Policy
import Wire

/// A rule of who may do what that has changed: policies and who has them, boundaries, roles, and what collections and
/// objects say themselves. Told to who may read the rule.
package struct RuleChange: Change {
    private let kind: String
    package let subject: String
    private let actor: String
    private let detail: JSONObject
    package let action: String
    package let resource: String

    package static let topic = "rules"
    package static let filterNames = ["kind", "subject"]
    package static let filterExample = "kind=policy.*&subject=readers"

    /// Settings of a collection that say who may do what.
    private static let settings: [SettingName: String] = [
        .policy: "s3:GetBucketPolicy", .acl: "s3:GetBucketAcl", .publicAccessBlock: "s3:GetBucketPublicAccessBlock",
        .ownershipControls: "s3:GetBucketOwnershipControls",
    ]
    /// What an event says that is not about the rule.
    private static let origin: Set<String> = ["client", "request"]

    package init?(_ event: Event) {
        guard let detail = (try? JSONValue(parsing: event.detail))?.object else { return nil }
        self.init(
            kind: event.kind, subject: event.subject, actor: event.actor,
            detail: JSONObject(detail.members.filter { !Self.origin.contains($0.name) }))
    }

    package init?(_ content: [UInt8]) {
        guard let json = try? JSONValue(parsing: content), let kind = json["kind"]?.string,
            let subject = json["subject"]?.string, let detail = json["detail"]?.object
        else { return nil }
        self.init(kind: EventKind(kind), subject: subject, actor: json["actor"]?.string ?? "", detail: detail)
    }

    private init?(kind: EventKind, subject: String, actor: String, detail: JSONObject) {
        switch kind {
        case .policyStored, .policyDeleted, .policyAttached, .policyDetached:
            (action, resource) = ("iam:GetPolicy", ResourceName.policy(subject))
        case .inlinePolicyStored, .inlinePolicyDeleted, .boundarySet, .boundaryRemoved:
            guard let holder = Self.holder(subject) else { return nil }
            (action, resource) = holder
        case .roleCreated, .roleChanged, .roleDeleted: (action, resource) = ("iam:GetRole", ResourceName.role(subject))
        case .collectionConfigured:
            guard let setting = detail["setting"]?.string, let read = Self.settings[SettingName(rawValue: setting)]
            else { return nil }
            (action, resource) = (read, ResourceName.collection(subject))
        case .objectACLSet:
            guard let slash = subject.firstIndex(of: "/") else { return nil }
            let key = String(subject[subject.index(after: slash)...])
            (action, resource) = ("s3:GetObjectAcl", ResourceName.object(String(subject[..<slash]), key))
        default: return nil
        }
        self.kind = kind.rawValue
        self.subject = subject
        self.actor = actor
        self.detail = detail
    }

    /// Of those who have policies of their own and boundaries: `user:NAME`, `group:NAME`, `role:NAME`, `space:NAME`.
    private static func holder(_ subject: String) -> (action: String, resource: String)? {
        guard let colon = subject.firstIndex(of: ":") else { return nil }
        let name = String(subject[subject.index(after: colon)...])
        return switch subject[..<colon] {
        case "user": ("iam:GetUserPolicy", ResourceName.account(name))
        case "group": ("iam:GetGroupPolicy", ResourceName.group(name))
        case "role": ("iam:GetRolePolicy", ResourceName.role(name))
        case "space": ("iam:ListPolicies", ResourceName.policy("*"))
        default: nil
        }
    }

    package var type: String { "martlet.\(kind)" }

    package func fulfils(_ filter: TopicFilter) -> Bool {
        filter.allows("kind") { covers($0, kind) } && filter.allows("subject") { covers($0, subject) }
    }

    package var content: [UInt8] {
        JSONValue.object(
            JSONObject([
                .init(name: "kind", value: .string(kind)), .init(name: "subject", value: .string(subject)),
                .init(name: "actor", value: .string(actor)), .init(name: "detail", value: .object(detail)),
            ])
        ).bytes
    }
}
