import HTTPSupport
import Identity
import NIOHTTP1
import Objects
import Wire

extension S3Service {
    func copyObject(_ address: ObjectAddress, _ request: Request, _ caller: Caller) async throws -> Response {
        let source = try Self.copySource(request)
        try await require(caller, "s3:GetObject", on: source)
        try await require(withConditions(caller, request), "s3:PutObject", on: address)
        let replacesMetadata = try Self.replaces(request, "x-amz-metadata-directive")
        let replacesTags = try Self.replaces(request, "x-amz-tagging-directive")
        let changesNothing =
            source == address && !replacesMetadata && request.header("x-amz-storage-class") == nil
            && !changesEncryption(request)
        guard !changesNothing else {
            throw S3Error(
                .invalidRequest,
                "an object copied onto itself needs new metadata (x-amz-metadata-directive: REPLACE), encryption or a storage class"
            )
        }
        let described = try await description(of: request, address, caller)
        let algorithm = try request.header("x-amz-checksum-algorithm").map { try ChecksumAlgorithm(header: $0) }
        let version = try await objects.copy(
            from: source.bucket, key: source.key, version: source.version, to: address.bucket, key: address.key,
            replacing: replacesMetadata ? described : nil, storageClass: described.storageClass,
            tags: replacesTags ? described.tags : nil,
            lock: described, checksum: algorithm, by: caller.principal.name, in: caller.transaction,
            unlock: { try await unlock($0, request, caller, isSource: true) },
            sourceCondition: Self.sourceCondition(request),
            condition: writeCondition(request, caller, address))
        var response = Self.xml("CopyObjectResult") { xml in
            xml.element("LastModified", version.created.rfc3339Milliseconds)
            xml.element("ETag", "\"\(version.etag)\"")
            if let checksum = version.checksum {
                checksum.write(to: &xml)
            }
        }
        response.headers.add(version.encryption, request)
        response.headers.add(versionID: try await name(of: version, in: address.bucket))
        if let expiration = try await objects.expiration(of: version, in: address.bucket) {
            response.headers.add(name: "x-amz-expiration", value: expiration)
        }
        if let name = source.version { response.headers.add(name: "x-amz-copy-source-version-id", value: name) }
        return response
    }

    /// Whether a directive says REPLACE; COPY is the other one.
    private static func replaces(_ request: Request, _ header: String) throws -> Bool {
        switch request.header(header)?.uppercased() {
        case "REPLACE": return true
        case nil, "COPY": return false
        case let other?:
            throw S3Error(.invalidArgument, "\(header) is COPY or REPLACE, not '\(other.prefix(40))'")
        }
    }

    /// `x-amz-copy-source`: `/bucket/key`, percent-encoded.
    static func copySource(_ request: Request) throws -> ObjectAddress {
        guard let header = request.header("x-amz-copy-source") else {
            throw S3Error(.invalidArgument, "a copy has an x-amz-copy-source")
        }
        var text = header[...]
        var version: String?
        if let mark = text.lastIndex(of: "?"), text[mark...].hasPrefix("?versionId=") {
            version = String(text[mark...].dropFirst("?versionId=".count))
            text = text[..<mark]
        }
        guard let decoded = PercentEncoding.decode(text) else {
            throw S3Error(.invalidArgument, "x-amz-copy-source is not valid percent-encoded UTF-8")
        }
        let path = decoded.hasPrefix("/") ? decoded.dropFirst() : decoded[...]
        guard let slash = path.firstIndex(of: "/"), slash != path.startIndex, path.index(after: slash) != path.endIndex
        else {
            throw S3Error(.invalidArgument, "x-amz-copy-source is bucket/key, not '\(decoded.prefix(80))'")
        }
        return ObjectAddress(
            bucket: String(path[..<slash]), key: String(path[path.index(after: slash)...]), version: version)
    }

    static func sourceCondition(_ request: Request) -> WriteCondition {
        let preconditions = Preconditions(request.headers, prefix: "x-amz-copy-source-")
        return { source in
            // For a copy's source every failed condition is 412 (CopyObject, AWS S3 API).
            let outcome = preconditions.evaluate(etag: source?.etag, modified: source?.created, isRead: true)
            if outcome != .proceed {
                throw ObjectsError(.preconditionFailed, "the source does not meet the request's conditions")
            }
        }
    }
}
