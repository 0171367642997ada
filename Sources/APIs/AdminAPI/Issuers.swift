import HTTPSupport
import Identity
import NIOHTTP1
import Policy
import Wire

extension AdminService {
    /// `/issuers` and `/issuers/{name}`: whose tokens are taken beside this node's own. A name is the issuer's address
    /// without its scheme.
    func tokenIssuers(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (0, .GET):
            try await require(call, "iam:ListOpenIDConnectProviders", on: ResourceName.issuer("*"))
            let all = try await identity.issuers()
            return Response.json { json in
                json.key("issuers")
                json.array { json in for issuer in all { json.object { Self.write(issuer, &$0) } } }
            }
        case (0, .POST):
            let body = try await call.body()
            let url = try body.required("issuer")
            let name = Issuer.name(Issuer.trimmed(url))
            try await require(call, "iam:CreateOpenIDConnectProvider", on: ResourceName.issuer(name))
            try await identity.trust(
                issuer: url, audiences: body["audiences"]?.array?.compactMap(\.string) ?? [],
                role: body["role"]?.string, path: body["path"]?.string ?? "/", by: call.actor)
            let made = try await tokenIssuer(name)
            return Response.json(.created) { Self.write(made, &$0) }
        case (1, .DELETE):
            try await require(call, "iam:DeleteOpenIDConnectProvider", on: ResourceName.issuer(call.path[0]))
            try await identity.forget(issuer: try await tokenIssuer(call.path[0]).url, by: call.actor)
            return Response(.noContent)
        case (0, _): throw Problem.methodNotAllowed("GET, POST")
        case (1, _): throw Problem.methodNotAllowed("DELETE")
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath)")
        }
    }

    private func tokenIssuer(_ name: String) async throws -> Issuer {
        guard let found = try await identity.issuers().first(where: { $0.name == name }) else {
            throw Problem.notFound("the issuer '\(name.prefix(200))' is not trusted")
        }
        return found
    }

    private static func write(_ issuer: Issuer, _ json: inout JSONWriter) {
        json.member("name", issuer.name)
        json.member("issuer", issuer.url)
        json.member("audiences", issuer.audiences)
        if let role = issuer.role { json.member("role", role) }
        json.member("path", issuer.path)
        json.member("created", issuer.created.rfc3339)
    }
}
