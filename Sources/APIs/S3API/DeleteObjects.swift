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
        var results: [(key: String, error: S3Error?)] = []
        for entry in entries {
            guard let key = entry["Key"]?.text, !key.isEmpty else {
                throw S3Error(.malformedXML, "an <Object> has a <Key>")
            }
            var failure: S3Error?
            if let version = entry["VersionId"]?.text, version != "null" {
                failure = S3Error(.noSuchVersion, "the bucket has no versions; the only version of an object is 'null'")
            } else {
                do {
                    try await require(caller, "s3:DeleteObject", on: ObjectAddress(bucket: bucket, key: key))
                } catch let denied as AccessDenied {
                    failure = S3Error(.accessDenied, denied.description)
                }
            }
            results.append((key, failure))
        }
        let allowed = results.filter { $0.error == nil }.map(\.key)
        if !allowed.isEmpty {
            try await objects.delete(collection: bucket, keys: allowed, by: caller.principal.name)
        }
        let isQuiet = root["Quiet"]?.text == "true"
        return Self.xml("DeleteResult") { xml in
            for (key, error) in results {
                if let error {
                    xml.element("Error") {
                        $0.element("Key", key)
                        $0.element("Code", error.code.name)
                        $0.element("Message", error.message)
                    }
                } else if !isQuiet {
                    xml.element("Deleted") { $0.element("Key", key) }
                }
            }
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
