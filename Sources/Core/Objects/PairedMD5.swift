import MD5
import NIOCore
import NIOPosix
import Synchronization

/// Digests chunks of large bodies on the thread pool, those of two bodies at a time: MD5, which S3's ETag needs, takes
/// as long as everything else that is done to a body, and two take little longer than one.
final class PairedMD5: Sendable {
    /// Bytes after which a chunk that is alone looks for company.
    private static let quantum = 64 << 10

    private struct Job {
        let md5: MD5
        /// What is not digested yet.
        var bytes: ByteBuffer
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct Queue {
        var waiting = CircularBuffer<Job>()
        var workers = 0
    }

    private let pool: NIOThreadPool
    private let queue = Mutex(Queue())

    init(pool: NIOThreadPool) { self.pool = pool }

    /// Adds a chunk to a digest. Only one call at a time for one digest.
    ///
    /// - Throws: `CancellationError` where the pool is being shut down.
    func update(_ md5: MD5, _ chunk: ByteBuffer) async throws {
        try await withCheckedThrowingContinuation { continuation in
            let needsWorker = queue.withLock { queue in
                queue.waiting.append(Job(md5: md5, bytes: chunk, continuation: continuation))
                guard queue.workers == 0 || queue.waiting.count >= 2 else { return false }
                queue.workers += 1
                return true
            }
            if needsWorker { pool.submit { state in self.work(isActive: state == .active) } }
        }
    }

    /// Works on two chunks until none is left.
    private func work(isActive: Bool) {
        var first: Job?
        var second: Job?
        while true {
            queue.withLock { queue in
                if first == nil { first = queue.waiting.popFirst() }
                if second == nil { second = queue.waiting.popFirst() }
                if first == nil, second == nil { queue.workers -= 1 }
            }
            guard isActive else {
                first?.continuation.resume(throwing: CancellationError())
                second?.continuation.resume(throwing: CancellationError())
                guard first != nil || second != nil else { return }
                (first, second) = (nil, nil)
                continue
            }
            switch (first, second) {
            case (nil, nil): return
            case (var one?, nil), (nil, var one?):
                Self.advance(&one)
                (first, second) = (Self.unlessDone(one), nil)
            case (var one?, var other?):
                Self.advance(&one, &other)
                (first, second) = (Self.unlessDone(one), Self.unlessDone(other))
            }
        }
    }

    private static func advance(_ job: inout Job) {
        guard let slice = job.bytes.readSlice(length: min(quantum, job.bytes.readableBytes)) else { return }
        slice.withUnsafeReadableBytes { job.md5.update($0) }
    }

    private static func advance(_ one: inout Job, _ other: inout Job) {
        let count = one.bytes.withUnsafeReadableBytes { oneBytes in
            other.bytes.withUnsafeReadableBytes { otherBytes in
                MD5.update(one.md5, oneBytes, other.md5, otherBytes, blocksMax: quantum / MD5.blockSize)
            }
        }
        one.bytes.moveReaderIndex(forwardBy: count)
        other.bytes.moveReaderIndex(forwardBy: count)
        // The rest of a body goes alone: it is less than a block, or comes after one that was.
        if count == 0 {
            advance(&one)
            advance(&other)
        }
    }

    private static func unlessDone(_ job: Job) -> Job? {
        guard job.bytes.readableBytes == 0 else { return job }
        job.continuation.resume()
        return nil
    }
}
