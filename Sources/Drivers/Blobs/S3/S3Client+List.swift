import NIOCore
import NIOHTTP1
import Wire

extension S3Client {
    /// The longest page that S3 gives, and the room for it.
    private static let pageMax = 1000
    private static let pageBytesMax = 8 << 20
    /// How long an upload may take. After it, an opening removes what is left of it.
    private static let uploadSecondsMax: Int64 = 7 * 86400
    /// So many pages of old uploads are removed at one opening.
    private static let uploadPagesMax = 20

    /// Blobs in the order of ids, which is that of their keys. Other objects under the prefix are passed over.
    func list(after: BlobID?, limit: Int) async throws(BlobError) -> [BlobInfo] {
        var found: [BlobInfo] = []
        var last = after.map { key($0) }
        while true {
            var query: [(name: String, value: String?)] = [
                ("list-type", "2"), ("max-keys", String(min(limit - found.count, Self.pageMax))), ("prefix", keyStart),
            ]
            if let last { query.append(("start-after", last)) }
            let page = try await page(query)
            let keys = page.all("Contents")
            for object in keys {
                guard let id = id(ofKey: object["Key"]?.text ?? "") else { continue }
                guard let size = object["Size"].flatMap({ Int64($0.text) }), size >= 0,
                    let modified = object["LastModified"].flatMap({ Timestamp(rfc3339: $0.text) })
                else { throw BlobError(.io, "cannot list blobs: the store lists \(id) without its size or time") }
                if let previous = found.last?.id ?? after, id <= previous {
                    throw BlobError(.io, "cannot list blobs: the store does not list keys in order")
                }
                found.append(BlobInfo(id: id, size: size, modified: modified))
            }
            guard found.count < limit, page["IsTruncated"]?.text == "true" else { return Array(found.prefix(limit)) }
            // Without an advance the next page would be this one again.
            guard let next = keys.last?["Key"]?.text, last.map({ $0.utf8.lexicographicallyPrecedes(next.utf8) }) ?? true
            else {
                throw BlobError(.io, "cannot list blobs: the store promises more but lists no further key")
            }
            last = next
        }
    }

    /// Removes uploads below the prefix that began more than a week before `now`.
    func removeOldUploads(now: Timestamp) async throws(BlobError) {
        var markers: [(name: String, value: String?)] = []
        for _ in 0..<Self.uploadPagesMax {
            let page = try await page([("uploads", nil), ("prefix", keyStart)] + markers)
            for upload in page.all("Upload") {
                guard let key = upload["Key"]?.text, id(ofKey: key) != nil, let uploadID = upload["UploadId"]?.text,
                    let began = upload["Initiated"].flatMap({ Timestamp(rfc3339: $0.text) }),
                    began.seconds < now.seconds - Self.uploadSecondsMax
                else { continue }
                await abort(upload: uploadID, key: key)
            }
            guard page["IsTruncated"]?.text == "true", let key = page["NextKeyMarker"]?.text, !key.isEmpty else {
                return
            }
            markers = [("key-marker", key), ("upload-id-marker", page["NextUploadIdMarker"]?.text)]
        }
    }

    private func page(_ query: [(name: String, value: String?)]) async throws(BlobError) -> XMLElement {
        let call = S3Call(method: .GET, query: query, answerMax: Self.pageBytesMax)
        let body = try await send(call, "cannot list \(location)").body
        do throws(XMLError) {
            return try XMLElement(parsing: Array(body.readableBytesView))
        } catch {
            throw BlobError(.io, "cannot list \(location): the answer is not XML", cause: error)
        }
    }
}
