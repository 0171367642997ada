package import HTTPSupport
import Identity
import Logging
import NIOHTTP1
package import Policy
import SCIMFormat
import Wire

/// SCIM 2.0 (RFC 7643, RFC 7644): programs that manage accounts and groups elsewhere keep those here the same.
///
/// Every act asks the gate as the administrative calls do: `iam:CreateUser`, `iam:AddUserToGroup` and so on.
package struct SCIMService: Sendable {
    let identity: Identity
    let policies: Policies
    let gate: Gate
    /// Where this face is: `…/scim/v2`.
    let base: String
    private let authenticator: Authenticator
    private let logger = Logger(label: "martlet.scim")

    static let bodyBytesMax = 1 << 20

    package init(policies: Policies, gate: Gate, authenticator: Authenticator, webURL: String) {
        identity = authenticator.identity
        self.policies = policies
        self.gate = gate
        self.authenticator = authenticator
        base = webURL + "/scim/v2"
    }

    /// One act: a request, or a part of a bulk request.
    struct Act {
        var method: HTTPMethod
        /// After `/scim/v2`.
        var path: [String]
        var query: QueryItems
        var body: JSONValue?
        var ifMatch: String?
        var ifNoneMatch: String?
        var caller: Caller

        var actor: String { caller.principal.name }

        /// The body, where one has to be.
        func required() throws(SCIMError) -> JSONValue {
            guard let body, body.object != nil else {
                throw SCIMError(400, .invalidSyntax, "the body is a JSON object")
            }
            return body
        }
    }

    /// What came of it.
    struct Result {
        var status: HTTPResponseStatus = .ok
        var body: JSONValue?
        var location: String?
        var version: String?
    }

    /// Answers `/scim/v2/…`.
    package func respond(to request: Request, path: [String]) async -> Response {
        do {
            let caller = try await authenticator.caller(of: request, passwords: true)
            guard let query = request.query else {
                throw SCIMError(400, .invalidSyntax, "the query is not valid percent-encoding")
            }
            var act = Act(
                method: request.method, path: path, query: query, ifMatch: request.header("if-match"),
                ifNoneMatch: request.header("if-none-match"), caller: caller)
            // What takes no such method says so, whatever was sent.
            let takesBody = ["Users", "Groups", "Bulk"].contains(path.first)
            if takesBody, [.POST, .PUT, .PATCH].contains(request.method) {
                act.body = try await request.json(upTo: Self.bodyBytesMax)
            }
            return Self.response(try await perform(act))
        } catch {
            return failure(error, request)
        }
    }

    func perform(_ act: Act) async throws -> Result {
        switch act.path.first {
        case "ServiceProviderConfig", "ResourceTypes", "Schemas": return try discovery(act)
        case "Bulk" where act.path.count == 1: return try await bulk(act)
        case "Me" where act.path.count == 1: return try await me(act)
        case "Users": return try await users(act)
        case "Groups": return try await groups(act)
        default:
            throw SCIMError(404, nil, "there is nothing at /scim/v2/\(act.path.joined(separator: "/").prefix(200))")
        }
    }

    func require(_ act: Act, _ action: String, on resource: String) async throws {
        try await gate.require(act.caller.principal, action, on: resource, act.caller.context)
    }

    /// Names a state of a resource: what has the same one is the same.
    static func version(_ resource: JSONValue) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in resource.bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return "W/\"\(String(hash, radix: 16))\""
    }

    /// The version that a resource tells.
    static func version(of resource: JSONValue) -> String { resource["meta"]?["version"]?.string ?? "" }

    /// Refuses a change of what has changed meanwhile.
    static func checkMatch(_ act: Act, _ version: String) throws(SCIMError) {
        guard let wanted = act.ifMatch, wanted != "*" else { return }
        let versions = wanted.split(separator: ",").map { $0.filter { $0 != " " } }
        guard versions.contains(version) else {
            throw SCIMError(412, nil, "the resource has changed: its version is \(version)")
        }
    }

    // MARK: Answers

    private static func response(_ result: Result) -> Response {
        var headers: HTTPHeaders = ["Cache-Control": "no-store"]
        if let location = result.location { headers.add(name: "Location", value: location) }
        if let version = result.version { headers.add(name: "ETag", value: version) }
        guard let body = result.body else { return Response(result.status, headers: headers) }
        return Response(result.status, type: "application/scim+json", bytes: body.bytes, headers: headers)
    }

    private func failure(_ error: any Error, _ request: Request) -> Response {
        let scim = Self.scimError(error)
        if scim.status == 500 { logger.error("\(request.method) \(request.rawPath) [\(request.id)]: \(error)") }
        var response = Self.response(
            Result(status: HTTPResponseStatus(statusCode: scim.status), body: Self.document(scim)))
        if scim.status == 401 {
            response.headers.add(name: "WWW-Authenticate", value: #"Bearer realm="martlet""#)
        }
        if let problem = Problem(error) {
            for header in problem.headers where header.name.lowercased() == "retry-after" {
                response.headers.replaceOrAdd(name: header.name, value: header.value)
            }
        }
        return response
    }

    static func document(_ error: SCIMError) -> JSONValue {
        var out = JSONObject()
        out["schemas"] = ["urn:ietf:params:scim:api:messages:2.0:Error"]
        out["status"] = .string(String(error.status))
        if let kind = error.kind { out["scimType"] = .string(kind.rawValue) }
        out["detail"] = .string(error.description)
        return .object(out)
    }

    /// Whatever was thrown, in SCIM's words.
    static func scimError(_ error: any Error) -> SCIMError {
        switch error {
        case let error as SCIMError: return error
        case let error as JSONError: return SCIMError(400, .invalidSyntax, error.description)
        case let error as IdentityError where error.code == .exists:
            return SCIMError(409, .uniqueness, error.message)
        case let error as IdentityError where [.invalidName, .weakPassword, .limit].contains(error.code):
            return SCIMError(400, .invalidValue, error.message)
        default:
            guard let problem = Problem(error) else {
                return SCIMError(500, nil, "the request failed inside the server")
            }
            return SCIMError(Int(problem.status.code), nil, problem.detail)
        }
    }
}
