package import NIOPosix

/// Blobs as files of a local directory, for one process at a time. See `DiskRoot` for the layout.
///
/// Close it when done: it holds a lock on the directory and, if it was given none, a thread pool of its own.
package final class DiskBlobs: BlobStore {
    private let root: DiskRoot
    private let pool: NIOThreadPool
    private let ownsPool: Bool
    private let directories: DirectorySync

    private init(_ root: DiskRoot, _ pool: NIOThreadPool, ownsPool: Bool) {
        self.root = root
        self.pool = pool
        self.ownsPool = ownsPool
        directories = DirectorySync(root, pool)
    }

    /// Opens the store at `path`, or makes it if there is nothing or an empty directory. What an earlier process left
    /// half-written is removed.
    ///
    /// - Parameters:
    ///   - path: a directory on a file system with hard links. Its parent has to exist.
    ///   - pool: a running pool for the blocking calls; without one, the store makes its own.
    /// - Throws: `.unavailable` if another process has the store, the directory is something else, or the permissions
    ///   are missing; `.notFound` if the parent does not exist; `.full`; `.io`.
    package static func open(_ path: String, pool: NIOThreadPool? = nil) async throws -> DiskBlobs {
        let ownsPool = pool == nil
        // Threads here mostly wait for the disk: enough of them that waiting syncs meet in one journal commit.
        let pool = pool ?? NIOThreadPool(numberOfThreads: 16)
        if ownsPool { pool.start() }
        do {
            let stopped = BlobError(.unavailable, "the thread pool for \(path) does not run")
            let root = try await pool.blocking(orElse: stopped) { try DiskRoot(path) }
            return DiskBlobs(root, pool, ownsPool: ownsPool)
        } catch {
            if ownsPool { try? await pool.shutdownGracefully() }
            throw error
        }
    }

    package func create(_ id: BlobID) async throws -> any BlobWriter {
        try await blocking { [root, pool, directories] in
            if root.exists(id) { throw BlobError(.exists, "there is a blob \(id) already") }
            return try DiskWriter(id, root, pool, directories)
        }
    }

    package func open(_ id: BlobID) async throws -> any BlobReader {
        try await blocking { [root, pool] in try DiskReader(id, root, pool) }
    }

    package func delete(_ id: BlobID) async throws {
        try await blocking { [root] in try root.delete(id) }
    }

    package func list(after: BlobID?, limit: Int) async throws -> [BlobInfo] {
        try await blocking { [root] in try root.list(after: after, limit: limit) }
    }

    package func close() async {
        root.close()
        // It can only fail by being shut down already.
        if ownsPool { try? await pool.shutdownGracefully() }
    }

    private func blocking<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await pool.blocking(orElse: root.closed) { [root] in
            try root.checkOpen()
            return try body()
        }
    }
}
