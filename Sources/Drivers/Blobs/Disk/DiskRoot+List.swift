import Glibc
import Wire

extension DiskRoot {
    /// A page of the finished blobs in the order of their ids, which is that of the directories too. It reads one
    /// directory at a time, so its memory is bounded by the page and the fullest directory.
    func list(after: BlobID?, limit: Int) throws(BlobError) -> [BlobInfo] {
        let limit = min(max(1, limit), blobListMax)
        var page: [BlobInfo] = []
        for first in (after?.byte(0) ?? 0)...UInt8.max {
            guard let parent = try openDirectory(hexByte(first)) else { continue }
            for second in try names(in: parent, "cannot list \(path)").compactMap(parseHexByte).sorted() {
                if let after, first == after.byte(0), second < after.byte(1) { continue }
                try list(first, second, after: after, limit: limit, into: &page)
                if page.count == limit { return page }
            }
        }
        return page
    }

    private func list(
        _ first: UInt8, _ second: UInt8, after: BlobID?, limit: Int, into page: inout [BlobInfo]
    ) throws(BlobError) {
        guard let directory = try openDirectory("\(hexByte(first))/\(hexByte(second))") else { return }
        let ids = try names(in: directory, "cannot list \(path)").compactMap { BlobID(hex: $0) }
        for id in ids.sorted() where id.byte(0) == first && id.byte(1) == second {
            if let after, id <= after { continue }
            var status = stat()
            do throws(BlobError) {
                _ = try retrying("cannot list blob \(id)") {
                    fstatat(directory.number, id.hex, &status, AT_SYMLINK_NOFOLLOW)
                }
            } catch {
                // Deleted since the directory was read.
                if error.code == .notFound { continue }
                throw error
            }
            guard status.st_mode & S_IFMT == S_IFREG else { continue }
            let modified = Int64(status.st_mtim.tv_sec) * 1_000_000 + Int64(status.st_mtim.tv_nsec) / 1000
            page.append(
                BlobInfo(id: id, size: Int64(status.st_size), modified: Timestamp(microseconds: modified)))
            if page.count == limit { return }
        }
    }
}
