import BucketConfiguration
import HTTPSupport
import Identity
import NIOHTTP1
import Objects
import Policy
import Wire

extension S3Service {
    /// A bucket that never had versioning has an empty configuration.
    func getBucketVersioning(_ bucket: String, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:GetBucketVersioning", on: bucket)
        let status: VersioningConfiguration.Status? =
            switch try await objects.collection(bucket).versioning {
            case .off: nil
            case .enabled: .enabled
            case .suspended: .suspended
            }
        return Response(.ok, type: "application/xml", bytes: VersioningConfiguration(status).bytes)
    }

    func putBucketVersioning(_ bucket: String, _ request: Request, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:PutBucketVersioning", on: bucket)
        // Before the body is looked at: a configuration is never taken for a new bucket.
        _ = try await objects.collection(bucket)
        let payload = try Payload(request, caller)
        let configuration = try VersioningConfiguration(
            parsing: try await payload.collect(upTo: ConfigurationLimits.bytesMax))
        let versioning: Versioning = configuration.status == .suspended ? .suspended : .enabled
        try await objects.setVersioning(versioning, of: bucket, by: caller.principal.name)
        return Response(.ok)
    }

    func listObjectVersions(_ bucket: String, _ list: ListParameters, _ caller: Caller) async throws -> Response {
        var caller = caller
        caller.context.values["s3:prefix"] = [list.prefix]
        caller.context.values["s3:delimiter"] = [list.delimiter]
        caller.context.values["s3:max-keys"] = [String(list.limit)]
        try await require(caller, "s3:ListBucketVersions", on: bucket)
        let name = try await objects.collection(bucket).owner
        let listing = try await objects.listVersions(
            collection: bucket, prefix: list.prefix, delimiter: list.delimiter, after: list.after,
            afterVersion: list.versionMarker.isEmpty ? nil : list.versionMarker, limit: list.limit)
        return Self.xml("ListVersionsResult") { xml in
            xml.element("Name", bucket)
            xml.element("Prefix", encoded(list.prefix, list))
            xml.element("KeyMarker", encoded(list.marker, list))
            xml.element("VersionIdMarker", list.versionMarker)
            xml.element("MaxKeys", list.limit)
            if !list.delimiter.isEmpty { xml.element("Delimiter", encoded(list.delimiter, list)) }
            if list.encodesKeys { xml.element("EncodingType", "url") }
            xml.element("IsTruncated", listing.next != nil)
            if let next = listing.next {
                xml.element("NextKeyMarker", encoded(next.key, list))
                if let version = next.version { xml.element("NextVersionIdMarker", version) }
            }
            for version in listing.versions {
                let tag: StaticString = version.isDeleteMarker ? "DeleteMarker" : "Version"
                xml.open(tag)
                xml.element("Key", encoded(version.key, list))
                xml.element("VersionId", version.name)
                xml.element("IsLatest", version.isCurrent)
                xml.element("LastModified", version.created.rfc3339Milliseconds)
                if !version.isDeleteMarker {
                    xml.element("ETag", "\"\(version.etag)\"")
                    if let checksum = version.checksum {
                        xml.element("ChecksumAlgorithm", checksum.algorithm.rawValue)
                        xml.element("ChecksumType", checksum.kind.rawValue)
                    }
                    xml.element("Size", version.size)
                    xml.element("StorageClass", version.storageClass.rawValue)
                }
                owner(name, &xml)
                xml.close(tag)
            }
            for prefix in listing.commonPrefixes {
                xml.element("CommonPrefixes") { $0.element("Prefix", encoded(prefix, list)) }
            }
        }
    }
}
