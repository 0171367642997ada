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
    /// Where clients reach the web port, `https://host:port`.
    private let webURL: String
    let logger = Logger(label: "martlet.sign")

    package init(
        gate: Gate, authenticator: Authenticator, objects: Objects, addresses: ObjectAddresses, webURL: String
    ) {
        self.webURL = webURL
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
                return Response.json { json in
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
            return Response.json { json in
                json.member("href", signed.first ?? "")
                expiry(seconds, &json)
            }
        }
        guard let hrefs = body["hrefs"]?.array?.map({ $0.string ?? "" }), (1...Self.countMax).contains(hrefs.count)
        else {
            throw Problem.badRequest("the body has 'href' with one address, or 'hrefs' with 1 to \(Self.countMax)")
        }
        let signed = try await sign(hrefs, method: method, seconds: seconds, caller)
        return Response.json { json in
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

    /// Signs all of them, or none: the first one that is not allowed refuses the call.
    package func sign(_ hrefs: [String], method: String, seconds: Int64, _ caller: Caller) async throws -> [String] {
        let targets = try hrefs.map { href in
            if method != "PUT", let target = picture(href) { target } else { Target.object(try object(href)) }
        }
        for case .object(let object) in targets {
            try await gate.require(
                caller.principal, method == "PUT" ? "s3:PutObject" : "s3:GetObject",
                on: ResourceName.object(object.collection, object.key), caller.context)
        }
        let signer = Signer(credentials: try await credentials(of: caller), region: "us-east-1")
        return try targets.map { target in
            let (base, path, query) =
                switch target {
                case .object(let object):
                    (
                        addresses.s3, "/\(object.collection)/\(PercentEncoding.encode(object.key, keepingSlash: true))",
                        QueryItems()
                    )
                case .picture(let path, let query): (webURL, path, query)
                }
            let host = String(base.split(separator: "/").last ?? "")
            return "\(base)\(path)?"
                + (try signer.presign(method: method, host: host, path: path, query: query, expires: seconds))
        }
    }

    /// What an address names.
    private enum Target {
        case object(ObjectName)
        /// Policy is asked when it is made: only then it is known what it is of.
        case picture(path: String, query: QueryItems)
    }

    /// A picture below `/raster`, by its address, signed already or not.
    private func picture(_ href: String) -> Target? {
        guard href.hasPrefix(webURL + "/raster/") else { return nil }
        let parts = href.dropFirst(webURL.count).prefix { $0 != "#" }.split(separator: "?", maxSplits: 1)
        guard let path = parts.first, let query = QueryItems(parsing: parts.count == 2 ? String(parts[1]) : "") else {
            return nil
        }
        return .picture(
            path: String(path), query: QueryItems(query.items.filter { !$0.name.hasPrefix("X-Amz-") }))
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
