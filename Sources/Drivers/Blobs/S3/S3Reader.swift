import NIOCore
import NIOHTTP1
import Synchronization

/// A finished blob's object. Nothing is held open: a blob that is deleted meanwhile is `.notFound` at the next read.
final class S3Reader: BlobReader {
    let size: Int64
    private let id: BlobID
    private let client: S3Client
    private let isClosed = Atomic(false)

    init(_ id: BlobID, _ client: S3Client, size: Int64) {
        self.id = id
        self.client = client
        self.size = size
    }

    func read(_ range: Range<Int64>) async throws -> ByteBuffer {
        guard range.lowerBound >= 0, range.upperBound <= size, range.upperBound - range.lowerBound <= blobReadMax else {
            throw BlobError(.invalid, "bytes \(range) cannot be read at once from blob \(id) of \(size) bytes")
        }
        guard !isClosed.load(ordering: .acquiring) else { throw BlobError(.unavailable, "blob \(id) is closed") }
        try client.checkOpen()
        guard !range.isEmpty else { return ByteBuffer() }
        let count = Int(range.upperBound - range.lowerBound)
        var call = S3Call(method: .GET, key: client.key(id), answerMax: count, isCancellable: true)
        call.headers = [("range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)")]
        let answer = try await client.send(call, "cannot read blob \(id)")
        // RFC 9110 §14.4: the range that it is, and the size of the whole.
        let told = answer.headers.first(name: "content-range")
        if let told, told != "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(size)" {
            throw BlobError(
                .damaged, "blob \(id): asked for \(range) of \(size) bytes, the store gave \(told.prefix(100))")
        }
        guard answer.body.readableBytes == count else {
            throw BlobError(.damaged, "blob \(id) gave \(answer.body.readableBytes) bytes for \(range) of its \(size)")
        }
        // rclone says 200 with a range that it names.
        guard answer.status == 206 || told != nil || count == size else {
            throw BlobError(.io, "cannot read blob \(id): the store does not serve ranges")
        }
        return answer.body
    }

    func close() async { isClosed.store(true, ordering: .releasing) }
}
