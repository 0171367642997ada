import BucketConfiguration
import HTTPSupport
import NIOHTTP1
import Objects
import Policy
import Wire

extension S3Service {
    func listObjects(_ bucket: String, _ list: ListParameters, _ caller: Caller) async throws -> Response {
        let (listing, owner) = try await page(bucket, list, caller)
        return Self.xml("ListBucketResult") { xml in
            xml.element("Name", bucket)
            xml.element("Prefix", encoded(list.prefix, list))
            xml.element("Marker", encoded(list.marker, list))
            xml.element("MaxKeys", list.limit)
            if !list.delimiter.isEmpty { xml.element("Delimiter", encoded(list.delimiter, list)) }
            if list.encodesKeys { xml.element("EncodingType", "url") }
            xml.element("IsTruncated", listing.next != nil)
            if let next = listing.next { xml.element("NextMarker", encoded(next, list)) }
            contents(listing, owner: owner, list, &xml)
        }
    }

    func listObjectsV2(_ bucket: String, _ list: ListParameters, _ caller: Caller) async throws -> Response {
        let (listing, owner) = try await page(bucket, list, caller)
        return Self.xml("ListBucketResult") { xml in
            xml.element("Name", bucket)
            xml.element("Prefix", encoded(list.prefix, list))
            if let start = list.startAfter { xml.element("StartAfter", encoded(start, list)) }
            if let token = list.continuationToken { xml.element("ContinuationToken", token) }
            xml.element("KeyCount", listing.entries.count + listing.commonPrefixes.count)
            xml.element("MaxKeys", list.limit)
            if !list.delimiter.isEmpty { xml.element("Delimiter", encoded(list.delimiter, list)) }
            if list.encodesKeys { xml.element("EncodingType", "url") }
            xml.element("IsTruncated", listing.next != nil)
            if let next = listing.next { xml.element("NextContinuationToken", Base64.encodeURL(Array(next.utf8))) }
            contents(listing, owner: list.fetchesOwner ? owner : nil, list, &xml)
        }
    }

    private func page(
        _ bucket: String, _ list: ListParameters, _ caller: Caller
    ) async throws -> (listing: Listing, owner: String) {
        var caller = caller
        caller.context.values["s3:prefix"] = [list.prefix]
        caller.context.values["s3:delimiter"] = [list.delimiter]
        caller.context.values["s3:max-keys"] = [String(list.limit)]
        try await require(caller, list.asOf == nil ? "s3:ListBucket" : "s3:ListBucketVersions", on: bucket)
        let owner = try await objects.collection(bucket).owner
        let listing = try await objects.list(
            collection: bucket, prefix: list.prefix, delimiter: list.delimiter, after: list.after, limit: list.limit,
            asOf: list.asOf)
        return (listing, owner)
    }

    private func contents(_ listing: Listing, owner name: String?, _ list: ListParameters, _ xml: inout XMLWriter) {
        for entry in listing.entries {
            xml.open("Contents")
            xml.element("Key", encoded(entry.key, list))
            xml.element("LastModified", entry.created.rfc3339Milliseconds)
            xml.element("ETag", "\"\(entry.etag)\"")
            if let checksum = entry.checksum {
                xml.element("ChecksumAlgorithm", checksum.algorithm.rawValue)
                xml.element("ChecksumType", checksum.kind.rawValue)
            }
            xml.element("Size", entry.size)
            xml.element("StorageClass", entry.storageClass.rawValue)
            if let name { owner(name, &xml) }
            xml.close("Contents")
        }
        for prefix in listing.commonPrefixes {
            xml.element("CommonPrefixes") { $0.element("Prefix", encoded(prefix, list)) }
        }
    }

    func encoded(_ text: String, _ list: ListParameters) -> String {
        list.encodesKeys ? PercentEncoding.encode(text, keepingSlash: true) : text
    }

    func listUploads(_ bucket: String, _ list: ListUploadsParameters, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:ListBucketMultipartUploads", on: bucket)
        let page = try await objects.uploads(
            collection: bucket, prefix: list.prefix, delimiter: list.delimiter, after: list.keyMarker,
            afterID: VersionID(list.idMarker), limit: list.limit)
        func encode(_ text: String) -> String {
            list.encodesKeys ? PercentEncoding.encode(text, keepingSlash: true) : text
        }
        return Self.xml("ListMultipartUploadsResult") { xml in
            xml.element("Bucket", bucket)
            xml.element("KeyMarker", encode(list.keyMarker))
            xml.element("UploadIdMarker", list.idMarker)
            xml.element("Prefix", encode(list.prefix))
            if !list.delimiter.isEmpty { xml.element("Delimiter", encode(list.delimiter)) }
            if list.encodesKeys { xml.element("EncodingType", "url") }
            xml.element("MaxUploads", list.limit)
            xml.element("IsTruncated", page.next != nil)
            if let next = page.next {
                xml.element("NextKeyMarker", encode(next.key))
                if let id = next.id { xml.element("NextUploadIdMarker", id.text) }
            }
            for upload in page.uploads {
                xml.element("Upload") { xml in
                    xml.element("Key", encode(upload.key))
                    xml.element("UploadId", upload.id.text)
                    owner(upload.initiator, &xml, as: "Initiator")
                    owner(upload.initiator, &xml)
                    xml.element("StorageClass", upload.description.storageClass.rawValue)
                    xml.element("Initiated", upload.created.rfc3339Milliseconds)
                }
            }
            for prefix in page.commonPrefixes {
                xml.element("CommonPrefixes") { $0.element("Prefix", encode(prefix)) }
            }
        }
    }
}
