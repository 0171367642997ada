import HTTPSupport
import Identity
import NIOCore
import NIOHTTP1
import Objects
import Policy
import Wire

extension S3Service {
    /// Largest list of keys taken: 1,000 keys of 1 KiB, every byte of them escaped.
    private static let deleteBytesMax = 8 << 20

    func deleteObjects(_ bucket: String, _ request: Request, _ caller: Caller) async throws -> Response {
        let payload = try Payload(request, caller)
        let root = try XMLElement(parsing: try await payload.collect(upTo: Self.deleteBytesMax))
        let entries = root.all("Object")
        guard root.name == "Delete", (1...1000).contains(entries.count) else {
            throw S3Error(.malformedXML, "the body is <Delete> with 1 to 1,000 <Object>")
        }
        _ = try await objects.collection(bucket)
        var targets: [(address: ObjectAddress, failure: S3Error?)] = []
        var conditions: [Int: WriteCondition] = [:]
        var allowed: [(key: String, version: String?)] = []
        // Asked for all; those of which the caller may not are left out.
        var bypasses = false
        for entry in entries {
            guard let key = entry["Key"]?.text, !key.isEmpty else {
                throw S3Error(.malformedXML, "an <Object> has a <Key>")
            }
            // Conditions of directory buckets: who sets one does not want the object gone in spite of it.
            for name in ["LastModifiedTime", "Size"] where entry[name] != nil {
                throw S3Error(.notImplemented, "the element <\(name)> is not implemented; <ETag> is")
            }
            let address = ObjectAddress(bucket: bucket, key: key, version: entry["VersionId"]?.text)
            var failure: S3Error?
            do {
                try await require(caller, "s3:DeleteObject", on: address)
                bypasses = try await bypassesGovernance(request, caller, on: address)
                if let etag = entry["ETag"]?.text {
                    conditions[allowed.count] = Self.writeCondition(Preconditions(ifMatch: etag))
                }
                allowed.append((key, address.version))
            } catch let denied as AccessDenied {
                failure = S3Error(.accessDenied, denied.description)
            }
            targets.append((address, failure))
        }
        var deletions = try await objects.delete(
            collection: bucket, allowed, by: caller.principal.name, bypassesGovernance: bypasses,
            in: caller.transaction, conditions: conditions)[...]
        let isQuiet = root["Quiet"]?.text == "true"
        return Self.xml("DeleteResult") { xml in
            for (address, failure) in targets {
                if let failure {
                    Self.write(failure, address, to: &xml)
                    continue
                }
                guard let deletion = deletions.popFirst() else { continue }
                if let failure = deletion.failure {
                    Self.write(S3Error(failure) ?? S3Error(.accessDenied, failure.message), address, to: &xml)
                } else if !isQuiet {
                    xml.element("Deleted") {
                        $0.element("Key", address.key)
                        if let version = address.version { $0.element("VersionId", version) }
                        if let marker = deletion.marker {
                            $0.element("DeleteMarker", true)
                            $0.element("DeleteMarkerVersionId", marker.name)
                        } else if let removed = deletion.removed, removed.isDeleteMarker {
                            $0.element("DeleteMarker", true)
                            $0.element("DeleteMarkerVersionId", removed.name)
                        }
                    }
                }
            }
        }
    }
}

extension S3Service {
    private static func write(_ error: S3Error, _ address: ObjectAddress, to xml: inout XMLWriter) {
        xml.element("Error") {
            $0.element("Key", address.key)
            if let version = address.version { $0.element("VersionId", version) }
            $0.element("Code", error.code.name)
            $0.element("Message", error.message)
        }
    }
}

extension Payload {
    /// A small body, whole, with its framing taken off and its checksums checked.
    func collect(upTo limit: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await buffer in body {
            guard bytes.count + buffer.readableBytes <= limit else { throw BodyTooLarge(limit: limit) }
            bytes.append(contentsOf: buffer.readableBytesView)
        }
        try expectations.check(bytes)
        return bytes
    }
}
