import Ciphers
import HTTPSupport
import Identity
import JOSE
import NIOHTTP1
import OpenID
import Policy
import Wire

extension AdminService {
    /// `/clients`, `/clients/{id}` and `/clients/{id}/secret`.
    func clients(_ call: Call) async throws -> Response {
        let name = call.path.first ?? "*"
        switch (call.path.count, call.method) {
        case (0, .GET):
            try await require(call, "iam:ListClients", on: ResourceName.client("*"))
            let page = try await provider.clients(after: call.after)
            return Response.json { json in
                json.key("clients")
                json.array { json in for client in page { json.object { write(client, &$0) } } }
            }
        case (0, .POST):
            let body = try await call.body()
            let id = body["client_id"]?.string ?? "app-" + Hex.encode(randomBytes(12))
            try await require(call, "iam:CreateClient", on: ResourceName.client(id))
            return try await refusals {
                var client = try Client(id: id, metadata: body)
                client.isTrusted = body["trusted"]?.bool ?? false
                let made = try await provider.addClient(client, account: body["account"]?.string, by: call.actor)
                return Response.json(.created) { json in
                    write(made.client, &json)
                    if let secret = made.secret { json.member("client_secret", secret) }
                }
            }
        case (1, .GET):
            try await require(call, "iam:GetClient", on: ResourceName.client(name))
            return try await refusals {
                let client = try await provider.client(name)
                return Response.json { write(client, &$0) }
            }
        case (1, .DELETE):
            try await require(call, "iam:DeleteClient", on: ResourceName.client(name))
            try await provider.deleteClient(name, by: call.actor)
            return Response(.noContent)
        case (2, .POST) where call.path[1] == "secret":
            try await require(call, "iam:UpdateClient", on: ResourceName.client(name))
            return try await refusals {
                let secret = try await provider.rotateSecret(ofClient: name, by: call.actor)
                return Response.json {
                    $0.member("client_id", name)
                    $0.member("client_secret", secret)
                }
            }
        case (0, _): throw Problem.methodNotAllowed("GET, POST")
        case (1, _): throw Problem.methodNotAllowed("GET, DELETE")
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath)")
        }
    }

    private func refusals(_ body: () async throws -> Response) async throws -> Response {
        do {
            return try await body()
        } catch let error as OAuthError {
            throw error.code == .invalidClient ? Problem.notFound(error.message) : Problem.badRequest(error.message)
        }
    }

    private func write(_ client: Client, _ json: inout JSONWriter) {
        json.member("client_id", client.id)
        json.member("trusted", client.isTrusted)
        json.member("registered_itself", client.isDynamic)
        json.member("created", client.created.rfc3339)
        client.write(members: &json)
    }

    /// `/token-keys`: the keys that sign tokens.
    func tokenKeys(_ call: Call) async throws -> Response {
        guard call.path.isEmpty else { throw Problem.notFound("there is nothing at \(call.request.rawPath)") }
        let keys: [TokenKey]
        switch call.method {
        case .GET:
            try await require(call, "iam:ListTokenKeys", on: ResourceName.client("*"))
            _ = try await provider.tokens.keys.published()
            keys = try await provider.tokens.keys.list()
        case .POST:
            try await require(call, "iam:UpdateTokenKeys", on: ResourceName.client("*"))
            let body = try await call.body()
            guard let algorithm = JWTSigner.Algorithm(rawValue: body["algorithm"]?.string ?? "ES256") else {
                throw Problem.badRequest("'algorithm' is ES256 or RS256")
            }
            keys = try await provider.tokens.keys.rotate(
                algorithm, isAtOnce: body["atOnce"]?.bool ?? false, by: call.actor)
        default: throw Problem.methodNotAllowed("GET, POST")
        }
        return Response.json { json in
            json.key("keys")
            json.array { json in
                for key in keys {
                    json.object {
                        $0.member("kid", key.id)
                        $0.member("algorithm", key.algorithm.rawValue)
                        $0.member("created", key.created.rfc3339)
                        $0.member("active", key.active.rfc3339)
                    }
                }
            }
        }
    }

    /// `/grants` and `/grants/{client}`: what an account, its own unless another is named, has let applications do.
    func grants(_ call: Call) async throws -> Response {
        let account = call.request.query?["account"] ?? call.actor
        func check(_ action: String) async throws {
            guard account != call.actor || call.caller.principal.scopes?.limit != nil else { return }
            try await require(call, action, on: ResourceName.account(account))
        }
        switch (call.path.count, call.method) {
        case (0, .GET):
            try await check("iam:ListGrants")
            let page = try await provider.grants(of: account, after: call.after)
            return Response.json { json in
                json.key("grants")
                json.array { json in
                    for grant in page {
                        json.object {
                            $0.member("id", grant.id)
                            $0.member("client_id", grant.client)
                            $0.member("scope", grant.scopes.text)
                            $0.member("created", grant.created.rfc3339)
                            $0.member("used", grant.used.rfc3339)
                            $0.member("expires", grant.expires.rfc3339)
                        }
                    }
                }
            }
        case (1, .DELETE):
            try await check("iam:DeleteGrant")
            try await provider.withdraw(client: call.path[0], of: account, by: call.actor)
            return Response(.noContent)
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath) for \(call.method)")
        }
    }
}
