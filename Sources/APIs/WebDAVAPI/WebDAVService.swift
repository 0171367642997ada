package import HTTPSupport
import IAMPolicy
import Identity
import Logging
import NIOHTTP1
package import Objects
package import Policy
import WebDAVFormat
import Wire

/// The WebDAV face (RFC 4918, classes 1, 2 and 3): collections are top folders, objects are files.
package struct WebDAVService: Sendable {
    let objects: Objects
    let gate: Gate
    let authenticator: Authenticator
    let logger: Logger
    /// Where the face stands on its port, percent-encoded, without a `/` at the end.
    let mount: String
    /// Whether it speaks to sync clients of Nextcloud: see NextcloudService.swift.
    let isForSync: Bool
    /// The only account that it is for; nil for all.
    let account: String?

    /// Largest XML body taken.
    static let bodyBytesMax = 512 << 10

    package init(objects: Objects, gate: Gate, authenticator: Authenticator) {
        self.init(objects, gate, authenticator, mount: "/dav", isForSync: false, account: nil)
    }

    init(
        _ objects: Objects, _ gate: Gate, _ authenticator: Authenticator, mount: String, isForSync: Bool,
        account: String?
    ) {
        self.objects = objects
        self.gate = gate
        self.authenticator = authenticator
        self.mount = mount
        self.isForSync = isForSync
        self.account = account
        logger = Logger(label: "martlet.webdav")
    }

    /// A request with what was found out about it.
    struct Call: Sendable {
        var request: Request
        var caller: Caller
        var address: Address
        var conditions: Conditions

        var actor: String { caller.principal.name }
        /// The lock tokens that the request names.
        var tokens: Set<String> { conditions.header?.tokens ?? [] }
    }

    package func respond(to request: Request) async -> Response {
        // Asked before a client knows who it is, also for folders above the face's own.
        if request.method == .OPTIONS { return Self.options }
        return await catching(request) { try await perform(request) }
    }

    func catching(_ request: Request, _ body: () async throws -> Response) async -> Response {
        do {
            return try await body()
        } catch {
            var known = WebDAVError(error)
            if known == nil || known?.status == .internalServerError {
                logger.error("\(request.method) \(request.rawPath) [\(request.id)]: \(error)")
            }
            if let path = known?.lockRoot, let address = try? Address(request.rawPath, below: mount) {
                known?.href = Address(collection: address.collection, path: path, isFolder: false).href(below: mount)
            }
            return
                (known
                ?? WebDAVError(
                    .internalServerError, "the request failed inside the server; it is logged as \(request.id)"))
                .response
        }
    }

    /// Microsoft's clients look for `MS-Author-Via`.
    package static let options = Response(
        .ok,
        headers: [
            "DAV": "1, 2, 3", "MS-Author-Via": "DAV", "Allow": allowed, "Accept-Ranges": "bytes",
            "Content-Length": "0",
        ])

    private static let allowed =
        "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, COPY, MOVE, PROPFIND, PROPPATCH, LOCK, UNLOCK"

    private func perform(_ request: Request) async throws -> Response {
        var caller = try await authenticator.caller(of: request, passwords: true)
        guard account == nil || caller.principal.isAnonymous || account == caller.principal.name else {
            throw WebDAVError(.forbidden, "these are the files of '\(account ?? "")'")
        }
        var address = try Address(request.rawPath, below: mount)
        caller.transaction = try await TransactionHeader.transaction(of: request, by: caller, objects, gate)
        try select(&address, request, caller)
        guard
            !caller.principal.isAnonymous || request.method == .GET || request.method == .HEAD
                || request.method == .PROPFIND
        else { throw Self.unauthenticated }
        let header = try request.header("if").map { text throws(WebDAVFormatError) in try IfHeader(parsing: text) }
        var call = Call(request: request, caller: caller, address: address, conditions: Conditions())
        if let header { call.conditions = try await conditions(header, call) }
        switch request.method {
        case .GET, .HEAD: return try await get(call)
        case .PUT: return try await put(call)
        case .DELETE: return try await delete(call)
        case .MKCOL: return try await makeFolder(call)
        case .COPY: return try await transfer(call, isMove: false)
        case .MOVE: return try await transfer(call, isMove: true)
        case .PROPFIND: return try await propfind(call)
        case .PROPPATCH: return try await proppatch(call)
        case .LOCK: return try await lock(call)
        case .UNLOCK: return try await unlock(call)
        default:
            var error = WebDAVError(.methodNotAllowed, "\(request.method) has no meaning here")
            error.headers = ["Allow": Self.allowed]
            throw error
        }
    }

    /// Which state a request is about: the present one, the past, or what a transaction makes of it.
    private func select(_ address: inout Address, _ request: Request, _ caller: Caller) throws {
        let asOf = try request.asOf
        if asOf != nil { address.asOf = asOf }
        let isRead = request.method == .GET || request.method == .HEAD || request.method == .PROPFIND
        guard address.asOf == nil || isRead else { throw WebDAVError(.forbidden, "the past can only be read") }
        guard caller.transaction != nil else { return }
        guard address.asOf == nil else {
            throw WebDAVError(.badRequest, "a request reads the past or what a transaction writes, not both")
        }
        guard isRead || [.PUT, .DELETE, .MKCOL, .COPY].contains(request.method) else {
            throw WebDAVError(
                .badRequest,
                "a transaction writes, copies and deletes files; send this without \(TransactionHeader.name)")
        }
    }

    static var unauthenticated: WebDAVError {
        var error = WebDAVError(.unauthorized, "log in with a name and a password or app password, or a bearer token")
        error.headers = WebDAVError.challenge
        return error
    }

    // MARK: Permission

    func require(_ call: Call, _ action: String, _ key: String, in collection: String? = nil) async throws {
        let resource = ResourceName.object(collection ?? call.address.collection, key)
        let (action, context) = Self.asked(call, action)
        try await gate.require(call.caller.principal, action, on: resource, context)
    }

    /// Checks that the caller may write a file, or make a folder. Who may only create is kept to that in the write's
    /// own transaction: see ``writeCondition(_:)``.
    func requireWrite(_ call: Call, _ key: String) async throws {
        var call = call
        if call.caller.createsOnly(call.address.collection, key) {
            call.caller.context.values["s3:if-none-match"] = ["*"]
        }
        try await require(call, "s3:PutObject", key)
    }

    /// What somebody overwrote or deleted is seen by those who may see versions, as over S3.
    private static func asked(_ call: Call, _ action: String) -> (action: String, context: RequestContext) {
        guard let asOf = call.address.asOf else { return (action, call.caller.context) }
        var context = call.caller.context
        context.values["s3:VersionId"] = ["@\(asOf)"]
        return (
            action == "s3:ListBucket" ? "s3:ListBucketVersions" : action.replacing("Object", with: "ObjectVersion"),
            context
        )
    }

    func require(_ call: Call, _ action: String, onCollection name: String) async throws {
        try await gate.require(
            call.caller.principal, action, on: ResourceName.collection(name), call.caller.context)
    }

    /// What a listing asks the gate, as S3's does.
    func listing(_ call: Call, _ address: Address) -> (resource: String, context: RequestContext) {
        var context = call.caller.context
        context.values["s3:prefix"] = [address.prefix]
        context.values["s3:delimiter"] = ["/"]
        return (ResourceName.collection(address.collection), context)
    }

    /// Checks that the caller may look at something; whether there is anything is not known before.
    func requireLook(_ call: Call) async throws {
        let address = call.address
        let (resource, context) = listing(call, address)
        let list = Self.asked(call, "s3:ListBucket").action
        if try await gate.decide(call.caller.principal, list, on: resource, context).isAllowed { return }
        if !address.path.isEmpty, !address.endsInSlash {
            let (get, context) = Self.asked(call, "s3:GetObject")
            let object = ResourceName.object(address.collection, address.path)
            if try await gate.decide(call.caller.principal, get, on: object, context).isAllowed { return }
        }
        try await gate.require(call.caller.principal, list, on: resource, context)
    }

    /// Checks that the caller may list what is in a folder.
    func requireList(_ call: Call, _ address: Address) async throws {
        let (resource, context) = listing(call, address)
        try await gate.require(
            call.caller.principal, Self.asked(call, "s3:ListBucket").action, on: resource, context)
    }

    /// The keys of a tree, each of which the caller may do `actions` to.
    func permitted(_ call: Call, _ actions: [String], _ tree: Tree) async throws -> Set<String> {
        let keys = try await objects.keys(of: tree)
        for key in keys {
            for action in actions { try await require(call, action, key, in: tree.collection) }
        }
        return Set(keys)
    }
}
