import HTTPSupport
import Identity
import NIOHTTP1
import Policy
import Wire

extension AdminService {
    /// `/groups`, `/groups/{name}` and what is below: `members`, `groups`, `managers`, `requests`.
    func groups(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (0, .GET):
            try await require(call, "iam:ListGroups", on: ResourceName.group("*"))
            let page = try await identity.groups(after: call.after)
            return Response.json { json in
                json.key("groups")
                json.array { json in for group in page { json.string(group.name) } }
            }
        case (0, .POST):
            let name = try await call.body().required("name")
            try await require(call, "iam:CreateGroup", on: ResourceName.group(name))
            try await identity.createGroup(name: name, by: call.actor)
            return Response.json(.created) { $0.member("name", name) }
        case (1, .GET):
            try await requireManaging(call, "iam:GetGroup")
            return try await group(call.path[0])
        case (1, .PATCH):
            let name = call.path[0]
            try await require(call, "iam:UpdateGroup", on: ResourceName.group(name))
            let body = try await call.body()
            let (description, isOpen) = (body["description"]?.string, body["open"]?.bool)
            if description != nil || isOpen != nil {
                try await identity.setDetails(
                    description: description, isOpen: isOpen, ofGroup: name, by: call.actor)
            }
            if let attributes = body["attributes"] {
                try await identity.setAttributes(try Self.attributes(attributes), of: .group(name), by: call.actor)
            }
            return try await group(name)
        case (1, .DELETE):
            try await require(call, "iam:DeleteGroup", on: ResourceName.group(call.path[0]))
            _ = try await identity.group(call.path[0])
            try await policies.forget(.group(call.path[0]), by: call.actor)
            try await identity.deleteGroup(call.path[0], by: call.actor)
            return Response(.noContent)
        case (2, .GET) where call.path[1] == "requests":
            try await requireManaging(call, "iam:GetGroup")
            let requests = try await identity.joinRequests(group: call.path[0])
            return Response.json { json in
                json.key("requests")
                json.array { json in
                    for request in requests {
                        json.object {
                            $0.member("account", request.account)
                            $0.member("note", request.note)
                            $0.member("created", request.created.rfc3339)
                        }
                    }
                }
            }
        case (3, _): return try await members(call)
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath) for \(call.method)")
        }
    }

    /// `/groups/{name}/{members,groups,managers,requests}/{who}`.
    private func members(_ call: Call) async throws -> Response {
        let (group, who) = (call.path[0], call.path[2])
        switch (call.path[1], call.method) {
        case ("members", .PUT):
            try await requireManaging(call, "iam:AddUserToGroup")
            try await identity.addMember(account: who, to: group, by: call.actor)
        case ("members", .DELETE):
            try await requireManaging(call, "iam:RemoveUserFromGroup")
            try await identity.removeMember(account: who, from: group, by: call.actor)
        case ("groups", .PUT):
            try await require(call, "iam:AddUserToGroup", on: ResourceName.group(group))
            try await identity.addMember(group: who, to: group, by: call.actor)
        case ("groups", .DELETE):
            try await require(call, "iam:RemoveUserFromGroup", on: ResourceName.group(group))
            try await identity.removeMember(group: who, from: group, by: call.actor)
        case ("managers", .PUT):
            try await require(call, "iam:UpdateGroup", on: ResourceName.group(group))
            try await identity.addManager(who, to: group, by: call.actor)
        case ("managers", .DELETE):
            try await require(call, "iam:UpdateGroup", on: ResourceName.group(group))
            try await identity.removeManager(who, from: group, by: call.actor)
        case ("requests", .POST):
            guard let isApproved = try await call.body()["approve"]?.bool else {
                throw Problem.badRequest("the member 'approve' is true or false")
            }
            try await requireManaging(call, "iam:AddUserToGroup")
            try await identity.answerJoin(group, of: who, isApproved: isApproved, by: call.actor)
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath) for \(call.method)")
        }
        return Response(.noContent)
    }

    private func group(_ name: String) async throws -> Response {
        let group = try await identity.group(name)
        let members = try await identity.members(of: name)
        let managers = try await identity.managers(of: name)
        let attributes = try await identity.attributes(of: .group(name))
        return Response.json { json in
            json.member("name", name)
            json.member("description", group.description)
            json.member("open", group.isOpen)
            json.member("gidNumber", group.number)
            json.member("accounts", members.accounts)
            json.member("groups", members.groups)
            json.member("managers", managers)
            json.key("attributes")
            json.object { for (name, value) in attributes { $0.member(name, value) } }
        }
    }

    /// Managers of a group may look after its members; others need a policy.
    private func requireManaging(_ call: Call, _ action: String) async throws {
        let principal = call.caller.principal
        // What a session was narrowed to is not widened by what its opener manages.
        if principal.session == nil, try await identity.manages(principal.accountID, group: call.path[0]) { return }
        try await require(call, action, on: ResourceName.group(call.path[0]))
    }
}
