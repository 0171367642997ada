import HTTPSupport
import Identity
import NIOHTTP1
import Policy
import SCIMFormat
import Wire

extension SCIMService {
    /// `/Users`, `/Users/.search` and `/Users/{id}`.
    func users(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (1, .GET):
            try await require(call, "iam:ListUsers", on: ResourceName.account("*"))
            return try await list([.users], try ListQuery(call.query), call)
        case (2, .POST) where call.path[1] == ".search":
            try await require(call, "iam:ListUsers", on: ResourceName.account("*"))
            return try await list([.users], try ListQuery(search: call.body), call)
        case (1, .POST):
            let change = try Resources.accountChange(try call.object)
            try await require(call, "iam:CreateUser", on: ResourceName.account(change.name))
            let id = try await identity.provision(change, account: nil, by: call.actor)
            return try await user(id, call, .created)
        case (2, .GET):
            let found = try await identity.provisionedAccount(call.path[1])
            try await require(call, "iam:GetUser", on: ResourceName.account(found.account.name))
            return try await user(found, call)
        case (2, .PUT), (2, .PATCH): return try await change(user: call.path[1], call)
        case (2, .DELETE):
            let found = try await identity.provisionedAccount(call.path[1])
            let name = found.account.name
            try await require(call, "iam:DeleteUser", on: ResourceName.account(name))
            guard name != call.actor else {
                throw Failure(.conflict, "nobody deletes the account that they are logged in with")
            }
            try call.check(found.account.changed)
            try await policies.forget(.account(name), by: call.actor)
            try await identity.deleteAccount(name, by: call.actor)
            return Response(.noContent)
        case (1, _): throw Problem.methodNotAllowed("GET, POST")
        case (2, _): throw Problem.methodNotAllowed("GET, PUT, PATCH, DELETE")
        default: throw Failure(.notFound, "there is nothing at this address")
        }
    }

    private func change(user id: String, _ call: Call) async throws -> Response {
        try await changing(call) {
            let found = try await identity.provisionedAccount(id)
            try await require(call, "iam:UpdateUser", on: ResourceName.account(found.account.name))
            try call.check(found.account.changed)
            var sent = try call.object
            if call.method == .PATCH {
                sent = try SCIMSchema.user.apply(
                    PatchOperation.operations(of: .object(sent)), to: Resources.resource(found, base: call.base),
                    extensions: [SCIMSchema.enterpriseUser])
            }
            let change = try Resources.accountChange(sent)
            guard change.name == found.account.name else {
                throw SCIMError(
                    .mutability,
                    "'userName' stands in policies and in the journal as '\(found.account.name)': it cannot be changed")
            }
            if found.account.name == call.actor, change.isActive == false {
                throw Failure(.conflict, "nobody switches off the account that they are logged in with")
            }
            // What a patch was applied to must still be there when its result is stored.
            _ = try await identity.provision(
                change, account: id, unchangedSince: found.account.changed, by: call.actor)
            return try await user(id, call)
        }
    }

    func user(_ id: String, _ call: Call, _ status: HTTPResponseStatus = .ok) async throws -> Response {
        try await user(try await identity.provisionedAccount(id), call, status)
    }

    private func user(
        _ found: ProvisionedAccount, _ call: Call, _ status: HTTPResponseStatus = .ok
    ) async throws -> Response {
        let resource = Resources.resource(found, base: call.base)
        return try Self.single(resource, found.account.changed, call, status)
    }

    /// One resource with its headers.
    static func single(
        _ resource: JSONObject, _ changed: Timestamp, _ call: Call, _ status: HTTPResponseStatus
    ) throws -> Response {
        let selection = try AttributeSelection(
            attributes: call.query["attributes"], excluded: call.query["excludedAttributes"])
        var headers: HTTPHeaders = ["ETag": Resources.version(changed)]
        if let location = resource["meta"]?["location"]?.string { headers.add(name: "Location", value: location) }
        return response(status, JSONValue.object(selection.applied(to: resource)).bytes, headers: headers)
    }
}

extension SCIMService.Call {
    /// The body, which has to be an object.
    var object: JSONObject {
        get throws {
            guard let object = body?.object else { throw SCIMError(.invalidSyntax, "the body is a JSON object") }
            return object
        }
    }

    /// Checks `If-Match`.
    func check(_ changed: Timestamp) throws {
        guard let version, let moment = try Resources.moment(version) else { return }
        guard moment == changed else {
            throw Failure(.preconditionFailed, "the resource was changed since: its version is another one")
        }
    }
}
