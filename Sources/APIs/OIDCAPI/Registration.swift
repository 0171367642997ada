import Ciphers
import HTTPSupport
import Identity
import NIOHTTP1
import OpenID
import Wire

/// Applications that register themselves (RFC 7591), and manage that (RFC 7592).
extension OIDCService {
    private static let bodyBytesMax = 64 << 10

    func register(_ call: Call) async throws -> Response {
        let request = call.request
        guard let id = call.rest.first else {
            guard request.method == .POST else { throw Problem.methodNotAllowed("POST") }
            return try await registerNew(call)
        }
        guard call.rest.count == 1 else {
            throw Problem.notFound("there is nothing at \(request.rawPath.prefix(200))")
        }
        let token = request.credentials("Bearer").map(String.init)
        let client = try await provider.managed(id, token: token ?? "")
        switch request.method {
        case .GET: return answer(.ok, client, secret: nil, registration: token, call)
        case .PUT:
            let changed = try await provider.change(client, to: try await metadata(request))
            return answer(.ok, changed, secret: nil, registration: token, call)
        case .DELETE:
            try await provider.deleteClient(id, by: id)
            return Response(.noContent)
        default: throw Problem.methodNotAllowed("GET, PUT, DELETE")
        }
    }

    private func metadata(_ request: Request) async throws -> JSONValue {
        do {
            return try await request.json(upTo: Self.bodyBytesMax)
        } catch let error as JSONError {
            throw OAuthError(.invalidClientMetadata, error.description)
        }
    }

    private func registerNew(_ call: Call) async throws -> Response {
        let made = try await provider.register(
            try await metadata(call.request), address: call.request.connection.remoteAddress)
        return answer(.created, made.client, secret: made.secret, registration: made.registration, call)
    }

    private func answer(
        _ status: HTTPResponseStatus, _ client: Client, secret: String?, registration: String?, _ call: Call
    ) -> Response {
        let base = call.rest.isEmpty ? call.url : String(call.url.dropLast(client.id.utf8.count + 1))
        return Self.json(status) { json in
            json.member("client_id", client.id)
            json.member("client_id_issued_at", client.created.seconds)
            if let secret {
                json.member("client_secret", secret)
                json.member("client_secret_expires_at", 0)
            }
            if let registration {
                json.member("registration_access_token", registration)
                json.member("registration_client_uri", base + "/" + client.id)
            }
            client.write(members: &json)
        }
    }
}
