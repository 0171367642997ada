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
            return Response.json { json in
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
            return Response.json(.created) { write(members: account, &$0) }
        case (1, .GET):
            try await require(call, "iam:GetUser", on: ResourceName.account(call.path[0]))
            return try await shown(call.path[0])
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
            if let ends = body["ends"] {
                try await identity.setEnd(try Self.time(ends, "ends"), of: name, by: call.actor)
            }
            if let attributes = body["attributes"] {
                try await identity.setAttributes(
                    try Self.attributes(attributes), of: .account(name), by: call.actor)
            }
            if let isDisabled = body["disabled"]?.bool {
                try await identity.setDisabled(isDisabled, of: name, by: call.actor)
            }
            if body["codes"]?.bool == false { try await identity.removeSecondFactor(of: name, by: call.actor) }
            return try await shown(name)
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

    /// An account with what is only told of a single one.
    private func shown(_ name: String) async throws -> Response {
        let account = try await identity.account(name)
        let attributes = try await identity.attributes(of: .account(name))
        let groups = try await identity.groups(ofAccount: name, limit: 1000)
        let (factor, passkeys) = (try await identity.secondFactor(of: name), try await identity.passkeys(of: name))
        let signature = try await identity.signature(of: name)
        return Response.json { json in
            write(members: account, &json)
            json.member("groups", groups.map(\.name))
            json.key("attributes")
            json.object { for (name, value) in attributes { $0.member(name, value) } }
            json.member("codes", factor.since != nil)
            json.member("passkeys", passkeys.count)
            json.member("passkeyNeeded", factor.needsPasskey)
            if let signature {
                json.member("policySigned", signature.version)
                json.member("policySignedAt", signature.signed.rfc3339)
            }
        }
    }

    /// A moment as a member of a body; null for none.
    static func time(_ value: JSONValue, _ name: String) throws -> Timestamp? {
        if value.isNull || value.string == "" { return nil }
        let text = value.string ?? ""
        // A day alone ends when it begins, in UTC.
        guard let time = Timestamp(rfc3339: text.utf8.count == 10 ? text + "T00:00:00Z" : text) else {
            throw Problem.badRequest("'\(name)' is a day such as 2027-03-31, a time after RFC 3339, or null")
        }
        return time
    }

    /// Attributes as a member of a body: an object of texts, and of null for what goes.
    static func attributes(_ value: JSONValue) throws -> [(name: String, value: String?)] {
        guard let members = value.object?.members, members.allSatisfy({ $0.value.isNull || $0.value.string != nil })
        else { throw Problem.badRequest("'attributes' is an object of texts, with null for what is removed") }
        return members.map { ($0.name, $0.value.string) }
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
        if let ends = account.ends { json.member("ends", ends.rfc3339) }
        json.member("created", account.created.rfc3339)
    }

    /// `/keys` and `/keys/{id}`.
    func keys(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (0, .GET):
            let account = call.request.query?["account"]
            try await require(call, "iam:ListAccessKeys", on: ResourceName.account(account ?? "*"))
            let page = try await identity.accessKeys(account: account, after: call.after)
            return Response.json { json in
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
            return Response.json(.created) {
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
