import Identity
import Policy
import Wire

extension IAMService {
    static let users: [Operation] = [
        Operation(.iam, "CreateUser", ["UserName", "Path", "PermissionsBoundary"]) { try await $0.createUser($1) },
        Operation(.iam, "GetUser", ["UserName"]) { try await $0.getUser($1) },
        Operation(.iam, "ListUsers", ["PathPrefix"] + Operation.page) { try await $0.listUsers($1) },
        Operation(.iam, "UpdateUser", ["UserName", "NewUserName", "NewPath"]) { try await $0.updateUser($1) },
        Operation(.iam, "DeleteUser", ["UserName"]) { try await $0.deleteUser($1) },
    ]

    private func createUser(_ call: Call) async throws -> Fields? {
        let name = try call.parameters.required("UserName")
        try call.parameters.checkPath()
        let boundary = try call.boundary()
        try await call.permit(on: ResourceName.account(name), with: Call.boundaryKeys(boundary))
        if let boundary { _ = try await policies.policy(boundary) }
        try await identity.createAccount(name: name, kind: .service, password: nil, by: call.actor)
        if let boundary { try await policies.setBoundary(boundary, of: .account(name), by: call.actor) }
        return try await user(name)
    }

    private func getUser(_ call: Call) async throws -> Fields? {
        let name = try call.user()
        try await call.permit(on: ResourceName.account(name))
        return try await user(name)
    }

    private func user(_ name: String) async throws -> Fields {
        let account = try await identity.account(name)
        let boundary = try await policies.boundary(of: .account(name))
        return { xml in
            xml.element("User") {
                Self.write(account, &$0)
                Self.write(boundary: boundary, &$0)
            }
        }
    }

    private func listUsers(_ call: Call) async throws -> Fields? {
        try call.parameters.checkPath("PathPrefix")
        let (after, limit) = try call.parameters.page()
        try await call.permit(on: ResourceName.account("*"))
        let page = Page(try await identity.accounts(after: after, limit: limit + 1), limit: limit, name: \.name)
        return { page.write("Users", &$0) { Self.write($1, &$0) } }
    }

    /// Names stand in policies, journal and access records, so they stay.
    private func updateUser(_ call: Call) async throws -> Fields? {
        let name = try call.parameters.required("UserName")
        try call.parameters.checkPath("NewPath")
        try await call.permit(on: ResourceName.account(name))
        _ = try await identity.account(name)
        if let new = call.parameters["NewUserName"], new != name {
            throw IAMError(.validationError, "users cannot be renamed here: make a new one, and delete '\(name)'")
        }
        return nil
    }

    private func deleteUser(_ call: Call) async throws -> Fields? {
        let name = try call.parameters.required("UserName")
        try await call.permit(on: ResourceName.account(name))
        guard name != call.actor else {
            throw IAMError(.deleteConflict, "nobody deletes the account whose credentials they use")
        }
        try await checkBare(.account(name))
        try await identity.deleteAccount(name, onlyBare: true, by: call.actor)
        try await policies.forget(.account(name), by: call.actor)
        return nil
    }

    /// As AWS has it, who has policies is not removed: what they could do is taken away first, on purpose.
    func checkBare(_ subject: Attachment) async throws {
        guard try await policies.hasPolicies(subject) else { return }
        throw IAMError(.deleteConflict, "'\(subject.text)' has policies: detach and delete these first")
    }

    static func write(_ account: Account, _ xml: inout XMLWriter) {
        xml.element("Path", "/")
        xml.element("UserName", account.name)
        xml.element("UserId", account.id)
        xml.element("Arn", Principal.arn(account: account.name))
        xml.element("CreateDate", account.created.rfc3339)
    }
}
