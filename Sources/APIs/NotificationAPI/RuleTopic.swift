import IAMPolicy
package import Identity
package import Journal
package import Notifications
import Objects
package import Policy
import Wire

/// Rules of who may do what, when they change: policies and who has them, boundaries, roles, and what collections and
/// objects say themselves. Told to who may read the rule.
package struct RuleTopic: Topic {
    package let name = "rules"
    private let gate: Gate

    private static let example = "kind=policy.*&subject=readers"

    package init(gate: Gate) { self.gate = gate }

    private static func filter(_ text: String) throws -> TopicFilter {
        try TopicFilter(text, names: ["kind", "subject"], example: example)
    }

    package func check(_ filter: String) async throws { _ = try Self.filter(filter) }

    package func notices(in events: [Event], for listeners: [Listener]) async throws -> [[Notice]] {
        let changes = events.compactMap { event in RuleChange(event).map { (event: event, change: $0) } }
        var found: [[Notice]] = []
        for listener in listeners {
            var notices: [Notice] = []
            if let filter = try? Self.filter(listener.filter) {
                for (event, change) in changes where listener.since < event.tid {
                    guard filter.allows("kind", { covers($0, change.kind) }),
                        filter.allows("subject", { covers($0, change.subject) }),
                        try await may(listener.principal, change, listener.context)
                    else { continue }
                    notices.append(Notice(event: event, content: change.content))
                }
            }
            found.append(notices)
        }
        return found
    }

    private func may(_ principal: Principal, _ change: RuleChange, _ context: RequestContext) async throws -> Bool {
        try await gate.decide(principal, change.action, on: change.resource, context).isAllowed
    }

    package func message(
        _ delivery: Delivery, for principal: Principal, _ context: RequestContext
    ) async throws -> TopicMessage? {
        guard let change = RuleChange(delivery.message), try await may(principal, change, context) else { return nil }
        return TopicMessage(type: "martlet.\(change.kind)", subject: change.subject, data: delivery.message)
    }
}

/// A rule that has changed, and what one may do who may read it.
struct RuleChange {
    var kind: String
    var subject: String
    private var actor: String
    private var detail: JSONObject
    var action: String
    var resource: String

    /// Settings of a collection that say who may do what.
    private static let settings: [SettingName: String] = [
        .policy: "s3:GetBucketPolicy", .acl: "s3:GetBucketAcl", .publicAccessBlock: "s3:GetBucketPublicAccessBlock",
        .ownershipControls: "s3:GetBucketOwnershipControls",
    ]
    /// What an event says that is not about the rule.
    private static let origin: Set<String> = ["client", "request"]

    /// Nil for an event of another kind.
    init?(_ event: Event) {
        guard let detail = (try? JSONValue(parsing: event.detail))?.object else { return nil }
        self.init(
            kind: event.kind, subject: event.subject, actor: event.actor,
            detail: JSONObject(detail.members.filter { !Self.origin.contains($0.name) }))
    }

    /// Reads ``content``.
    init?(_ content: [UInt8]) {
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

    var content: [UInt8] {
        JSONValue.object(
            JSONObject([
                .init(name: "kind", value: .string(kind)), .init(name: "subject", value: .string(subject)),
                .init(name: "actor", value: .string(actor)), .init(name: "detail", value: .object(detail)),
            ])
        ).bytes
    }
}
