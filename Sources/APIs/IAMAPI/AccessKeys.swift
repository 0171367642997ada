import Identity
import Policy
import Wire

extension IAMService {
    static let accessKeys: [Operation] = [
        Operation(.iam, "CreateAccessKey", ["UserName"]) { try await $0.createAccessKey($1) },
        Operation(.iam, "ListAccessKeys", ["UserName"] + Operation.page) { try await $0.listAccessKeys($1) },
        Operation(.iam, "UpdateAccessKey", ["UserName", "AccessKeyId", "Status"]) {
            try await $0.updateAccessKey($1)
        },
        Operation(.iam, "DeleteAccessKey", ["UserName", "AccessKeyId"]) { try await $0.deleteAccessKey($1) },
    ]

    private func createAccessKey(_ call: Call) async throws -> Fields? {
        let name = try call.user()
        try await call.permit(on: ResourceName.account(name))
        let key = try await identity.createAccessKey(account: name, by: call.actor)
        return { xml in
            xml.element("AccessKey") {
                $0.element("UserName", name)
                $0.element("AccessKeyId", key.id)
                $0.element("Status", "Active")
                $0.element("SecretAccessKey", key.secret)
                $0.element("CreateDate", Timestamp.now.rfc3339)
            }
        }
    }

    private func listAccessKeys(_ call: Call) async throws -> Fields? {
        let name = try call.user()
        let (after, limit) = try call.parameters.page()
        try await call.permit(on: ResourceName.account(name))
        let found = try await identity.accessKeys(account: name, after: after, limit: limit + 1)
        let page = Page(found, limit: limit, name: \.id)
        return { xml in
            xml.element("UserName", name)
            page.write("AccessKeyMetadata", &xml) { xml, key in
                xml.element("UserName", key.account)
                xml.element("AccessKeyId", key.id)
                xml.element("Status", key.isActive ? "Active" : "Inactive")
                xml.element("CreateDate", key.created.rfc3339)
            }
        }
    }

    private func updateAccessKey(_ call: Call) async throws -> Fields? {
        let status = try call.parameters.required("Status")
        guard status == "Active" || status == "Inactive" else {
            throw IAMError(.validationError, "Status is Active or Inactive")
        }
        let id = try await key(call)
        try await identity.setActive(status == "Active", ofKey: id, by: call.actor)
        return nil
    }

    private func deleteAccessKey(_ call: Call) async throws -> Fields? {
        try await identity.deleteAccessKey(try await key(call), by: call.actor)
        return nil
    }

    /// The key that the action is about, once it is allowed: it has to be the named user's.
    private func key(_ call: Call) async throws -> String {
        let id = try call.parameters.required("AccessKeyId")
        let name = try call.user()
        try await call.permit(on: ResourceName.account(name))
        guard try await identity.owner(ofKey: id) == name else {
            throw IAMError(.noSuchEntity, "'\(name)' has no access key '\(id.prefix(64))'")
        }
        return id
    }
}
