import Identity
import Policy
import Wire

extension IAMService {
    static let groups: [Operation] = [
        Operation(.iam, "CreateGroup", ["GroupName", "Path"]) { try await $0.createGroup($1) },
        Operation(.iam, "GetGroup", ["GroupName"] + Operation.page) { try await $0.getGroup($1) },
        Operation(.iam, "ListGroups", ["PathPrefix"] + Operation.page) { try await $0.listGroups($1) },
        Operation(.iam, "DeleteGroup", ["GroupName"]) { try await $0.deleteGroup($1) },
        Operation(.iam, "AddUserToGroup", ["GroupName", "UserName"]) { try await $0.addUserToGroup($1) },
        Operation(.iam, "RemoveUserFromGroup", ["GroupName", "UserName"]) { try await $0.removeUserFromGroup($1) },
        Operation(.iam, "ListGroupsForUser", ["UserName"] + Operation.page) { try await $0.listGroupsForUser($1) },
    ]

    private func createGroup(_ call: Call) async throws -> Fields? {
        let name = try call.parameters.required("GroupName")
        try call.parameters.checkPath()
        try await call.permit(on: ResourceName.group(name))
        try await identity.createGroup(name: name, by: call.actor)
        let group = try await identity.group(name)
        return { $0.element("Group") { Self.write(group, &$0) } }
    }

    /// A group with the users that are members of it themselves; groups inside it are not AWS's to show.
    private func getGroup(_ call: Call) async throws -> Fields? {
        let name = try call.parameters.required("GroupName")
        let (after, limit) = try call.parameters.page()
        try await call.permit(on: ResourceName.group(name))
        let group = try await identity.group(name)
        let members = try await identity.accounts(in: name, after: after, limit: limit + 1)
        let page = Page(members, limit: limit, name: \.name)
        return { xml in
            xml.element("Group") { Self.write(group, &$0) }
            page.write("Users", &xml) { Self.write($1, &$0) }
        }
    }

    private func listGroups(_ call: Call) async throws -> Fields? {
        try call.parameters.checkPath("PathPrefix")
        let (after, limit) = try call.parameters.page()
        try await call.permit(on: ResourceName.group("*"))
        let page = Page(try await identity.groups(after: after, limit: limit + 1), limit: limit, name: \.name)
        return { page.write("Groups", &$0) { Self.write($1, &$0) } }
    }

    private func deleteGroup(_ call: Call) async throws -> Fields? {
        let name = try call.parameters.required("GroupName")
        try await call.permit(on: ResourceName.group(name))
        try await checkBare(.group(name))
        try await identity.deleteGroup(name, onlyBare: true, by: call.actor)
        return nil
    }

    private func addUserToGroup(_ call: Call) async throws -> Fields? {
        let (group, user) = (try call.parameters.required("GroupName"), try call.parameters.required("UserName"))
        try await call.permit(on: ResourceName.group(group))
        try await identity.addMember(account: user, to: group, by: call.actor)
        return nil
    }

    private func removeUserFromGroup(_ call: Call) async throws -> Fields? {
        let (group, user) = (try call.parameters.required("GroupName"), try call.parameters.required("UserName"))
        try await call.permit(on: ResourceName.group(group))
        try await identity.removeMember(account: user, from: group, by: call.actor)
        return nil
    }

    private func listGroupsForUser(_ call: Call) async throws -> Fields? {
        let name = try call.parameters.required("UserName")
        let (after, limit) = try call.parameters.page()
        try await call.permit(on: ResourceName.account(name))
        let found = try await identity.groups(ofAccount: name, after: after, limit: limit + 1)
        let page = Page(found, limit: limit, name: \.name)
        return { page.write("Groups", &$0) { Self.write($1, &$0) } }
    }

    private static func write(_ group: Group, _ xml: inout XMLWriter) {
        xml.element("Path", "/")
        xml.element("GroupName", group.name)
        xml.element("GroupId", group.id)
        xml.element("Arn", "arn:aws:iam::martlet:group/\(group.name)")
        xml.element("CreateDate", group.created.rfc3339)
    }
}
