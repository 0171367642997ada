import BucketConfiguration
import HTTPSupport
import Identity
import NIOHTTP1
import Objects
import Wire

extension S3Service {
    /// Largest list of parts taken: 10,000 of them with checksums.
    private static let completeBytesMax = 4 << 20

    func createUpload(_ address: ObjectAddress, _ request: Request, _ caller: Caller) async throws -> Response {
        try await require(withConditions(caller, request), "s3:PutObject", on: address)
        var checksum: (algorithm: ChecksumAlgorithm, kind: ObjectChecksum.Kind)?
        if let name = request.header("x-amz-checksum-algorithm") {
            let algorithm = try ChecksumAlgorithm(header: name)
            // CRC64NVME exists for whole objects only; the others default to a checksum of checksums.
            var kind = algorithm == .crc64nvme ? ObjectChecksum.Kind.fullObject : .composite
            if let type = request.header("x-amz-checksum-type") {
                guard let asked = ObjectChecksum.Kind(rawValue: type.uppercased()),
                    asked == .composite || algorithm.isLinear,
                    !(asked == .composite && algorithm == .crc64nvme)
                else {
                    throw S3Error(.invalidRequest, "\(algorithm.rawValue) cannot be of the type '\(type.prefix(40))'")
                }
                kind = asked
            }
            checksum = (algorithm, kind)
        }
        let description = try await description(of: request, address, caller)
        let upload = try await objects.createUpload(
            collection: address.bucket, key: address.key, description: description,
            checksum: checksum, by: caller.principal.name)
        var response = Self.xml("InitiateMultipartUploadResult") { xml in
            xml.element("Bucket", address.bucket)
            xml.element("Key", address.key)
            xml.element("UploadId", upload.id.text)
        }
        response.headers.add(upload.encryption, request)
        if let checksum {
            response.headers.add(name: "x-amz-checksum-algorithm", value: checksum.algorithm.rawValue)
            response.headers.add(name: "x-amz-checksum-type", value: checksum.kind.rawValue)
        }
        try await addAbort(of: upload, in: address.bucket, to: &response)
        return response
    }

    /// When an upload is given up that is not completed, where a lifecycle rule says so.
    private func addAbort(of upload: Upload, in bucket: String, to response: inout Response) async throws {
        guard let rules = try await objects.activeSettings(of: bucket).lifecycle,
            let abort = rules.uploadAbort(key: upload.key, initiated: upload.created)
        else { return }
        response.headers.add(name: "x-amz-abort-date", value: abort.date.httpDate)
        response.headers.add(name: "x-amz-abort-rule-id", value: PercentEncoding.encode(abort.rule))
    }

    func uploadPart(
        _ address: ObjectAddress, _ id: String, _ number: Int, _ request: Request, _ caller: Caller
    ) async throws -> Response {
        try await require(caller, "s3:PutObject", on: address)
        let upload = try await objects.upload(collection: address.bucket, key: address.key, id: id)
        let unlock = try await unlock(upload, request, caller)
        let payload = try Payload(request, caller)
        let part = try await Self.storing {
            try await objects.putPart(
                upload, collection: address.bucket, number: number, unlock: unlock, expecting: payload.expectations,
                body: payload.body)
        }
        var headers: HTTPHeaders = ["ETag": "\"\(part.etag)\""]
        headers.add(upload.encryption, request)
        if let checksum = part.checksum,
            let algorithm = payload.expectations.checksum?.algorithm ?? upload.checksum?.algorithm
        {
            headers.add(name: "x-amz-checksum-" + algorithm.rawValue.lowercased(), value: checksum)
        }
        return Response(.ok, headers: headers)
    }

    func uploadPartCopy(
        _ address: ObjectAddress, _ id: String, _ number: Int, _ request: Request, _ caller: Caller
    ) async throws -> Response {
        let sourceAddress = try Self.copySource(request)
        try await require(caller, "s3:GetObject", on: sourceAddress)
        try await require(caller, "s3:PutObject", on: address)
        let upload = try await objects.upload(collection: address.bucket, key: address.key, id: id)
        let unlock = try await unlock(upload, request, caller)
        var source = try await objects.open(
            collection: sourceAddress.bucket, key: sourceAddress.key, version: sourceAddress.version,
            in: caller.transaction)
        source.unlock = try await self.unlock(source.version, request, caller, isSource: true)
        try Self.sourceCondition(request)(source.version)
        var range = 0..<source.version.size
        if let header = request.header("x-amz-copy-source-range") {
            guard case .part(let part) = ByteRange(header: header, size: source.version.size),
                header == "bytes=\(part.lowerBound)-\(part.upperBound - 1)"
            else {
                throw S3Error(
                    .invalidArgument,
                    "x-amz-copy-source-range is bytes=first-last within the source's \(source.version.size) bytes")
            }
            range = part
        }
        var expectations = BodyExpectations()
        expectations.length = range.upperBound - range.lowerBound
        let part = try await Self.storing { [source] in
            try await objects.putPart(
                upload, collection: address.bucket, number: number, unlock: unlock, expecting: expectations,
                body: objects.stream(source, range: range))
        }
        var response = Self.xml("CopyPartResult") { xml in
            xml.element("LastModified", part.created.rfc3339Milliseconds)
            xml.element("ETag", "\"\(part.etag)\"")
        }
        response.headers.add(upload.encryption, request)
        return response
    }

