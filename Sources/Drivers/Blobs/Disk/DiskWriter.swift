import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// A blob being written to a file in `incoming`.
final class DiskWriter: BlobWriter {
    private let id: BlobID
    private let root: DiskRoot
    private let pool: NIOThreadPool
    private let directories: DirectorySync
    /// The file's name in `incoming`.
    private let name: String
    /// Nil once the blob is finished or given up. The lock is held by pool threads for the time of a call, so that a
    /// misplaced second call waits rather than writes in between.
    private let file: Mutex<BlockWriter?>

    init(_ id: BlobID, _ root: DiskRoot, _ pool: NIOThreadPool, _ directories: DirectorySync) throws(BlobError) {
        self.id = id
        self.root = root
        self.pool = pool
        self.directories = directories
        name = "\(id.hex).\(String(UInt64.random(in: 0 ... .max), radix: 16))"
        file = Mutex(BlockWriter(try root.createIncoming(name), what: "blob \(id)"))
    }

    deinit {
        guard let file = file.withLock({ $0 }) else { return }
        // Removing a large file takes its time, and a deinit may run on any thread.
        pool.submit { [root, name] _ in
            root.removeIncoming(name)
            withExtendedLifetime(file) {}
        }
    }

    func write(_ bytes: ByteBuffer) async throws {
        try await step { file throws(BlobError) in
            try bytes.withUnsafeReadableBytes { source throws(BlobError) in try file.write(source) }
        }
    }

    func finish() async throws {
        let isNewDirectory = try await step(ends: true) { [id, root, name] file throws(BlobError) in
            try file.finish()
            let isNewDirectory = try root.makeDirectory(for: id)
            try root.publish(name, as: id)
            return isNewDirectory
        }
        do {
            if isNewDirectory {
                async let parent: Void = directories.sync(DiskRoot.parent(of: id))
                try await directories.sync(DiskRoot.directory(of: id))
                try await parent
                root.setLasting(id.byte(0), id.byte(1))
            } else {
                try await directories.sync(DiskRoot.directory(of: id))
            }
        } catch {
            // The name may not last, so nobody shall see it.
            try? await pool.blocking(orElse: root.closed) { [id, root] in try root.delete(id) }
            throw error
        }
    }

    func abort() async {
        await withCheckedContinuation { continuation in
            // Also when the pool has stopped: then it runs at once.
            pool.submit { [self] _ in
                file.withLock { giveUp(&$0) }
                continuation.resume()
            }
        }
    }

    /// Does one step on the pool; the blob is given up if it fails.
    private func step<Result: Sendable>(
        ends: Bool = false, _ body: @escaping @Sendable (BlockWriter) throws(BlobError) -> Result
    ) async throws -> Result {
        try await pool.blocking(orElse: root.closed) { [self] in
            try file.withLock { file throws(BlobError) in
                guard let writer = file else {
                    throw BlobError(.invalid, "blob \(id) is not being written any more")
                }
                do throws(BlobError) {
                    try root.checkOpen()
                    let result = try body(writer)
                    if ends { file = nil }
                    return result
                } catch {
                    giveUp(&file)
                    throw error.ofOwnPath
                }
            }
        }
    }

    private func giveUp(_ file: inout BlockWriter?) {
        guard file != nil else { return }
        root.removeIncoming(name)
        file = nil
    }
}
