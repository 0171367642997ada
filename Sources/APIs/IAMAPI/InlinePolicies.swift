import Policy
import Wire

/// Who can have policies: `PutUserPolicy` is to a user what `PutRolePolicy` is to a role.
enum PolicyHolder: String, CaseIterable, Sendable {
    case user = "User"
    case group = "Group"
    case role = "Role"

    /// The parameter that names one.
    var parameter: String { rawValue + "Name" }

    func subject(_ name: String) -> Attachment {
        switch self {
        case .user: .account(name)
        case .group: .group(name)
        case .role: .role(name)
        }
    }

    func resource(_ name: String) -> String {
        switch self {
        case .user: ResourceName.account(name)
        case .group: ResourceName.group(name)
        case .role: ResourceName.role(name)
        }
    }
}

extension IAMService {
    static func inlinePolicies(_ holder: PolicyHolder) -> [Operation] {
        let kind = holder.rawValue
        let policy = [holder.parameter, "PolicyName"]
        return [
            Operation(.iam, "Put\(kind)Policy", policy + ["PolicyDocument"]) { try await $0.putInline($1, holder) },
            Operation(.iam, "Get\(kind)Policy", policy) { try await $0.getInline($1, holder) },
            Operation(.iam, "List\(kind)Policies", [holder.parameter] + Operation.page) {
                try await $0.listInline($1, holder)
            },
            Operation(.iam, "Delete\(kind)Policy", policy) { try await $0.deleteInline($1, holder) },
        ]
    }

    private func putInline(_ call: Call, _ holder: PolicyHolder) async throws -> Fields? {
        let (name, policy) = try await named(call, holder)
        let document = try call.parameters.required("PolicyDocument")
        try await policies.storeInline(policy, document: document, of: holder.subject(name), by: call.actor)
        return nil
    }

    private func getInline(_ call: Call, _ holder: PolicyHolder) async throws -> Fields? {
        let (name, policy) = try await named(call, holder)
        let document = try await policies.inline(policy, of: holder.subject(name))
        return { xml in
            switch holder {
            case .user: xml.element("UserName", name)
            case .group: xml.element("GroupName", name)
            case .role: xml.element("RoleName", name)
            }
            xml.element("PolicyName", policy)
            xml.element("PolicyDocument", PercentEncoding.encode(document))
        }
    }

    private func listInline(_ call: Call, _ holder: PolicyHolder) async throws -> Fields? {
        let name = try call.parameters.required(holder.parameter)
        let (after, limit) = try call.parameters.page()
        try await call.permit(on: holder.resource(name))
        let found = try await policies.inlineNames(of: holder.subject(name), after: after, limit: limit + 1)
        let page = Page(found, limit: limit, name: \.self)
        return { page.write(names: "PolicyNames", &$0) }
    }

    private func deleteInline(_ call: Call, _ holder: PolicyHolder) async throws -> Fields? {
        let (name, policy) = try await named(call, holder)
        try await policies.deleteInline(policy, of: holder.subject(name), by: call.actor)
        return nil
    }

    /// The holder and the policy that the action is about, once it is allowed.
    private func named(_ call: Call, _ holder: PolicyHolder) async throws -> (name: String, policy: String) {
        let name = try call.parameters.required(holder.parameter)
        let policy = try call.parameters.required("PolicyName")
        try await call.permit(on: holder.resource(name))
        return (name, policy)
    }
}
