import Identity
import Policy
import Wire

extension IAMService {
    static let roles: [Operation] = [
        Operation(
            .iam, "CreateRole",
            [
                "RoleName", "Path", "AssumeRolePolicyDocument", "Description", "MaxSessionDuration",
                "PermissionsBoundary",
            ]
        ) { try await $0.createRole($1) },
        Operation(.iam, "GetRole", ["RoleName"]) { try await $0.getRole($1) },
        Operation(.iam, "ListRoles", ["PathPrefix"] + Operation.page) { try await $0.listRoles($1) },
        Operation(.iam, "UpdateRole", ["RoleName", "Description", "MaxSessionDuration"]) {
            try await $0.updateRole($1)
        },
        Operation(.iam, "UpdateAssumeRolePolicy", ["RoleName", "PolicyDocument"]) {
            try await $0.updateAssumeRolePolicy($1)
        },
        Operation(.iam, "DeleteRole", ["RoleName"]) { try await $0.deleteRole($1) },
    ]

    private func createRole(_ call: Call) async throws -> Fields? {
        let name = try call.parameters.required("RoleName")
        let trust = try call.parameters.required("AssumeRolePolicyDocument")
        try call.parameters.checkPath()
        let seconds = try sessionSeconds(call)
        let boundary = try call.boundary()
        try await call.permit(on: ResourceName.role(name), with: Call.boundaryKeys(boundary))
        if let boundary { _ = try await policies.policy(boundary) }
        try await identity.createRole(
            name: name, trust: trust, description: call.parameters["Description"] ?? "", seconds: seconds ?? 3600,
            by: call.actor)
        if let boundary { try await policies.setBoundary(boundary, of: .role(name), by: call.actor) }
        return try await role(name)
    }

    private func sessionSeconds(_ call: Call) throws -> Int64? {
        guard let seconds = try call.parameters.integer("MaxSessionDuration") else { return nil }
        guard (3600...43_200).contains(seconds) else {
            throw IAMError(.validationError, "MaxSessionDuration is 3600 to 43200 seconds, not \(seconds)")
        }
        return seconds
    }

    private func getRole(_ call: Call) async throws -> Fields? {
        let name = try call.parameters.required("RoleName")
        try await call.permit(on: ResourceName.role(name))
        return try await role(name)
    }

    private func role(_ name: String) async throws -> Fields {
        let role = try await identity.role(name)
        let boundary = try await policies.boundary(of: .role(name))
        return { xml in
            xml.element("Role") {
                Self.write(role, &$0)
                Self.write(boundary: boundary, &$0)
            }
        }
    }

    private func listRoles(_ call: Call) async throws -> Fields? {
        try call.parameters.checkPath("PathPrefix")
        let (after, limit) = try call.parameters.page()
        try await call.permit(on: ResourceName.role("*"))
        let page = Page(try await identity.roles(after: after, limit: limit + 1), limit: limit, name: \.name)
        return { page.write("Roles", &$0) { Self.write($1, &$0) } }
    }

    private func updateRole(_ call: Call) async throws -> Fields? {
        let name = try call.parameters.required("RoleName")
        let seconds = try sessionSeconds(call)
        try await call.permit(on: ResourceName.role(name))
        try await identity.changeRole(
            name, description: call.parameters["Description"], seconds: seconds, by: call.actor)
        return { _ in }
    }

    private func updateAssumeRolePolicy(_ call: Call) async throws -> Fields? {
        let name = try call.parameters.required("RoleName")
        let trust = try call.parameters.required("PolicyDocument")
        try await call.permit(on: ResourceName.role(name))
        try await identity.changeRole(name, trust: trust, by: call.actor)
        return nil
    }

    private func deleteRole(_ call: Call) async throws -> Fields? {
        let name = try call.parameters.required("RoleName")
        try await call.permit(on: ResourceName.role(name))
        try await checkBare(.role(name))
        try await identity.deleteRole(name, by: call.actor)
        try await policies.forget(.role(name), by: call.actor)
        return nil
    }

    private static func write(_ role: Role, _ xml: inout XMLWriter) {
        xml.element("Path", "/")
        xml.element("RoleName", role.name)
        xml.element("RoleId", role.id)
        xml.element("Arn", role.arn)
        xml.element("CreateDate", role.created.rfc3339)
        xml.element("AssumeRolePolicyDocument", PercentEncoding.encode(role.trust))
        xml.element("Description", role.description)
        xml.element("MaxSessionDuration", role.sessionSeconds)
    }
}
