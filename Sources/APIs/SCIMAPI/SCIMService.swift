package import HTTPSupport
import Identity
import Logging
import NIOHTTP1
package import Policy
import SCIMFormat
import Wire

/// SCIM 2.0 (RFC 7643, 7644; cursors of RFC 9865): the face by which an institute's personnel system keeps accounts and
/// groups here as they are there.
///
/// Every act asks for the same rights as the administrative face: `iam:CreateUser`, `iam:AddUserToGroup` and so on.
package struct SCIMService: Sendable {
    let identity: Identity
    let policies: Policies
    let gate: Gate
    private let authenticator: Authenticator
    private let logger = Logger(label: "martlet.scim")

    /// Largest body taken, also of `/Bulk`.
    static let bodyBytesMax = 4 << 20
    static let bulkOperationsMax = 1000

    package init(policies: Policies, gate: Gate, authenticator: Authenticator) {
        identity = authenticator.identity
        self.policies = policies
        self.gate = gate
        self.authenticator = authenticator
    }

    /// A request with what was found out about it. `/Bulk` makes several of one.
    struct Call: Sendable {
        var method: HTTPMethod
        /// What follows `/scim/v2`.
        var path: [String]
        var query: QueryItems
        var body: JSONValue?
        /// `If-Match`.
        var version: String?
        var caller: Caller
        /// `https://host/scim/v2`.
        var base: String

        var actor: String { caller.principal.name }
    }

    /// Answers `/scim/v2/…`.
    package func respond(to request: Request, path: [String]) async -> Response {
        do {
            let caller = try await authenticator.caller(of: request, cookies: true)
            guard let query = request.query else { throw Problem.badRequest("the query is not valid percent-encoding") }
            var call = Call(
                method: request.method, path: path, query: query, version: request.header("if-match"), caller: caller,
                base: request.origin + "/scim/v2")
            if [.POST, .PUT, .PATCH].contains(request.method), !Self.isDiscovery(path) {
                call.body = try await request.json(upTo: Self.bodyBytesMax)
            }
            var response = try await answer(call)
            if response.status == .ok, let tags = request.header("if-none-match"), request.method == .GET,
                let tag = response.headers.first(name: "ETag"), tags == "*" || tags.contains(tag)
            {
                response = Response(.notModified, headers: ["ETag": tag])
            }
            return response
        } catch {
            return failure(error, request).response
        }
    }

    func failure(_ error: any Error, _ request: Request? = nil) -> Failure {
        if let failure = Failure(error) { return failure }
        logger.error("\(request.map { "\($0.method) \($0.rawPath) [\($0.id)]" } ?? "an operation in bulk"): \(error)")
        return Failure(.internalServerError, "the request failed inside the server; it is logged")
    }

    func answer(_ call: Call) async throws -> Response {
        switch call.path.first {
        case "Users": return try await users(call)
        case "Groups": return try await groups(call)
        case "Me": return try await me(call)
        case "Bulk" where call.path.count == 1: return try await bulk(call)
        case ".search" where call.path.count == 1: return try await search(call)
        case _ where Self.isDiscovery(call.path): return try Self.discovery(call)
        default: throw Failure(.notFound, "there is nothing at /scim/v2/\(call.path.joined(separator: "/"))")
        }
    }

    private static func isDiscovery(_ path: [String]) -> Bool {
        ["Schemas", "ResourceTypes", "ServiceProviderConfig"].contains(path.first)
    }

    /// Accounts and groups in one list (RFC 7644 §3.4.3).
    private func search(_ call: Call) async throws -> Response {
        guard call.method == .POST else { throw Problem.methodNotAllowed("POST") }
        try await require(call, "iam:ListUsers", on: ResourceName.account("*"))
        try await require(call, "iam:ListGroups", on: ResourceName.group("*"))
        return try await list([.users, .groups], try ListQuery(search: call.body), call)
    }

    func require(_ call: Call, _ action: String, on resource: String) async throws {
        try await gate.require(call.caller.principal, action, on: resource, call.caller.context)
    }

    /// Makes a change. One that another overtook is made anew, from what is there then, unless the client has said of
    /// which version it speaks.
    ///
    /// - Throws: ``Failure`` 412 where that goes on, or the version is another one.
    func changing(_ call: Call, _ change: () async throws -> Response) async throws -> Response {
        var attempts = 0
        while true {
            do {
                return try await change()
            } catch let error as IdentityError where error.code == .conflict {
                attempts += 1
                guard call.version == nil, attempts < 5 else { throw Failure(.preconditionFailed, error.message) }
            }
        }
    }

    static func response(
        _ status: HTTPResponseStatus = .ok, _ bytes: [UInt8], headers: HTTPHeaders = [:]
    ) -> Response {
        var response = Response(status, type: "application/scim+json", bytes: bytes, headers: headers)
        response.headers.add(name: "Cache-Control", value: "no-store")
        return response
    }

    /// Who asks, as a resource (RFC 7644 §3.11).
    private func me(_ call: Call) async throws -> Response {
        guard call.caller.principal.accountID != nil else {
            throw Problem.unauthorized("a token or a password is needed to ask who you are")
        }
        var call = call
        let account = try await identity.account(call.actor)
        call.path = ["Users", account.uuid] + call.path.dropFirst()
        return call.method == .GET ? try await user(account.uuid, call) : try await users(call)
    }
}

/// An error on the wire (RFC 7644 §3.12).
struct Failure: Error {
    var status: HTTPResponseStatus
    var kind: String?
    var detail: String
    var headers: HTTPHeaders = [:]

    init(_ status: HTTPResponseStatus, kind: String? = nil, _ detail: String) {
        self.status = status
        self.kind = kind
        self.detail = detail
    }

    /// Nil for what clients are told nothing about.
    init?(_ error: any Error) {
        switch error {
        case let error as Failure: self = error
        case let error as SCIMError: self.init(.badRequest, kind: error.kind.rawValue, error.message)
        case let error as JSONError: self.init(.badRequest, kind: "invalidSyntax", error.description)
        case let error as IdentityError where error.code == .exists:
            self.init(.conflict, kind: "uniqueness", error.message)
        case let error as IdentityError where [.invalidName, .weakPassword, .limit].contains(error.code):
            self.init(.badRequest, kind: "invalidValue", error.message)
        default:
            guard let problem = Problem(error) else { return nil }
            self.init(problem.status, problem.detail)
            headers = problem.headers
        }
    }

    var bytes: [UInt8] {
        var json = JSONWriter()
        json.object {
            $0.member("schemas", ["urn:ietf:params:scim:api:messages:2.0:Error"])
            if let kind { $0.member("scimType", kind) }
            $0.member("detail", detail)
            $0.member("status", String(status.code))
        }
        return json.bytes
    }

    var response: Response { SCIMService.response(status, bytes, headers: headers) }
}
