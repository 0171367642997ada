package import HTTPSupport
import Identity
import Logging
import NIOHTTP1
package import Objects
package import Policy
import WebDAVFormat
import Wire

/// What sync clients of Nextcloud need beside WebDAV: who the server and the user are, ids and tags by which they see
/// what has changed, and uploads in chunks.
package struct NextcloudService: Sendable {
    let objects: Objects
    let gate: Gate
    let authenticator: Authenticator

    /// The version of the protocol that is spoken.
    private static let version = "28.0.0.11"

    package init(objects: Objects, gate: Gate, authenticator: Authenticator) {
        self.objects = objects
        self.gate = gate
        self.authenticator = authenticator
    }

    /// Answers `/status.php`, `/ocs/…` and `/remote.php/…`.
    package func respond(to request: Request, path: [String]) async -> Response {
        switch path.first {
        case "status.php" where path.count == 1: return status
        case "ocs": return await ocs(request, Array(path.dropFirst(2)))
        default: break
        }
        switch Array(path.dropFirst()) {
        case let rest where rest.first == "webdav":
            return await files(mount: "/remote.php/webdav", account: nil).respond(to: request)
        case let rest where rest.starts(with: ["dav", "files"]) && rest.count >= 3:
            let mount = "/remote.php/dav/files/" + PercentEncoding.encode(rest[2])
            return await files(mount: mount, account: rest[2]).respond(to: request)
        case let rest where rest.starts(with: ["dav", "uploads"]) && rest.count >= 3:
            return await upload(request, account: rest[2], Array(rest.dropFirst(3)))
        default:
            if request.method == .OPTIONS { return WebDAVService.options }
            return WebDAVError(.notFound, "there is nothing at \(request.rawPath.prefix(200))").response
        }
    }

    private func files(mount: String, account: String?) -> WebDAVService {
        WebDAVService(objects, gate, authenticator, mount: mount, isForSync: true, account: account)
    }

    private var status: Response {
        var json = JSONWriter()
        json.object {
            $0.member("installed", true)
            $0.member("maintenance", false)
            $0.member("needsDbUpgrade", false)
            $0.member("version", Self.version)
            $0.member("versionstring", "28.0.0")
            $0.member("edition", "")
            $0.member("productname", "Martlet")
            $0.member("extendedSupport", false)
        }
        return Response(.ok, type: "application/json", bytes: json.bytes)
    }

    // MARK: Who the server and the user are

    /// Answers below `/ocs/v1.php` and `/ocs/v2.php`, always as JSON.
    private func ocs(_ request: Request, _ path: [String]) async -> Response {
        let service = files(mount: "/remote.php/webdav", account: nil)
        return await service.catching(request) {
            let caller = try await authenticator.caller(of: request, passwords: true)
            guard !caller.principal.isAnonymous else { throw WebDAVService.unauthenticated }
            switch path {
            case ["cloud", "capabilities"]: return Self.answer(200) { Self.capabilities(&$0) }
            case ["cloud", "user"], ["cloud", "users", caller.principal.name]:
                let name = caller.principal.name
                let shown = try await authenticator.identity.account(name).displayName
                return Self.answer(200) {
                    $0.member("id", name)
                    $0.member("enabled", true)
                    $0.member("display-name", shown.isEmpty ? name : shown)
                    $0.member("displayname", shown.isEmpty ? name : shown)
                }
            default: return Self.answer(404) { _ in }
            }
        }
    }

    private static func answer(_ code: Int, _ data: (inout JSONWriter) -> Void) -> Response {
        var json = JSONWriter()
        json.object {
            $0.key("ocs")
            $0.object {
                $0.key("meta")
                $0.object {
                    $0.member("status", code == 200 ? "ok" : "failure")
                    $0.member("statuscode", code)
                    $0.member("message", code == 200 ? "OK" : "there is no such thing here")
                }
                $0.key("data")
                $0.object { data(&$0) }
            }
        }
        return Response(code == 200 ? .ok : .notFound, type: "application/json", bytes: json.bytes)
    }

    private static func capabilities(_ json: inout JSONWriter) {
        json.key("version")
        json.object {
            $0.member("major", 28)
            $0.member("minor", 0)
            $0.member("micro", 0)
            $0.member("string", "28.0.0")
            $0.member("edition", "")
        }
        json.key("capabilities")
        json.object {
            $0.key("core")
            $0.object {
                $0.member("webdav-root", "remote.php/webdav")
                $0.member("pollinterval", 60)
            }
            $0.key("dav")
            $0.object { $0.member("chunking", "1.0") }
            $0.key("files")
            $0.object {
                $0.member("bigfilechunking", true)
                $0.member("undelete", false)
                $0.member("versioning", false)
            }
            $0.key("checksums")
            $0.object {
                $0.member("supportedTypes", ["SHA1", "SHA256", "MD5"])
                $0.member("preferredUploadType", "SHA1")
            }
        }
    }

    // MARK: Uploads in chunks

    /// `/remote.php/dav/uploads/ACCOUNT/ID` and the chunks below it, called by their numbers; `.file` is what they
    /// become when it is moved to its place.
    private func upload(_ request: Request, account: String, _ path: [String]) async -> Response {
        let mount = "/remote.php/dav/uploads/" + PercentEncoding.encode(account)
        let service = files(mount: mount, account: account)
        if request.method == .OPTIONS { return WebDAVService.options }
        return await service.catching(request) {
            let caller = try await authenticator.caller(of: request, passwords: true)
            guard !caller.principal.isAnonymous else { throw WebDAVService.unauthenticated }
            guard caller.principal.name == account, caller.principal.accountID != nil else {
                throw WebDAVError(.forbidden, "these are the uploads of '\(account)'")
            }
            guard let id = path.first, path.count <= 2, id.utf8.count <= 100 else {
                throw WebDAVError(.notFound, "uploads are at uploads/ACCOUNT/ID")
            }
            let upload = ChunkedUpload(account: account, id: id)
            switch (request.method, path.count) {
            case (.MKCOL, 1):
                try await objects.begin(upload)
                return Response(.created)
            case (.PUT, 2):
                var expectations = BodyExpectations()
                expectations.length = request.body.length
                var description = ObjectDescription()
                try SyncHeaders.read(request, into: &description, &expectations)
                try await objects.put(chunk: path[1], of: upload, expecting: expectations, body: request.body)
                return Response(.created)
            case (.PROPFIND, 1): return try await list(upload, mount, request)
            case (.DELETE, 1):
                try await objects.abandon(upload)
                return Response(.noContent)
            case (.MOVE, 2) where path[1] == ".file": return try await assemble(upload, request, caller)
            default: throw WebDAVError(.methodNotAllowed, "\(request.method) has no meaning for an upload")
            }
        }
    }

    private func list(_ upload: ChunkedUpload, _ mount: String, _ request: Request) async throws -> Response {
        let asked = PropertyRequest(
            try Propfind(parsing: try await request.body.collect(upTo: WebDAVService.bodyBytesMax)))
        guard let chunks = try await objects.chunks(of: upload) else {
            throw WebDAVError(.notFound, "there is no upload '\(upload.id)'")
        }
        var body = Multistatus(mount: mount)
        body.add(Resource(folder: Address(collection: upload.id, path: "", isFolder: true)), asked)
        for chunk in chunks {
            let address = Address(collection: upload.id, path: chunk.name, isFolder: false)
            body.add(Resource(chunk: chunk, at: address), asked)
        }
        return Response(.multiStatus, type: "application/xml; charset=utf-8", bytes: body.finish())
    }

    private func assemble(_ upload: ChunkedUpload, _ request: Request, _ caller: Caller) async throws -> Response {
        guard let header = request.header("destination"),
            let path = LocalURI.path(header, host: request.header("host"))
        else { throw WebDAVError(.badRequest, "the Destination of an upload is a file of this server") }
        let mount = "/remote.php/dav/files/" + PercentEncoding.encode(upload.account)
        let service = files(mount: mount, account: upload.account)
        return try await service.assemble(
            upload, at: Address(path, below: mount), mount: mount, request, caller)
    }
}

