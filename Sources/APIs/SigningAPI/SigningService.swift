package import HTTPSupport
import Identity
import Logging
import NIOHTTP1
package import Objects
package import Policy
import SigV4
import Wire

/// Signs addresses of objects, so that plain HTTP clients open them for a while (contract: presigned URLs of SigV4).
///
/// A URL carries the rights of whoever asked for it: it is signed with a key of that account, and policy is asked again
/// when it is used. It ends with its time, with the account, or with the key.
package struct SigningService: Sendable {
    /// How long a URL opens its object if nothing else is asked for.
    static let lifetimeSeconds: Int64 = 3600
    /// The longest that SigV4 allows: seven days.
    static let lifetimeSecondsMax: Int64 = 604_800
    /// Addresses signed in one call.
    static let countMax = 1000

    let gate: Gate
    let authenticator: Authenticator
    let objects: Objects
    let addresses: ObjectAddresses
    let logger = Logger(label: "martlet.sign")

    package init(gate: Gate, authenticator: Authenticator, objects: Objects, addresses: ObjectAddresses) {
        self.gate = gate
        self.authenticator = authenticator
        self.objects = objects
        self.addresses = addresses
    }

    /// Answers `/sign`.
    package func respond(to request: Request) async -> Response {
        await Problem.catching(request, log: { logger.error("\($0)") }) {
            let caller = try await authenticator.caller(of: request, cookies: true)
            guard !caller.principal.isAnonymous else {
                throw Problem.unauthorized("a token is needed to have an address signed")
            }
            switch request.method {
            case .GET:
                guard let query = request.query, let href = query["href"] else {
                    throw Problem.badRequest("the parameter 'href' is missing: the address to be signed")
                }
                let seconds = try lifetime(query["duration_seconds"].map { Int64($0) ?? 0 })
                let signed = try await sign([href], method: "GET", seconds: seconds, caller)
                return answer { json in
                    json.member("href", signed.first ?? "")
                    expiry(seconds, &json)
                }
            case .POST:
                return try await signMany(request, caller)
            default: throw Problem.methodNotAllowed("GET, POST")
            }
        }
    }

    /// `{"href": "…"}` or `{"hrefs": ["…"]}`, with `"method": "GET"|"PUT"` and `"duration_seconds"`.
    private func signMany(_ request: Request, _ caller: Caller) async throws -> Response {
        let body = try await request.json()
        let seconds = try lifetime(body["duration_seconds"].map { $0.integer ?? 0 })
        let method = body["method"]?.string ?? "GET"
        guard method == "GET" || method == "PUT" || method == "HEAD" else {
            throw Problem.badRequest("'method' is GET, HEAD or PUT, not '\(method.prefix(40))'")
        }
        if let href = body["href"]?.string {
            let signed = try await sign([href], method: method, seconds: seconds, caller)
            return answer { json in
                json.member("href", signed.first ?? "")
                expiry(seconds, &json)
            }
        }
        guard let hrefs = body["hrefs"]?.array?.map({ $0.string ?? "" }), (1...Self.countMax).contains(hrefs.count)
        else {
            throw Problem.badRequest("the body has 'href' with one address, or 'hrefs' with 1 to \(Self.countMax)")
        }
        let signed = try await sign(hrefs, method: method, seconds: seconds, caller)
        return answer { json in
            json.key("hrefs")
            json.object { json in for (href, url) in zip(hrefs, signed) { json.member(href, url) } }
            expiry(seconds, &json)
        }
    }

    func lifetime(_ asked: Int64?) throws -> Int64 {
        guard let asked else { return Self.lifetimeSeconds }
        guard (1...Self.lifetimeSecondsMax).contains(asked) else {
            throw Problem.badRequest("duration_seconds is 1 to \(Self.lifetimeSecondsMax)")
        }
        return asked
    }

    func expiry(_ seconds: Int64, _ json: inout JSONWriter) {
        json.member("expiry", Timestamp(seconds: Timestamp.now.seconds + seconds).rfc3339)
    }

    func answer(_ body: (inout JSONWriter) -> Void) -> Response {
        var json = JSONWriter()
        json.object { body(&$0) }
        return Response(.ok, type: "application/json", bytes: json.bytes, headers: ["Cache-Control": "no-store"])
    }

    /// Signs all of them, or none: the first one that is not allowed refuses the call.
    package func sign(_ hrefs: [String], method: String, seconds: Int64, _ caller: Caller) async throws -> [String] {
        let objects = try hrefs.map(object)
        for object in objects {
            try await gate.require(
                caller.principal, method == "PUT" ? "s3:PutObject" : "s3:GetObject",
                on: ResourceName.object(object.collection, object.key), caller.context)
        }
        let signer = Signer(credentials: try await credentials(of: caller), region: "us-east-1")
        let host = String(addresses.s3.split(separator: "/").last ?? "")
        return try objects.map { object in
            let path = "/\(object.collection)/\(PercentEncoding.encode(object.key, keepingSlash: true))"
            let query = try signer.presign(method: method, host: host, path: path, expires: seconds)
            return "\(addresses.s3)\(path)?\(query)"
        }
    }

    /// A key of the caller's account, for what is signed on the caller's behalf.
    func credentials(of caller: Caller) async throws -> Credentials {
        let key = try await authenticator.identity.signingKey(for: caller.principal)
        return Credentials(
            accessKeyID: key.id, secret: String(decoding: key.secret, as: UTF8.self), sessionToken: key.sessionToken)
    }

    /// - Throws: `Problem` for an address that is not of this node.
    func object(_ href: String) throws -> ObjectName {
        guard let object = addresses.object(href) else {
            throw Problem.badRequest(
                "'\(href.prefix(200))' is no object of this node: s3://collection/key or "
                    + "\(addresses.s3)/collection/key, or below another address that the node knows as its own")
        }
        return object
    }
}
