import HTTPSupport
import Identity
import NIOHTTP1
import Policy
import Wire

extension AdminService {
    /// `/accounts` and `/accounts/{name}`.
    func accounts(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (0, .GET):
            try await require(call, "iam:ListUsers", on: ResourceName.account("*"))
            let page = try await identity.accounts(after: call.after)
            return Self.answer { json in
                json.key("accounts")
                json.array { json in for account in page { write(account, &json) } }
            }
        case (0, .POST):
            let body = try await call.body()
            let name = try body.required("name")
            try await require(call, "iam:CreateUser", on: ResourceName.account(name))
            let kindName = body["kind"]?.string ?? "person"
            guard let kind = PrincipalKind(rawValue: kindName) else {
                throw Problem.badRequest("'\(kindName.prefix(40))' is no kind: person, service, computer or software")
            }
            try await identity.createAccount(
                name: name, kind: kind, displayName: body["displayName"]?.string ?? "",
                email: body["email"]?.string ?? "", password: body["password"]?.string, by: call.actor)
            let account = try await identity.account(name)
            return Self.answer(.created) { write(members: account, &$0) }
        case (1, .GET):
            try await require(call, "iam:GetUser", on: ResourceName.account(call.path[0]))
            let account = try await identity.account(call.path[0])
            return Self.answer { write(members: account, &$0) }
        case (1, .PATCH):
            let name = call.path[0]
            try await require(call, "iam:UpdateUser", on: ResourceName.account(name))
            let body = try await call.body()
            if let password = body["password"]?.string {
                try await identity.setPassword(password, of: name, by: call.actor)
            }
            let (displayName, email) = (body["displayName"]?.string, body["email"]?.string)
            if displayName != nil || email != nil {
                try await identity.setDetails(displayName: displayName, email: email, of: name, by: call.actor)
            }
            if let isDisabled = body["disabled"]?.bool {
                try await identity.setDisabled(isDisabled, of: name, by: call.actor)
            }
            let account = try await identity.account(name)
            return Self.answer { write(members: account, &$0) }
        case (1, .DELETE):
            let name = call.path[0]
            try await require(call, "iam:DeleteUser", on: ResourceName.account(name))
            guard name != call.actor else {
                throw Problem.conflict("nobody deletes the account that they are logged in with")
            }
            _ = try await identity.account(name)
            try await policies.forget(.account(name), by: call.actor)
            try await identity.deleteAccount(name, by: call.actor)
            return Response(.noContent)
        case (0, _): throw Problem.methodNotAllowed("GET, POST")
        case (1, _): throw Problem.methodNotAllowed("GET, PATCH, DELETE")
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath)")
        }
    }

    private func write(_ account: Account, _ json: inout JSONWriter) {
        json.object { write(members: account, &$0) }
    }

    private func write(members account: Account, _ json: inout JSONWriter) {
        json.member("name", account.name)
        json.member("kind", account.kind.rawValue)
        json.member("displayName", account.displayName)
        json.member("email", account.email)
        json.member("uidNumber", account.number)
        json.member("disabled", account.isDisabled)
        json.member("created", account.created.rfc3339)
    }

    /// `/groups`, `/groups/{name}` and `/groups/{name}/members/{account}`.
    func groups(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (0, .GET):
            try await require(call, "iam:ListGroups", on: ResourceName.group("*"))
            let page = try await identity.groups(after: call.after)
            return Self.answer { json in
                json.key("groups")
                json.array { json in for group in page { json.string(group.name) } }
            }
        case (0, .POST):
            let name = try await call.body().required("name")
            try await require(call, "iam:CreateGroup", on: ResourceName.group(name))
            try await identity.createGroup(name: name, by: call.actor)
            return Self.answer(.created) { $0.member("name", name) }
        case (1, .GET):
            try await require(call, "iam:GetGroup", on: ResourceName.group(call.path[0]))
            let members = try await identity.members(of: call.path[0])
            return Self.answer {
                $0.member("name", call.path[0])
                $0.member("accounts", members.accounts)
                $0.member("groups", members.groups)
            }
        case (1, .DELETE):
            try await require(call, "iam:DeleteGroup", on: ResourceName.group(call.path[0]))
            _ = try await identity.group(call.path[0])
            try await policies.forget(.group(call.path[0]), by: call.actor)
            try await identity.deleteGroup(call.path[0], by: call.actor)
            return Response(.noContent)
        case (3, .PUT) where call.path[1] == "members":
            try await require(call, "iam:AddUserToGroup", on: ResourceName.group(call.path[0]))
            try await identity.addMember(account: call.path[2], to: call.path[0], by: call.actor)
            return Response(.noContent)
        case (3, .PUT) where call.path[1] == "groups":
            try await require(call, "iam:AddUserToGroup", on: ResourceName.group(call.path[0]))
            try await identity.addMember(group: call.path[2], to: call.path[0], by: call.actor)
            return Response(.noContent)
        case (3, .DELETE) where call.path[1] == "members":
            try await require(call, "iam:RemoveUserFromGroup", on: ResourceName.group(call.path[0]))
            try await identity.removeMember(account: call.path[2], from: call.path[0], by: call.actor)
            return Response(.noContent)
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath) for \(call.method)")
        }
    }

    /// `/keys` and `/keys/{id}`.
    func keys(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (0, .GET):
            let account = call.request.query?["account"]
            try await require(call, "iam:ListAccessKeys", on: ResourceName.account(account ?? "*"))
            let page = try await identity.accessKeys(account: account, after: call.after)
            return Self.answer { json in
                json.key("keys")
                json.array { json in
                    for key in page {
                        json.object {
                            $0.member("accessKeyId", key.id)
                            $0.member("account", key.account)
                            $0.member("description", key.description)
                            $0.member("active", key.isActive)
                            $0.member("created", key.created.rfc3339)
                        }
                    }
                }
            }
        case (0, .POST):
            let body = try await call.body()
            let account = try body.required("account")
            try await require(call, "iam:CreateAccessKey", on: ResourceName.account(account))
            let key = try await identity.createAccessKey(
                account: account, description: body["description"]?.string ?? "", by: call.actor)
            return Self.answer(.created) {
                $0.member("accessKeyId", key.id)
                $0.member("secretAccessKey", key.secret)
                $0.member("account", account)
            }
        case (1, .DELETE):
            let owner = try await identity.owner(ofKey: call.path[0])
            try await require(call, "iam:DeleteAccessKey", on: ResourceName.account(owner))
            try await identity.deleteAccessKey(call.path[0], by: call.actor)
            return Response(.noContent)
        case (0, _): throw Problem.methodNotAllowed("GET, POST")
        case (1, _): throw Problem.methodNotAllowed("DELETE")
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath)")
        }
    }
}
