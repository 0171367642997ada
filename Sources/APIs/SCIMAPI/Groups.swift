import HTTPSupport
import Identity
import NIOHTTP1
import Policy
import SCIMFormat
import Wire

extension SCIMService {
    /// `/Groups`, `/Groups/.search` and `/Groups/{id}`.
    func groups(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (1, .GET):
            try await require(call, "iam:ListGroups", on: ResourceName.group("*"))
            return try await list([.groups], try ListQuery(call.query), call)
        case (2, .POST) where call.path[1] == ".search":
            try await require(call, "iam:ListGroups", on: ResourceName.group("*"))
            return try await list([.groups], try ListQuery(search: call.body), call)
        case (1, .POST):
            let change = try Resources.groupChange(try call.object)
            try await require(call, "iam:CreateGroup", on: ResourceName.group(change.displayName))
            if !change.members.isEmpty {
                try await require(call, "iam:AddUserToGroup", on: ResourceName.group(change.displayName))
            }
            let id = try await identity.provision(change, group: nil, by: call.actor)
            return try await group(id, call, .created)
        case (2, .GET):
            let found = try await identity.provisionedGroup(call.path[1])
            try await require(call, "iam:GetGroup", on: ResourceName.group(found.group.name))
            return try await group(call.path[1], call)
        case (2, .PUT), (2, .PATCH): return try await change(group: call.path[1], call)
        case (2, .DELETE):
            let found = try await identity.provisionedGroup(call.path[1], withMembers: false)
            try await require(call, "iam:DeleteGroup", on: ResourceName.group(found.group.name))
            try call.check(found.group.changed)
            try await policies.forget(.group(found.group.name), by: call.actor)
            try await identity.deleteGroup(found.group.name, by: call.actor)
            return Response(.noContent)
        case (1, _): throw Problem.methodNotAllowed("GET, POST")
        case (2, _): throw Problem.methodNotAllowed("GET, PUT, PATCH, DELETE")
        default: throw Failure(.notFound, "there is nothing at this address")
        }
    }

    private func change(group id: String, _ call: Call) async throws -> Response {
        try await changing(call) {
            let found = try await identity.provisionedGroup(id)
            try call.check(found.group.changed)
            var sent = try call.object
            if call.method == .PATCH {
                sent = try SCIMSchema.group.apply(
                    PatchOperation.operations(of: .object(sent)), to: Resources.resource(found, base: call.base))
            }
            let change = try Resources.groupChange(sent)
            try await requireChange(of: found, to: change, call)
            _ = try await identity.provision(change, group: id, unchangedSince: found.group.changed, by: call.actor)
            return try await group(id, call)
        }
    }

    private func requireChange(of found: ProvisionedGroup, to change: GroupChange, _ call: Call) async throws {
        let resource = ResourceName.group(found.group.name)
        let (before, after) = (Set(found.members.map(\.uuid)), Set(change.members))
        if !after.isSubset(of: before) { try await require(call, "iam:AddUserToGroup", on: resource) }
        if !before.isSubset(of: after) { try await require(call, "iam:RemoveUserFromGroup", on: resource) }
        if before == after || change.displayName != found.displayName || change.externalID != found.externalID {
            try await require(call, "iam:UpdateGroup", on: resource)
        }
    }

    private func group(_ id: String, _ call: Call, _ status: HTTPResponseStatus = .ok) async throws -> Response {
        let found = try await identity.provisionedGroup(id)
        return try Self.single(Resources.resource(found, base: call.base), found.group.changed, call, status)
    }
}
