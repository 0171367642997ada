import HTTPSupport
import NIOHTTP1
import Objects
import Wire

extension S3Service {
    private static let attributeNames: Set<String> = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]

    /// GetObjectAttributes: what HEAD says, and the parts, as far as they are asked for.
    func getObjectAttributes(
        _ address: ObjectAddress, _ request: Request, _ caller: Caller
    ) async throws -> Response {
        try await require(caller, "s3:GetObject", on: address)
        try await require(caller, "s3:GetObjectAttributes", on: address)
        let asked = request.headers[canonicalForm: "x-amz-object-attributes"].map(String.init)
        guard !asked.isEmpty, asked.allSatisfy(Self.attributeNames.contains) else {
            throw S3Error(
                .invalidArgument,
                "x-amz-object-attributes names at least one of \(Self.attributeNames.sorted().joined(separator: ", "))")
        }
        let version = try await objects.head(
            collection: address.bucket, key: address.key, version: address.version, asOf: address.asOf,
            in: caller.transaction)
        try checkKey(of: version, request)
        let name = try await name(of: version, in: address.bucket)
        let page = try PartsPage(request)
        let parts =
            asked.contains("ObjectParts")
            ? try await objects.parts(of: version, after: page.after, limit: page.limit + 1).map(\.part) : []
        var response = Self.xml("GetObjectAttributesResponse") { xml in
            if asked.contains("ETag") { xml.element("ETag", version.etag) }
            if asked.contains("Checksum"), let checksum = version.checksum {
                xml.element("Checksum") { checksum.write(to: &$0) }
            }
            if asked.contains("ObjectParts"), version.partCount > 0 {
                xml.element("ObjectParts") { page.write(parts, of: version, to: &$0) }
            }
            if asked.contains("StorageClass") { xml.element("StorageClass", "STANDARD") }
            if asked.contains("ObjectSize") { xml.element("ObjectSize", version.size) }
        }
        response.headers.add(name: "Last-Modified", value: version.created.httpDate)
        response.headers.add(versionID: name)
        return response
    }
}

/// Which of an object's parts GetObjectAttributes is asked for.
private struct PartsPage {
    var after = 0
    var limit = 1000

    init(_ request: Request) throws {
        func number(_ name: String) throws -> Int? {
            guard let text = request.header(name) else { return nil }
            guard let value = Int(text), value >= 0 else {
                throw S3Error(.invalidArgument, "\(name) is a whole number of at least 0, not '\(text.prefix(40))'")
            }
            return value
        }
        after = min(try number("x-amz-part-number-marker") ?? 0, 10_000)
        limit = min(try number("x-amz-max-parts") ?? 1000, 1000)
    }

    /// - Parameter parts: one more than the limit where there are more.
    func write(_ parts: [Part], of version: ObjectVersion, to xml: inout XMLWriter) {
        let shown = parts.prefix(limit)
        xml.element("PartsCount", version.partCount)
        xml.element("PartNumberMarker", after)
        if let last = shown.last { xml.element("NextPartNumberMarker", last.number) }
        xml.element("MaxParts", limit)
        xml.element("IsTruncated", parts.count > limit)
        // S3 tells of single parts only where they have checksums.
        guard let algorithm = version.checksum?.algorithm else { return }
        for part in shown {
            xml.element("Part") { xml in
                if let value = part.checksum {
                    xml.element(algorithm.element, value)
                }
                xml.element("PartNumber", part.number)
                xml.element("Size", part.size)
            }
        }
    }
}
