import Policy
import Wire

extension IAMService {
    static let managedPolicies: [Operation] = [
        Operation(.iam, "CreatePolicy", ["PolicyName", "PolicyDocument", "Path", "Description"]) {
            try await $0.createPolicy($1)
        },
        Operation(.iam, "GetPolicy", ["PolicyArn"]) { try await $0.getPolicy($1) },
        Operation(.iam, "GetPolicyVersion", ["PolicyArn", "VersionId"]) { try await $0.getPolicyVersion($1) },
        Operation(.iam, "ListPolicyVersions", ["PolicyArn"] + Operation.page) {
            try await $0.listPolicyVersions($1)
        },
        Operation(.iam, "ListPolicies", ["Scope", "OnlyAttached", "PathPrefix", "PolicyUsageFilter"] + Operation.page) {
            try await $0.listPolicies($1)
        },
        Operation(.iam, "DeletePolicy", ["PolicyArn"]) { try await $0.deletePolicy($1) },
    ]

    static func attachments(_ holder: PolicyHolder) -> [Operation] {
        let kind = holder.rawValue
        let policy = [holder.parameter, "PolicyArn"]
        return [
            Operation(.iam, "Attach\(kind)Policy", policy) { try await $0.attach($1, holder) },
            Operation(.iam, "Detach\(kind)Policy", policy) { try await $0.detach($1, holder) },
            Operation(.iam, "ListAttached\(kind)Policies", [holder.parameter, "PathPrefix"] + Operation.page) {
                try await $0.listAttached($1, holder)
            },
        ]
    }

    static func arn(policy name: String) -> String { "arn:aws:iam::martlet:policy/\(name)" }

    private static func policy(_ call: Call) throws -> String {
        try policy(arn: try call.parameters.required("PolicyArn"), "PolicyArn")
    }

    /// The name of the policy that an ARN names. There are none of AWS's own here.
    static func policy(arn: String, _ parameter: String) throws -> String {
        let parts = arn.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "arn", parts[2] == "iam", parts[5].hasPrefix("policy/") else {
            throw IAMError(.validationError, "\(parameter) is like \(Self.arn(policy: "NAME"))")
        }
        guard parts[4] != "aws" else {
            throw IAMError(.noSuchEntity, "there are no policies of AWS here: '\(arn.prefix(200))'")
        }
        return String(parts[5].dropFirst("policy/".count))
    }

    private func createPolicy(_ call: Call) async throws -> Fields? {
        let name = try call.parameters.required("PolicyName")
        let document = try call.parameters.required("PolicyDocument")
        try call.parameters.checkPath()
        try await call.permit(on: ResourceName.policy(name))
        try await policies.store(
            name: name, document: document, description: call.parameters["Description"] ?? "", isNew: true,
            by: call.actor)
        let policy = try await policies.policy(name)
        return { $0.element("Policy") { Self.write(policy, &$0) } }
    }

    private func getPolicy(_ call: Call) async throws -> Fields? {
        let name = try Self.policy(call)
        try await call.permit(on: ResourceName.policy(name))
        let policy = try await policies.policy(name)
        return { $0.element("Policy") { Self.write(policy, &$0) } }
    }

    /// A policy has the one version that counts; what it was before is in the journal.
    private func getPolicyVersion(_ call: Call) async throws -> Fields? {
        let name = try Self.policy(call)
        let version = try call.parameters.required("VersionId")
        try await call.permit(on: ResourceName.policy(name))
        let policy = try await policies.policy(name)
        guard version == "v1" else {
            throw IAMError(.noSuchEntity, "the policy '\(name)' has the version v1 only")
        }
        return { xml in
            xml.element("PolicyVersion") {
                $0.element("Document", PercentEncoding.encode(policy.document))
                Self.write(version: policy, &$0)
            }
        }
    }

    private func listPolicyVersions(_ call: Call) async throws -> Fields? {
        let name = try Self.policy(call)
        try await call.permit(on: ResourceName.policy(name))
        let page = Page([try await policies.policy(name)], limit: 1, name: \.name)
        return { page.write("Versions", &$0) { Self.write(version: $1, &$0) } }
    }

    private static func write(version policy: StoredPolicy, _ xml: inout XMLWriter) {
        xml.element("VersionId", "v1")
        xml.element("IsDefaultVersion", true)
        xml.element("CreateDate", policy.created.rfc3339)
    }

    private func listPolicies(_ call: Call) async throws -> Fields? {
        try call.parameters.checkPath("PathPrefix")
        let (after, limit) = try call.parameters.page()
        try await call.permit(on: ResourceName.policy("*"))
        guard call.parameters["PolicyUsageFilter"] ?? "PermissionsPolicy" == "PermissionsPolicy" else {
            throw IAMError(.validationError, "PolicyUsageFilter is PermissionsPolicy here")
        }
        let isOfAWS = call.parameters["Scope"] == "AWS"
        let found = isOfAWS ? [] : try await policies.list(after: after, limit: limit + 1)
        var page = Page(found, limit: limit, name: \.name)
        if call.parameters["OnlyAttached"] == "true" {
            page.elements = page.elements.filter { !$0.attachments.isEmpty }[...]
        }
        return { [page] in page.write("Policies", &$0) { Self.write($1, &$0) } }
    }

    private func deletePolicy(_ call: Call) async throws -> Fields? {
        let name = try Self.policy(call)
        try await call.permit(on: ResourceName.policy(name))
        try await policies.delete(name: name, onlyBare: true, by: call.actor)
        return nil
    }

    private static func write(_ policy: StoredPolicy, _ xml: inout XMLWriter) {
        xml.element("PolicyName", policy.name)
        xml.element("PolicyId", policy.name)
        xml.element("Arn", arn(policy: policy.name))
        xml.element("Path", "/")
        xml.element("DefaultVersionId", "v1")
        xml.element("AttachmentCount", policy.attachments.count)
        xml.element("IsAttachable", true)
        xml.element("Description", policy.description)
        xml.element("CreateDate", policy.created.rfc3339)
        xml.element("UpdateDate", policy.created.rfc3339)
    }

    // MARK: Attachments

    private func attach(_ call: Call, _ holder: PolicyHolder) async throws -> Fields? {
        let (subject, policy) = try await attachment(call, holder)
        try await policies.attach(policy, to: subject, by: call.actor)
        return nil
    }

    private func detach(_ call: Call, _ holder: PolicyHolder) async throws -> Fields? {
        let (subject, policy) = try await attachment(call, holder)
        try await policies.detach(policy, from: subject, by: call.actor)
        return nil
    }

    /// What the action is about, once it is allowed. `iam:PolicyARN` lets a policy say which ones may be handed on.
    private func attachment(_ call: Call, _ holder: PolicyHolder) async throws -> (Attachment, String) {
        let name = try call.parameters.required(holder.parameter)
        let policy = try Self.policy(call)
        try await call.permit(on: holder.resource(name), with: ["iam:PolicyARN": [Self.arn(policy: policy)]])
        return (holder.subject(name), policy)
    }

    private func listAttached(_ call: Call, _ holder: PolicyHolder) async throws -> Fields? {
        let name = try call.parameters.required(holder.parameter)
        try call.parameters.checkPath("PathPrefix")
        let (after, limit) = try call.parameters.page()
        try await call.permit(on: holder.resource(name))
        let found = try await policies.attached(to: holder.subject(name), after: after, limit: limit + 1)
        let page = Page(found, limit: limit, name: \.self)
        return { xml in
            page.write("AttachedPolicies", &xml) {
                $0.element("PolicyName", $1)
                $0.element("PolicyArn", Self.arn(policy: $1))
            }
        }
    }
}