extension WebDAVService {
    /// Makes a file of the chunks of an upload.
    fileprivate func assemble(
        _ upload: ChunkedUpload, at address: Address, mount: String, _ request: Request, _ caller: Caller
    ) async throws -> Response {
        guard !address.path.isEmpty, !address.endsInSlash else {
            throw WebDAVError(.conflict, "files lie in collections, not beside them")
        }
        var call = Call(request: request, caller: caller, address: address, conditions: Conditions())
        try await requireWrite(call, address.path)
        // It speaks of the file, not of the upload.
        if let text = request.header("if") {
            call.conditions = try await conditions(try IfHeader(parsing: text), call)
        }
        let existing = try await entry(at: address)
        guard existing?.isFolder != true else { throw WebDAVError(.conflict, "there is a folder of that name") }
        if existing == nil { try await requireFolder(above: address, call) }
        var description = ObjectDescription()
        description.contentType = contentType(of: address)
        var expectations = BodyExpectations()
        expectations.length = request.header("oc-total-length").flatMap { Int64($0) }
        try SyncHeaders.read(request, into: &description, &expectations)
        let version = try await objects.assemble(
            upload, to: address.collection, key: address.path, description: description, expecting: expectations,
            holding: call.tokens, condition: writeCondition(call))
        return Response(existing == nil ? .created : .noContent, headers: answer(version, request))
    }
}
