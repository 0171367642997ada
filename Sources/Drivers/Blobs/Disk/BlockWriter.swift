import Glibc

/// Writes a file from its begin to its end in aligned blocks of 1 MiB, past the page cache where the file system can.
///
/// Copying a large body into the page cache cost half of the processor time of a PUT, and drove out what others read.
/// Whatever is left at the end, so every small blob, goes through the cache. Used by one thread at a time.
final class BlockWriter: @unchecked Sendable {
    private static let blockSize = 1 << 20
    /// What direct writes ask of addresses, lengths and offsets: the page is a multiple of every block size in use.
    private static let alignment = 4096

    private let file: Descriptor
    private let what: String
    private var block: UnsafeMutableRawBufferPointer?
    private var filled = 0
    private var isDirect = false
    private var mayBeDirect = true

    /// - Parameter what: says what failed, in errors.
    init(_ file: Descriptor, what: String) {
        self.file = file
        self.what = what
    }

    deinit { block?.deallocate() }

    func write(_ bytes: UnsafeRawBufferPointer) throws(BlobError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let block = openBlock()
            let count = min(rest.count, block.count - filled)
            UnsafeMutableRawBufferPointer(rebasing: block[filled...]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: rest.prefix(count)))
            filled += count
            rest = rest.dropFirst(count)
            if filled == block.count {
                if mayBeDirect { setDirect(true) }
                try flush()
            }
        }
    }

    /// Writes the rest and waits until everything is on stable storage.
    func finish() throws(BlobError) {
        setDirect(false)
        try flush()
        _ = try retrying("cannot sync \(what)") { fdatasync(file.number) }
    }

    private func openBlock() -> UnsafeMutableRawBufferPointer {
        if let block { return block }
        let new = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.blockSize, alignment: Self.alignment)
        block = new
        return new
    }

    private func flush() throws(BlobError) {
        var done = 0
        while done < filled {
            let count = Glibc.write(file.number, block?.baseAddress.map { $0 + done }, filled - done)
            let failure = errno
            if count > 0 {
                done += count
            } else if count == 0 {
                throw BlobError(.io, "cannot write to \(what): the disk takes nothing")
            } else if isDirect, failure == EINVAL {
                // The file system asks for more than we align to, or a short write has left us at an odd offset.
                setDirect(false)
                mayBeDirect = false
            } else if failure != EINTR {
                throw BlobError(number: failure, "cannot write to \(what)")
            }
        }
        filled = 0
    }

    /// Stays with the page cache where the file system knows no other way.
    private func setDirect(_ wanted: Bool) {
        guard wanted != isDirect else { return }
        isDirect = fcntl(file.number, F_SETFL, wanted ? Self.direct : 0) == 0 && wanted
        if wanted, !isDirect { mayBeDirect = false }
    }

    // Glibc's module leaves out what is Linux's own.
    #if arch(x86_64)
    private static let direct: Int32 = 0o40000
    #else
    private static let direct: Int32 = 0o200000
    #endif
}
