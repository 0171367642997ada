import HTTPSupport
import Identity
import NIOHTTP1
import Policy
import Wire

extension AdminService {
    /// `/app-passwords` and `/app-passwords/{id}`.
    func appPasswords(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (0, .GET):
            let account = call.request.query?["account"]
            try await require(call, "iam:ListAccessKeys", on: ResourceName.account(account ?? "*"))
            let page = try await identity.appPasswords(account: account, after: call.after)
            return Response.json { json in
                json.key("appPasswords")
                json.array { json in
                    for password in page {
                        json.object {
                            $0.member("id", password.id)
                            $0.member("account", password.account)
                            $0.member("description", password.description)
                            $0.member("created", password.created.rfc3339)
                            if let ends = password.ends { $0.member("ends", ends.rfc3339) }
                        }
                    }
                }
            }
        case (0, .POST):
            let body = try await call.body()
            let account = try body.required("account")
            try await require(call, "iam:CreateAccessKey", on: ResourceName.account(account))
            let made = try await identity.createAppPassword(
                account: account, description: body["description"]?.string ?? "",
                ends: try body["ends"].flatMap { try Self.time($0, "ends") }, by: call.actor)
            return Response.json(.created) {
                $0.member("id", made.id)
                $0.member("password", made.password)
                $0.member("account", account)
            }
        case (1, .DELETE):
            let owner = try await identity.owner(ofAppPassword: call.path[0])
            try await require(call, "iam:DeleteAccessKey", on: ResourceName.account(owner))
            try await identity.deleteAppPassword(call.path[0], by: call.actor)
            return Response(.noContent)
        case (0, _): throw Problem.methodNotAllowed("GET, POST")
        case (1, _): throw Problem.methodNotAllowed("DELETE")
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath)")
        }
    }
}
