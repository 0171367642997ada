import Glibc

/// Keeps the last of a disk free, so that a full one can still be cleared: what deletes has to write, too.
///
/// The reserve is an eighth of the file system, at most 64 MiB. New bytes are refused before it is touched.
package struct DiskReserve: Sendable {
    private static let bytesMax: UInt64 = 64 << 20

    private let folders: [String]

    /// - Parameter folders: on the file systems that are to keep a reserve.
    package init(_ folders: [String]) { self.folders = folders }

    /// - Throws: ``BlobError`` `.full` where no more than the reserve is free.
    package func check() throws(BlobError) {
        for folder in folders {
            var status = statvfs()
            guard statvfs(folder, &status) == 0 else { continue }
            let block = UInt64(status.f_frsize)
            let reserve = min(Self.bytesMax, UInt64(status.f_blocks) * block / 8)
            guard UInt64(status.f_bavail) * block > reserve else {
                throw BlobError(.full, "the disk of \(folder) is full but for its reserve of \(reserve) bytes")
            }
        }
    }
}