    /// Says of a wrong key what S3 says where it is a part's.
    private static func storing(_ body: () async throws -> Part) async throws -> Part {
        do {
            return try await body()
        } catch let error as ObjectsError where error.code == .wrongKey {
            throw S3Error(
                .invalidRequest, "The provided encryption parameters did not match the ones used originally.")
        }
    }

    func completeUpload(
        _ address: ObjectAddress, _ id: String, _ request: Request, _ caller: Caller
    ) async throws -> Response {
        try await require(caller, "s3:PutObject", on: address)
        // The checksum headers of this request are the object's, not those of the list of parts.
        var payload = try Payload(request, caller)
        let whole = payload.expectations.checksum?.value
        payload.expectations.checksum = nil
        let root = try XMLElement(parsing: try await payload.collect(upTo: Self.completeBytesMax))
        guard root.name == "CompleteMultipartUpload" else {
            throw S3Error(.malformedXML, "the body is <CompleteMultipartUpload> with its <Part>s")
        }
        let parts = try root.all("Part").map { part in
            guard let number = part["PartNumber"].flatMap({ Int($0.text) }), let etag = part["ETag"]?.text else {
                throw S3Error(.malformedXML, "a <Part> has a <PartNumber> and an <ETag>")
            }
            let checksum = ChecksumAlgorithm.allCases.lazy.compactMap { part["Checksum" + $0.rawValue]?.text }.first
            return PartReference(number: number, etag: etag.replacing("\"", with: ""), checksum: checksum)
        }
        guard !parts.isEmpty else { throw S3Error(.malformedXML, "an upload is completed with at least one <Part>") }
        let version = try await objects.completeUpload(
            collection: address.bucket, key: address.key, id: id, parts: parts, checksum: whole,
            size: request.header("x-amz-mp-object-size").flatMap { Int64($0) },
            customerKey: try customerKey(of: request, EncryptionHeaders(request)), by: caller.principal.name,
            in: caller.transaction, condition: writeCondition(request, caller, address))
        var response = Self.xml("CompleteMultipartUploadResult") { xml in
            xml.element("Location", location(address, request))
            xml.element("Bucket", address.bucket)
            xml.element("Key", address.key)
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
        return response
    }

    func abortUpload(_ address: ObjectAddress, _ id: String, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:AbortMultipartUpload", on: address)
        try await objects.abortUpload(collection: address.bucket, key: address.key, id: id, by: caller.principal.name)
        return Response(.noContent)
    }

    func listParts(
        _ address: ObjectAddress, _ id: String, after: Int, limit: Int, _ caller: Caller
    ) async throws -> Response {
        try await require(caller, "s3:ListMultipartUploadParts", on: address)
        let upload = try await objects.upload(collection: address.bucket, key: address.key, id: id)
        let page = try await objects.parts(upload, after: after, limit: limit + 1)
        let shown = page.prefix(limit)
        var response = Self.xml("ListPartsResult") { xml in
            xml.element("Bucket", address.bucket)
            xml.element("Key", address.key)
            xml.element("UploadId", id)
            owner(upload.initiator, &xml, as: "Initiator")
            owner(upload.initiator, &xml)
            xml.element("StorageClass", upload.description.storageClass.rawValue)
            xml.element("PartNumberMarker", after)
            if page.count > limit, let last = shown.last { xml.element("NextPartNumberMarker", last.number) }
            xml.element("MaxParts", limit)
            xml.element("IsTruncated", page.count > limit)
            if let checksum = upload.checksum {
                xml.element("ChecksumAlgorithm", checksum.algorithm.rawValue)
                xml.element("ChecksumType", checksum.kind.rawValue)
            }
            for part in shown {
                xml.element("Part") { xml in
                    xml.element("PartNumber", part.number)
                    xml.element("LastModified", part.created.rfc3339Milliseconds)
                    xml.element("ETag", "\"\(part.etag)\"")
                    xml.element("Size", part.size)
                    if let value = part.checksum, let algorithm = upload.checksum?.algorithm {
                        xml.element(algorithm.element, value)
                    }
                }
            }
        }
        try await addAbort(of: upload, in: address.bucket, to: &response)
        return response
    }
}

extension ObjectChecksum {
    /// `<ChecksumCRC32>…</ChecksumCRC32><ChecksumType>…</ChecksumType>`.
    func write(to xml: inout XMLWriter) {
        xml.element(algorithm.element, value)
        xml.element("ChecksumType", kind.rawValue)
    }
}

extension ChecksumAlgorithm {
    /// The element that holds a checksum of it.
    var element: StaticString {
        switch self {
        case .crc32: "ChecksumCRC32"
        case .crc32c: "ChecksumCRC32C"
        case .crc64nvme: "ChecksumCRC64NVME"
        case .sha1: "ChecksumSHA1"
        case .sha256: "ChecksumSHA256"
        }
    }
}

extension HTTPHeaders {
    /// Tells which version was read or made, where clients are told of versions at all.
    mutating func add(versionID name: String?) {
        if let name { add(name: "x-amz-version-id", value: name) }
    }
}
