import HTTPSupport
import Logging
import NIOCore
import NIOHTTP1
import Objects
import Wire

extension S3Service {
    func getObject(
        _ address: ObjectAddress, _ overrides: ResponseOverrides, _ request: Request, _ caller: Caller
    ) async throws -> Response {
        try await require(caller, "s3:GetObject", on: address)
        let object = try await objects.open(collection: address.bucket, key: address.key)
        let version = object.version
        let preconditions = Preconditions(request.headers)
        switch preconditions.evaluate(etag: version.etag, modified: version.created, isRead: true) {
        case .proceed: break
        case .notModified: return notModified(version)
        case .failed(let header): throw S3Error(.preconditionFailed, "the object does not meet \(header)")
        }
        switch try range(request, version) {
        case .whole:
            let headers = try ObjectHeaders.answer(version, overrides: overrides, request: request, isWhole: true)
            return try await body(object, range: 0..<version.size, status: .ok, headers: headers)
        case .part(let range):
            var headers = try ObjectHeaders.answer(version, overrides: overrides, request: request, isWhole: false)
            headers.add(
                name: "Content-Range", value: "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(version.size)")
            return try await body(object, range: range, status: .partialContent, headers: headers)
        case .unsatisfiable:
            throw S3Error(
                .invalidRange, "the range begins behind the end of the object, which has \(version.size) bytes")
        }
    }

    func headObject(
        _ address: ObjectAddress, _ overrides: ResponseOverrides, _ request: Request, _ caller: Caller
    ) async throws -> Response {
        try await require(caller, "s3:GetObject", on: address)
        let version = try await objects.head(collection: address.bucket, key: address.key)
        switch Preconditions(request.headers).evaluate(etag: version.etag, modified: version.created, isRead: true) {
        case .proceed: break
        case .notModified: return notModified(version)
        case .failed: return Response(.preconditionFailed)
        }
        let range = try range(request, version)
        var headers = try ObjectHeaders.answer(
            version, overrides: overrides, request: request, isWhole: range == .whole)
        switch range {
        case .whole:
            headers.add(name: "Content-Length", value: String(version.size))
            return Response(.ok, headers: headers)
        case .part(let part):
            headers.add(name: "Content-Length", value: String(part.count))
            headers.add(name: "Content-Range", value: "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(version.size)")
            return Response(.partialContent, headers: headers)
        case .unsatisfiable: return Response(.rangeNotSatisfiable)
        }
    }

    private func notModified(_ version: ObjectVersion) -> Response {
        Response(.notModified, headers: ["ETag": "\"\(version.etag)\"", "Last-Modified": version.created.httpDate])
    }

    /// The range of a request, unless If-Range (RFC 9110 §13.1.5) says that the client knows another version.
    private func range(_ request: Request, _ version: ObjectVersion) throws -> ByteRange {
        if let condition = request.header("if-range"), condition != "\"\(version.etag)\"",
            condition != version.created.httpDate
        {
            return .whole
        }
        return ByteRange(header: request.header("range"), size: version.size)
    }

    private func body(
        _ object: OpenObject, range: Range<Int64>, status: HTTPResponseStatus, headers: HTTPHeaders
    ) async throws -> Response {
        guard !range.isEmpty else { return Response(status, headers: headers) }
        if let buffer = try await objects.inlineBytes(of: object, range: range) {
            return Response(status, headers: headers, body: .buffer(buffer))
        }
        // What follows the status line can only break off.
        try await objects.requireKey(of: object)
        let count = range.upperBound - range.lowerBound
        return Response(
            status, headers: headers,
            body: .stream(length: count) { [objects, logger] writer in
                do {
                    try await objects.read(object, range: range) { try await writer.write($0) }
                } catch let error as ObjectsError {
                    logger.error("reading version \(object.version.id.text): \(error)")
                    throw error
                }
            })
    }
}
