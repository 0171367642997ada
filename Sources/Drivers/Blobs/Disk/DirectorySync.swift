import NIOPosix
import Synchronization

/// Makes directories durable. Calls that wait for the same directory share one fsync; those of different directories
/// run side by side on the pool, where the file system's journal joins them.
final class DirectorySync: Sendable {
    private let root: DiskRoot
    private let pool: NIOThreadPool
    /// Who waits for the next fsync of a directory. While an fsync of it is queued or running, its key is present.
    private let waiting = Mutex<[String: [CheckedContinuation<Void, any Error>]]>([:])

    init(_ root: DiskRoot, _ pool: NIOThreadPool) {
        self.root = root
        self.pool = pool
    }

    /// Returns when an fsync of the directory that began after this call is done.
    func sync(_ name: String) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            let isFirst = waiting.withLock { waiting in
                let isFirst = waiting[name] == nil
                waiting[name, default: []].append(continuation)
                return isFirst
            }
            if isFirst { pool.submit { self.run(name, $0) } }
        }
    }

    private func run(_ name: String, _ state: NIOThreadPool.WorkItemState) {
        while true {
            let batch = waiting.withLock { waiting in
                let batch = waiting.removeValue(forKey: name) ?? []
                // Whoever comes from now on may have changed the directory too late for this fsync.
                if !batch.isEmpty { waiting[name] = [] }
                return batch
            }
            if batch.isEmpty { return }
            let result: Result<Void, any Error> =
                switch state {
                case .active: Result { try root.sync(name) }
                case .cancelled: .failure(root.closed)
                }
            for continuation in batch { continuation.resume(with: result) }
        }
    }
}
