import HTTPSupport
import Identity
import Logging
import NIOHTTP1
import Objects
import Synchronization
import Wire

/// The header in which sync programs keep when a file was changed at its origin, in seconds since 1970.
enum ModifiedHeader {
    static let name = "x-amz-meta-mtime"

    static func time(in headers: [HeaderField]) -> Timestamp? {
        guard let text = headers.first(where: { $0.name == name })?.value, let seconds = Double(text),
            seconds.magnitude < 1e11
        else { return nil }
        return Timestamp(microseconds: Int64(seconds * 1e6))
    }
}

extension ObjectVersion {
    /// When its content was last changed, as far as whoever brought it has said.
    var modified: Timestamp { ModifiedHeader.time(in: headers) ?? created }
}

extension WebDAVService {
    func get(_ call: Call) async throws -> Response {
        let address = call.address
        guard !address.path.isEmpty, !address.endsInSlash else {
            if call.caller.principal.isAnonymous { throw Self.unauthenticated }
            throw Self.isFolder
        }
        try await require(call, "s3:GetObject", address.path)
        var object: OpenObject
        do {
            object = try await objects.open(
                collection: address.collection, key: address.path, asOf: address.asOf, in: call.caller.transaction)
        } catch let error as ObjectsError where error.code == .noSuchKey {
            guard try await entry(at: address) == nil else { throw Self.isFolder }
            throw error
        }
        let version = object.version
        object.unlock = try await gate.unlock(version.encryption, of: objects, call.caller)
        try version.check(object.unlock)
        var headers = Self.headers(of: version)
        if isForSync { SyncHeaders.add(version, call.request, to: &headers) }
        switch Preconditions(call.request.headers).evaluate(
            etag: version.etag, modified: version.modified, isRead: true)
        {
        case .proceed: break
        case .notModified: return Response(.notModified, headers: headers)
        case .failed(let header): throw WebDAVError(.preconditionFailed, "the file does not meet \(header)")
        }
        let isOther =
            call.request.header("if-range").map { $0 != "\"\(version.etag)\"" && $0 != version.modified.httpDate }
            ?? false
        let range = isOther ? ByteRange.whole : ByteRange(header: call.request.header("range"), size: version.size)
        var status = HTTPResponseStatus.ok
        var bytes = 0..<version.size
        switch range {
        case .whole: break
        case .part(let part):
            (status, bytes) = (.partialContent, part)
            headers.add(name: "Content-Range", value: "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(version.size)")
        case .unsatisfiable:
            var error = WebDAVError(.rangeNotSatisfiable, "the range begins behind the end of the file")
            error.headers = ["Content-Range": "bytes */\(version.size)"]
            throw error
        }
        if call.request.method == .HEAD {
            headers.add(name: "Content-Length", value: String(bytes.upperBound - bytes.lowerBound))
            return Response(status, headers: headers)
        }
        return try await Response.content(
            of: object, in: objects, range: bytes, status: status, headers: headers,
            log: { [logger] in logger.error("\($0)") })
    }

    private static var isFolder: WebDAVError {
        var error = WebDAVError(.methodNotAllowed, "this is a folder: PROPFIND lists it")
        error.headers = ["Allow": "OPTIONS, DELETE, MKCOL, COPY, MOVE, PROPFIND, PROPPATCH, LOCK, UNLOCK"]
        return error
    }

    private static let sent: Set<String> = [
        "cache-control", "content-disposition", "content-encoding", "content-language", "expires",
    ]

    private static func headers(of version: ObjectVersion) -> HTTPHeaders {
        var headers: HTTPHeaders = [
            "ETag": "\"\(version.etag)\"", "Last-Modified": version.modified.httpDate, "Accept-Ranges": "bytes",
            "Content-Type": version.contentType,
            // What somebody has uploaded is shown by a browser as what it is called, and runs nothing of ours.
            "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox",
        ]
        for header in version.headers where sent.contains(header.name) {
            headers.add(name: header.name, value: header.value)
        }
        return headers
    }

    func put(_ call: Call) async throws -> Response {
        let address = call.address
        guard !address.path.isEmpty else {
            throw WebDAVError(.methodNotAllowed, "files lie in collections: \(mount)/COLLECTION/NAME")
        }
        guard call.request.header("content-range") == nil else {
            throw WebDAVError(.badRequest, "a PUT stores a whole file: it has no Content-Range")
        }
        try await requireWrite(call, address.path)
        if let entry = try await entry(at: address) {
            guard !entry.isFolder else { throw Self.isFolder }
        } else {
            guard !address.endsInSlash else { throw WebDAVError(.methodNotAllowed, "MKCOL makes a folder") }
            try await requireFolder(above: address, call)
        }
        var description = ObjectDescription()
        description.contentType = call.request.header("content-type") ?? contentType(of: address)
        var expectations = BodyExpectations()
        expectations.length = call.request.body.length
        try SyncHeaders.read(call.request, into: &description, &expectations)
        let (version, isNew) = try await store(call, description, expectations)
        return Response(isNew ? .created : .noContent, headers: answer(version, call.request))
    }

    /// What kind of thing a file is, by its name.
    func contentType(of address: Address) -> String { MediaType.of(path: address.path) }

    /// What the answer to a write says of the new file.
    func answer(_ version: ObjectVersion, _ request: Request) -> HTTPHeaders {
        var headers: HTTPHeaders = ["ETag": "\"\(version.etag)\""]
        if isForSync { SyncHeaders.add(version, request, to: &headers) }
        return headers
    }

    /// Stores the body of a request as the file that it is sent to.
    func store(
        _ call: Call, _ description: ObjectDescription, _ expectations: BodyExpectations
    ) async throws -> (ObjectVersion, isNew: Bool) {
        let condition = writeCondition(call)
        let isNew = Mutex(true)
        var description = description
        description.encryption = try await gate.encryptionPlan(
            in: call.address.collection, of: objects, call.caller)
        let version = try await objects.put(
            collection: call.address.collection, key: call.address.path, description: description,
            expecting: expectations, by: call.actor, holding: call.tokens, in: call.caller.transaction,
            condition: { current in
                isNew.withLock { $0 = current == nil }
                try condition(current)
            }, body: call.request.body)
        return (version, isNew.withLock { $0 })
    }

    /// Checks that the folder is there that something new is to lie in (RFC 4918 §9.7.1).
    func requireFolder(above address: Address, _ call: Call) async throws {
        guard let slash = address.path.lastIndex(of: "/") else {
            _ = try await objects.collection(address.collection)
            return
        }
        let parent = String(address.path[..<slash])
        let entry = try await objects.entry(
            collection: address.collection, path: parent, prefersFolder: true)
        if entry?.isFolder == true { return }
        let isStaged = call.caller.transaction == nil ? false : try await isFolder(parent, call)
        guard isStaged else {
            throw WebDAVError(.conflict, "there is no folder '\(parent.prefix(200))': make it with MKCOL first")
        }
    }

    /// Whether the request's transaction has made a folder.
    func isFolder(_ path: String, _ call: Call) async throws -> Bool {
        do {
            _ = try await objects.head(
                collection: call.address.collection, key: path + "/", in: call.caller.transaction)
            return true
        } catch let error as ObjectsError where error.code == .noSuchKey {
            return false
        }
    }
}
