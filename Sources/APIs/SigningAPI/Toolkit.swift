package import HTTPSupport
import Identity
import Logging
import NIOHTTP1
import Policy
import Wire

/// What the SDKs of STAC catalogues ask for (teledetection, dinamis-sdk): addresses are signed by many at once, people
/// log in as the public client `gdal`, and programs show an API key, which is an access key of S3, in two headers.
extension SigningService {
    /// Answers `/sign/…`.
    package func respond(to request: Request, path: [String]) async -> Response {
        await Problem.catching(request, log: { logger.error("\($0)") }) {
            switch (path, request.method) {
            case (["openapi.json"], .GET): return openAPI
            case (["sign_urls"], .POST): return try await signAll(request, "GET")
            case (["sign_urls_put"], .POST): return try await signAll(request, "PUT")
            case (["create_api_key"], .GET): return try await createKey(request)
            case (["list_api_keys"], .GET):
                return Self.list(try await keys(request)) { key, json in json.string(key.id) }
            case (["list_api_keys_with_metadata"], .GET):
                return Self.list(try await keys(request)) { key, json in
                    json.object {
                        $0.member("access-key", key.id)
                        $0.member("created", Self.written(key.created))
                        $0.member("description", key.description)
                    }
                }
            case (["revoke_api_key"], .GET): return try await revokeKey(request)
            default: throw Problem.notFound("there is nothing at \(request.rawPath.prefix(200)) for \(request.method)")
            }
        }
    }

    /// Where SDKs find out how people log in. The names are those that they look for.
    private var openAPI: Response {
        let token = authenticator.tokens.issuer + "/realms/martlet/protocol/openid-connect/token"
        let flow: JSONValue = ["password": ["tokenUrl": .string(token), "scopes": .object(JSONObject())]]
        let scheme: JSONValue = ["OAuth2PasswordBearer": ["type": "oauth2", "flows": flow]]
        var json = JSONWriter(capacity: 1024)
        json.object { json in
            json.member("openapi", "3.1.0")
            json.key("info")
            json.object {
                $0.member("title", "Martlet: signed addresses")
                $0.member("version", "1.0.0")
            }
            json.key("paths")
            json.object { json in
                for (path, method, summary) in [
                    ("/sign_urls", "post", "Signs addresses of objects, so that they can be read"),
                    ("/sign_urls_put", "post", "Signs addresses of objects, so that they can be written"),
                    ("/create_api_key", "get", "Makes an API key"),
                    ("/list_api_keys", "get", "Lists API keys"),
                    ("/list_api_keys_with_metadata", "get", "Lists API keys with what they are for"),
                    ("/revoke_api_key", "get", "Takes an API key back"),
                ] {
                    let answers: JSONValue = ["200": ["description": "done"]]
                    let operation: JSONValue = ["summary": .string(summary), "responses": answers]
                    json.member(path, .object(JSONObject([.init(name: method, value: operation)])))
                }
            }
            json.member("components", ["securitySchemes": scheme])
        }
        return Response(
            .ok, type: "application/json", bytes: json.bytes, headers: ["Cache-Control": "public, max-age=300"])
    }

    /// `{"urls": […], "duration_seconds": 7200}`, or the same names in the query, as older ones have it.
    private func signAll(_ request: Request, _ method: String) async throws -> Response {
        let caller = try await user(request)
        var urls = request.query?.all("urls") ?? []
        var seconds = request.query?["duration_seconds"].map { Int64($0) ?? 0 }
        if urls.isEmpty {
            let body = try await request.json()
            urls = body["urls"]?.array?.map { $0.string ?? "" } ?? []
            seconds = body["duration_seconds"].flatMap { $0.isNull ? nil : $0.integer ?? 0 }
        }
        guard (1...Self.countMax).contains(urls.count) else {
            throw Problem.badRequest("'urls' is a list of 1 to \(Self.countMax) addresses")
        }
        let lifetime = try lifetime(seconds)
        let signed = try await sign(urls, method: method, seconds: lifetime, caller)
        return Response.json { json in
            expiry(lifetime, &json)
            json.key("hrefs")
            json.object { json in
                var known: Set<String> = []
                for (url, href) in zip(urls, signed) where known.insert(url).inserted { json.member(url, href) }
            }
        }
    }

    private func user(_ request: Request) async throws -> Caller {
        let caller = try await authenticator.caller(of: request)
        guard !caller.principal.isAnonymous else {
            throw Problem.unauthorized("a bearer token is needed, or the headers access-key and secret-key")
        }
        return caller
    }

    // MARK: API keys

    private func owner(_ request: Request, _ action: String) async throws -> String {
        // Asked for by GET: what a browser sends by itself, a cookie or a certificate, is no wish of its user's.
        guard request.headers.contains(name: "authorization") || request.headers.contains(name: "access-key") else {
            throw Problem.unauthorized("a bearer token is needed, or the headers access-key and secret-key")
        }
        let caller = try await user(request)
        try await gate.requireOwn(caller.principal, action, caller.context)
        return caller.principal.name
    }

    private func createKey(_ request: Request) async throws -> Response {
        let owner = try await owner(request, "iam:CreateAccessKey")
        let key = try await authenticator.identity.createAccessKey(
            account: owner, description: request.query?["description"] ?? "", by: owner)
        return Response.json {
            $0.member("access-key", key.id)
            $0.member("secret-key", key.secret)
        }
    }

    private func keys(_ request: Request) async throws -> [AccessKey] {
        try await authenticator.identity.accessKeys(account: try await owner(request, "iam:ListAccessKeys"))
    }

    private func revokeKey(_ request: Request) async throws -> Response {
        let owner = try await owner(request, "iam:DeleteAccessKey")
        guard let id = request.query?["access_key"] else { throw Problem.badRequest("'access_key' is missing") }
        // Nobody learns of another's keys.
        guard await (try? authenticator.identity.owner(ofKey: id)) == owner else {
            throw Problem.notFound("'\(owner)' has no access key '\(id.prefix(64))'")
        }
        try await authenticator.identity.deleteAccessKey(id, by: owner)
        return Response.json { $0.member("access-key", id) }
    }

    private static func list(
        _ keys: [AccessKey], _ write: (AccessKey, inout JSONWriter) -> Void
    ) -> Response {
        var json = JSONWriter()
        json.array { json in for key in keys { write(key, &json) } }
        return Response(.ok, type: "application/json", bytes: json.bytes, headers: ["Cache-Control": "no-store"])
    }

    /// `2025-05-06 09:22:50.123`: clients cut it at the full stop.
    private static func written(_ time: Timestamp) -> String {
        String(time.rfc3339Milliseconds.dropLast()).replacing("T", with: " ")
    }
}
