import HTTPSupport
import Identity
import Logging
import NIOHTTP1
import Objects
import Wire

extension S3Service {
    func getObject(
        _ address: ObjectAddress, _ read: ReadParameters, _ request: Request, _ caller: Caller
    ) async throws -> Response {
        try await require(caller, "s3:GetObject", on: address)
        try Self.check(read.overrides, caller)
        var object = try await objects.open(
            collection: address.bucket, key: address.key, version: address.version, asOf: address.asOf,
            in: caller.transaction)
        object.unlock = try await unlock(object.version, request, caller)
        guard let reading = try await reading(object.version, read, request, in: address.bucket) else {
            return notModified(object.version)
        }
        return try await body(object, range: reading.range, status: reading.status, headers: reading.headers)
    }

    func headObject(
        _ address: ObjectAddress, _ read: ReadParameters, _ request: Request, _ caller: Caller
    ) async throws -> Response {
        try await require(caller, "s3:GetObject", on: address)
        try Self.check(read.overrides, caller)
        let version = try await objects.head(
            collection: address.bucket, key: address.key, version: address.version, asOf: address.asOf,
            in: caller.transaction)
        try checkKey(of: version, request)
        guard var reading = try await reading(version, read, request, in: address.bucket) else {
            return notModified(version)
        }
        reading.headers.add(name: "Content-Length", value: String(reading.range.count))
        return Response(reading.status, headers: reading.headers)
    }

    /// Who only knows an address does not say what a browser takes the object for.
    private static func check(_ overrides: ResponseOverrides, _ caller: Caller) throws {
        guard overrides.isEmpty || !caller.principal.isAnonymous else {
            throw S3Error(
                .invalidRequest, "Request specific response headers cannot be used for anonymous GET requests.")
        }
    }

    /// What GET and HEAD answer with: which bytes, and what is said of them. Nil where the client has them already.
    private func reading(
        _ version: ObjectVersion, _ read: ReadParameters, _ request: Request, in bucket: String
    ) async throws -> (range: Range<Int64>, status: HTTPResponseStatus, headers: HTTPHeaders)? {
        switch Preconditions(request.headers).evaluate(etag: version.etag, modified: version.created, isRead: true) {
        case .proceed: break
        case .notModified: return nil
        case .failed(let header): throw S3Error(.preconditionFailed, "the object does not meet \(header)")
        }
        let selection = try await selection(read, request, version)
        var headers = try await ObjectHeaders.answer(
            version, overrides: read.overrides, request: request, isWhole: selection.range == .whole,
            name: name(of: version, in: bucket))
        if let expiration = try await objects.expiration(of: version, in: bucket) {
            headers.add(name: "x-amz-expiration", value: expiration)
        }
        if let count = selection.partsCount { headers.add(name: "x-amz-mp-parts-count", value: String(count)) }
        switch selection.range {
        case .whole: return (0..<version.size, .ok, headers)
        case .part(let range):
            headers.add(
                name: "Content-Range", value: "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(version.size)")
            return (range, .partialContent, headers)
        case .unsatisfiable:
            throw S3Error(
                .invalidRange, "the range begins behind the end of the object, which has \(version.size) bytes")
        }
    }

    /// The name of a version, where the bucket has versioning or had it: elsewhere clients are told of none.
    func name(of version: ObjectVersion, in bucket: String) async throws -> String? {
        guard version.isNull else { return version.name }
        return try await objects.collection(bucket).versioning == .off ? nil : version.name
    }

    private func notModified(_ version: ObjectVersion) -> Response {
        Response(.notModified, headers: ["ETag": "\"\(version.etag)\"", "Last-Modified": version.created.httpDate])
    }

    /// Which bytes are asked for: by a range, unless If-Range (RFC 9110 §13.1.5) says that the client knows another
    /// version, or by the number of a part.
    private func selection(
        _ read: ReadParameters, _ request: Request, _ version: ObjectVersion
    ) async throws -> (range: ByteRange, partsCount: Int?) {
        if let number = read.part {
            guard request.header("range") == nil else {
                throw S3Error(.invalidRequest, "a request names a range or a part, not both")
            }
            guard version.partCount > 0 else {
                guard number == 1 else { throw Self.noPart(number, of: 1) }
                return (version.size > 0 ? .part(0..<version.size) : .whole, nil)
            }
            // Parts may have been numbered with gaps; a reader counts those that there are.
            let parts = try await objects.parts(of: version, limit: number)
            guard parts.count == number, let (part, start) = parts.last else {
                throw Self.noPart(number, of: version.partCount)
            }
            return (part.size > 0 ? .part(start..<start + part.size) : .whole, version.partCount)
        }
        if let condition = request.header("if-range"), condition != "\"\(version.etag)\"",
            condition != version.created.httpDate
        {
            return (.whole, nil)
        }
        return (ByteRange(header: request.header("range"), size: version.size), nil)
    }

    private static func noPart(_ number: Int, of count: Int) -> S3Error {
        S3Error(
            .invalidPartNumber, "the object has \(count) part\(count == 1 ? "" : "s"), so there is no part \(number)")
    }

    private func body(
        _ object: OpenObject, range: Range<Int64>, status: HTTPResponseStatus, headers: HTTPHeaders
    ) async throws -> Response {
        try await Response.content(
            of: object, in: objects, range: range, status: status, headers: headers,
            log: { [logger] in logger.error("\($0)") })
    }
}
