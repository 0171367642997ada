import HTTPSupport
import Identity
import NIOHTTP1
import Objects
import Wire

extension S3Service {
    func putObject(_ address: ObjectAddress, _ request: Request, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:PutObject", on: address)
        let acl = try await newACL(request, address, caller)
        let payload = try Payload(request, caller)
        let version = try await objects.put(
            collection: address.bucket, key: address.key, description: try ObjectHeaders.description(of: request),
            expecting: payload.expectations, by: caller.principal.name, condition: Self.writeCondition(request),
            body: payload.body)
        try await apply(acl, to: version, address, caller)
        return Response(.ok, headers: Self.written(version))
    }

    /// What the answer to a write says of the new version.
    static func written(_ version: ObjectVersion) -> HTTPHeaders {
        var headers: HTTPHeaders = ["ETag": "\"\(version.etag)\"", "x-amz-server-side-encryption": "AES256"]
        if let checksum = version.checksum {
            headers.add(name: "x-amz-checksum-" + checksum.algorithm.rawValue.lowercased(), value: checksum.value)
            headers.add(name: "x-amz-checksum-type", value: checksum.kind.rawValue)
        }
        return headers
    }

    /// If-Match and If-None-Match of a write, looked at under the key's lock.
    static func writeCondition(_ request: Request) -> WriteCondition {
        let preconditions = Preconditions(request.headers)
        guard preconditions.ifMatch != nil || preconditions.ifNoneMatch != nil else { return { _ in } }
        return { current in
            if current == nil, preconditions.ifMatch != nil {
                throw ObjectsError(.noSuchKey, "there is no object that If-Match could match")
            }
            let outcome = preconditions.evaluate(etag: current?.etag, modified: current?.created, isRead: false)
            if case .failed(let header) = outcome {
                throw ObjectsError(
                    .preconditionFailed,
                    current.map { "the object's ETag is \"\($0.etag)\", which does not meet \(header)" }
                        ?? "there is no object, which does not meet \(header)")
            }
        }
    }

    func deleteObject(_ address: ObjectAddress, _ request: Request, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:DeleteObject", on: address)
        try await objects.delete(
            collection: address.bucket, keys: [address.key], by: caller.principal.name,
            condition: Self.writeCondition(request))
        return Response(.noContent)
    }
}
