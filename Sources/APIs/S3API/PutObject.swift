import BucketConfiguration
import HTTPSupport
import Identity
import NIOHTTP1
import Objects
import Policy
import Wire

extension S3Service {
    func putObject(_ address: ObjectAddress, _ request: Request, _ caller: Caller) async throws -> Response {
        try await require(withConditions(caller, request), "s3:PutObject", on: address)
        let description = try await description(of: request, address, caller)
        let payload = try Payload(request, caller)
        let version = try await objects.put(
            collection: address.bucket, key: address.key, description: description,
            expecting: payload.expectations, by: caller.principal.name, in: caller.transaction,
            condition: writeCondition(request, caller, address), body: payload.body)
        return try await Response(.ok, headers: written(version, request, in: address.bucket))
    }

    /// What the answer to a write says of the new version.
    func written(_ version: ObjectVersion, _ request: Request, in bucket: String) async throws -> HTTPHeaders {
        var headers: HTTPHeaders = ["ETag": "\"\(version.etag)\""]
        headers.add(version.encryption, request)
        if let checksum = version.checksum {
            headers.add(name: "x-amz-checksum-" + checksum.algorithm.rawValue.lowercased(), value: checksum.value)
            headers.add(name: "x-amz-checksum-type", value: checksum.kind.rawValue)
        }
        headers.add(versionID: try await name(of: version, in: bucket))
        if version.storageClass != .standard {
            headers.add(name: "x-amz-storage-class", value: version.storageClass.rawValue)
        }
        if let expiration = try await objects.expiration(of: version, in: bucket) {
            headers.add(name: "x-amz-expiration", value: expiration)
        }
        return headers
    }

    /// If-Match and If-None-Match of a write, and that a token that lets its bearer create replaces nothing, looked at
    /// under the key's lock.
    func writeCondition(_ request: Request, _ caller: Caller, _ address: ObjectAddress) -> WriteCondition {
        let condition = Self.writeCondition(Preconditions(request.headers))
        guard caller.createsOnly(address.bucket, address.key) else { return condition }
        return { [gate] current in
            try condition(current)
            guard current == nil else {
                throw gate.replacing(
                    caller.principal, on: ResourceName.object(address.bucket, address.key), caller.context)
            }
        }
    }

    static func writeCondition(_ preconditions: Preconditions) -> WriteCondition {
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
        // Conditions of directory buckets: who sets one does not want the object gone in spite of it.
        for name in ["x-amz-if-match-last-modified-time", "x-amz-if-match-size"] where request.header(name) != nil {
            throw S3Error(.notImplemented, "the header \(name) is not implemented; If-Match is")
        }
        let deletion = try await objects.delete(
            collection: address.bucket, [(address.key, address.version)], by: caller.principal.name,
            bypassesGovernance: bypassesGovernance(request, caller, on: address),
            in: caller.transaction, conditions: [0: Self.writeCondition(Preconditions(request.headers))]
        ).first
        if let failure = deletion?.failure { throw failure }
        var headers = HTTPHeaders()
        if let marker = deletion?.marker {
            headers.add(name: "x-amz-delete-marker", value: "true")
            headers.add(name: "x-amz-version-id", value: marker.name)
        } else if let version = address.version {
            headers.add(name: "x-amz-version-id", value: version)
            if deletion?.removed?.isDeleteMarker == true { headers.add(name: "x-amz-delete-marker", value: "true") }
        }
        return Response(.noContent, headers: headers)
    }
}
