import HTTPSupport
import Identity
import NIOHTTP1
import Policy
import Wire

extension AdminService {
    /// `/providers` and `/providers/{name}`: where people log in instead of here.
    func providers(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (0, .GET):
            try await require(call, "iam:ListLoginProviders", on: ResourceName.account("*"))
            let all = try await identity.providers()
            return Response.json { json in
                json.key("providers")
                json.array { json in for provider in all { json.object { write(provider, &$0) } } }
            }
        case (0, .POST):
            try await require(call, "iam:PutLoginProvider", on: ResourceName.account("*"))
            let body = try await call.body()
            let issuer = try body.required("issuer")
            let provider = LoginProvider(
                name: try body.required("name"), title: body["title"]?.string ?? "",
                issuer: Issuer.trimmed(issuer),
                client: try body.required("clientId"), scopes: body["scopes"]?.string ?? "openid profile email",
                createsAccounts: body["createsAccounts"]?.bool ?? false, created: .now)
            try await identity.addProvider(provider, secret: body["clientSecret"]?.string, by: call.actor)
            return Response.json(.created) { write(provider, &$0) }
        case (1, .DELETE):
            try await require(call, "iam:PutLoginProvider", on: ResourceName.account("*"))
            try await identity.removeProvider(call.path[0], by: call.actor)
            return Response(.noContent)
        case (0, _): throw Problem.methodNotAllowed("GET, POST")
        case (1, _): throw Problem.methodNotAllowed("DELETE")
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath)")
        }
    }

    private func write(_ provider: LoginProvider, _ json: inout JSONWriter) {
        json.member("name", provider.name)
        json.member("title", provider.title)
        json.member("issuer", provider.issuer)
        json.member("clientId", provider.client)
        json.member("scopes", provider.scopes)
        json.member("createsAccounts", provider.createsAccounts)
        json.member("redirectUri", people.callback)
    }
}
