import HTTPSupport
import Identity
import NIOHTTP1
import Policy
import SCIMFormat
import Wire

extension SCIMService {
    static let groupSchema = "urn:ietf:params:scim:schemas:core:2.0:Group"

    /// `/Groups`, `/Groups/.search` and `/Groups/{id}`.
    func groups(_ act: Act) async throws -> Result {
        switch (act.path.count, act.method) {
        case (1, .GET): return try await listGroups(act)
        case (2, .POST) where act.path[1] == ".search": return try await listGroups(try Self.searching(act))
        case (1, .POST): return try await createGroup(act)
        case (2, .GET):
            let found = try await group(act.path[1])
            try await require(act, "iam:GetGroup", on: ResourceName.group(found.group.name))
            return try shown(resource(found), act)
        case (2, .PUT), (2, .PATCH): return try await changeGroup(try await group(act.path[1]), act)
        case (2, .DELETE):
            let found = try await group(act.path[1])
            try await require(act, "iam:DeleteGroup", on: ResourceName.group(found.group.name))
            try Self.checkMatch(act, Self.version(of: resource(found)))
            try await policies.forget(.group(found.group.name), by: act.actor)
            try await identity.deleteGroup(found.group.name, by: act.actor)
            return Result(status: .noContent)
        default: throw SCIMError(405, nil, "\(act.method) is not for /scim/v2/\(act.path.joined(separator: "/"))")
        }
    }

    private func listGroups(_ act: Act) async throws -> Result {
        try await require(act, "iam:ListGroups", on: ResourceName.group("*"))
        var condition = DirectoryCondition.everything
        if let text = act.query["filter"] {
            let filter = try SCIMFilter(text)
            if let name = filter.required("displayname") {
                condition = .name(name.lowercased())
            } else if let id = filter.required("id") {
                condition = .uuid(id.lowercased())
            }
        }
        // Members are many, and often not wanted.
        let unwanted = act.query["excludedAttributes"]?.lowercased().split(separator: ",") ?? []
        let withMembers = !unwanted.contains("members")
        return try await list(act, total: { try await identity.count(ofGroups: true) }) { after, limit in
            try await identity.provisionedGroups(condition, after: after, limit: limit, withMembers: withMembers).map {
                Found(id: $0.group.id, resource: resource($0))
            }
        }
    }

    private func group(_ id: String) async throws -> ProvisionedGroup {
        let found = try await identity.provisionedGroups(
            .uuid(id.lowercased()), after: 0, limit: 1, withMembers: true)
        guard let group = found.first else { throw SCIMError(404, nil, "there is no group '\(id.prefix(64))'") }
        return group
    }

    // MARK: Changes

    /// What a resource wants a group to be.
    private struct Wanted {
        var name: String
        var externalID: String?
        var members: [String]

        init(_ resource: JSONValue) throws(SCIMError) {
            guard let object = resource.object, let name = object.ignoringCase("displayname")?.string, !name.isEmpty
            else { throw SCIMError(400, .invalidValue, "'displayName' is missing") }
            self.name = name
            externalID = object.ignoringCase("externalid")?.string
            members = []
            for member in object.ignoringCase("members")?.array ?? [] {
                guard let id = member.object?.ignoringCase("value")?.string ?? member.string else {
                    throw SCIMError(400, .invalidValue, "each of 'members' has a 'value': the id of a user or group")
                }
                members.append(id.lowercased())
            }
        }
    }

    private func createGroup(_ act: Act) async throws -> Result {
        let wanted = try Wanted(try act.required())
        try await require(act, "iam:CreateGroup", on: ResourceName.group(wanted.name))
        if !wanted.members.isEmpty {
            try await require(act, "iam:AddUserToGroup", on: ResourceName.group(wanted.name))
        }
        try await identity.createGroup(name: wanted.name, by: act.actor)
        do {
            try await identity.changeMembers(of: wanted.name, adding: wanted.members, removing: [], by: act.actor)
        } catch let error as IdentityError where error.code == .notFound {
            // A group whose members are nobody's was not meant.
            try await identity.deleteGroup(wanted.name, by: act.actor)
            throw SCIMError(400, .invalidValue, error.message)
        }
        if let id = wanted.externalID {
            try await identity.setAttributes([("externalId", id)], of: .group(wanted.name), by: act.actor)
        }
        return try shown(resource(try await group(try await identity.group(wanted.name).uuid)), act, .created)
    }

    private func changeGroup(_ found: ProvisionedGroup, _ act: Act) async throws -> Result {
        let (name, before) = (found.group.name, resource(found))
        try await require(act, "iam:UpdateGroup", on: ResourceName.group(name))
        try Self.checkMatch(act, Self.version(of: before))
        var after = try act.required()
        if act.method == .PATCH {
            var object = before.object ?? JSONObject()
            try SCIMPatch(after).apply(to: &object)
            after = .object(object)
        }
        let wanted = try Wanted(after)
        guard wanted.name == name else { throw SCIMError(400, .mutability, "a 'displayName' stays: '\(name)'") }
        let (old, new) = (Set(found.members.map(\.uuid)), Set(wanted.members))
        let (added, removed) = (new.subtracting(old).sorted(), old.subtracting(new).sorted())
        if !added.isEmpty { try await require(act, "iam:AddUserToGroup", on: ResourceName.group(name)) }
        if !removed.isEmpty { try await require(act, "iam:RemoveUserFromGroup", on: ResourceName.group(name)) }
        do {
            try await identity.changeMembers(of: name, adding: added, removing: removed, by: act.actor)
        } catch let error as IdentityError where error.code == .notFound {
            throw SCIMError(400, .invalidValue, error.message)
        }
        if wanted.externalID != found.attributes["externalId"] {
            try await identity.setAttributes(
                [("externalId", wanted.externalID)], of: .group(name), by: act.actor)
        }
        return try shown(resource(try await group(found.group.uuid)), act)
    }

    private func resource(_ found: ProvisionedGroup) -> JSONValue {
        let group = found.group
        var out = JSONObject()
        out["schemas"] = [.string(Self.groupSchema)]
        out["id"] = .string(group.uuid)
        out["externalId"] = found.attributes["externalId"].map { .string($0) }
        out["displayName"] = .string(group.name)
        if !found.members.isEmpty {
            out["members"] = .array(
                found.members.map { member in
                    let (type, path) = member.isGroup ? ("Group", "Groups") : ("User", "Users")
                    return [
                        "value": .string(member.uuid), "display": .string(member.name), "type": .string(type),
                        "$ref": .string("\(base)/\(path)/\(member.uuid)"),
                    ]
                })
        }
        return withMeta(out, "Group", "Groups", group.uuid, group.created, group.changed)
    }
}
