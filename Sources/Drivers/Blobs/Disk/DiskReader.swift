import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// A finished blob's file.
final class DiskReader: BlobReader {
    let size: Int64
    private let id: BlobID
    private let pool: NIOThreadPool
    /// Nil once closed. A read under way keeps the file open for itself.
    private let file: Mutex<Descriptor?>

    init(_ id: BlobID, _ root: DiskRoot, _ pool: NIOThreadPool) throws(BlobError) {
        let file = try root.open(id)
        let status = try file.status("cannot open blob \(id)")
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw BlobError(.damaged, "blob \(id) is not a regular file")
        }
        size = Int64(status.st_size)
        self.id = id
        self.pool = pool
        self.file = Mutex(file)
    }

    func read(_ range: Range<Int64>) async throws -> ByteBuffer {
        guard range.lowerBound >= 0, range.upperBound <= size, range.upperBound - range.lowerBound <= blobReadMax else {
            throw BlobError(.invalid, "bytes \(range) cannot be read at once from blob \(id) of \(size) bytes")
        }
        let closed = BlobError(.unavailable, "blob \(id) is closed")
        guard let file = file.withLock({ $0 }) else { throw closed }
        return try await pool.blocking(orElse: closed) { [id, size] in
            let count = Int(range.upperBound - range.lowerBound)
            var buffer = ByteBufferAllocator().buffer(capacity: count)
            try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
                var done = 0
                while done < count {
                    let offset = Int(range.lowerBound) + done
                    let read = try retrying("cannot read blob \(id)") {
                        pread(file.number, target.baseAddress.map { $0 + done }, count - done, offset)
                    }
                    guard read > 0 else {
                        throw BlobError(.damaged, "blob \(id) ends at byte \(offset) of \(size)")
                    }
                    done += read
                }
                return done
            }
            return buffer
        }
    }

    func close() async {
        // Dropping the last reference closes the file, which does not wait for the disk after reading.
        file.withLock { $0 = nil }
    }
}
