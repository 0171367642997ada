import Glibc
import Synchronization

/// The directory of a disk store, with everything the store, its writers and its readers do there. All calls block.
///
/// ```
/// DIR/lock            locked by the one process that uses the store; holds the layout's version
/// DIR/incoming/       blobs being written, as HEX.RANDOM
/// DIR/ab/cd/HEX       finished blobs, by the first two bytes of the id
/// ```
final class DiskRoot: Sendable {
    private static let version = "martlet disk blobs 1\n"

    let path: String
    private let directory: Descriptor
    private let incoming: Descriptor
    private let lock: Descriptor
    private let isClosed = Atomic(false)
    /// One bit for each second-level directory whose name is known to be on stable storage.
    private let lasting = Mutex([UInt64](repeating: 0, count: 1024))

    /// Opens or makes the store at `path`, whose parent has to exist.
    init(_ path: String) throws(BlobError) {
        self.path = path
        if mkdir(path, 0o700) != 0, errno != EEXIST {
            throw BlobError(number: errno, "cannot make the blob directory \(path)")
        }
        let what = "cannot open the blob directory \(path)"
        directory = try Descriptor(path, O_RDONLY | O_DIRECTORY, what: what)
        lock = try Self.lock(directory, path)
        for name in (0..<256).map({ hexByte(UInt8($0)) }) + ["incoming"]
        where mkdirat(directory.number, name, 0o700) != 0 && errno != EEXIST {
            throw BlobError(number: errno, "cannot make \(path)/\(name)")
        }
        incoming = try Descriptor("incoming", at: directory, O_RDONLY | O_DIRECTORY, what: what)
        try Descriptor("..", at: directory, O_RDONLY | O_DIRECTORY, what: what).syncDirectory(what)
        try directory.syncDirectory("cannot sync \(path)")
        try removeLeftovers()
        try findLastingDirectories()
    }

    /// Takes the lock, which ends with the process, and checks or writes the version of the layout.
    private static func lock(_ directory: Descriptor, _ path: String) throws(BlobError) -> Descriptor {
        let entries = try names(in: directory, "cannot read \(path)")
        // `incoming` is emptied below: that must never happen in a directory that is something else.
        guard entries.contains("lock") || entries.allSatisfy({ $0 == "lost+found" }) else {
            throw BlobError(.unavailable, "\(path) is neither a blob directory nor empty")
        }
        let what = "cannot use \(path)/lock"
        let lock = try Descriptor("lock", at: directory, O_RDWR | O_CREAT | O_NOFOLLOW, what: what)
        do throws(BlobError) {
            _ = try retrying(what) { flock(lock.number, LOCK_EX | LOCK_NB) }
        } catch {
            throw BlobError(.unavailable, "\(path) is in use by another process or store", cause: error)
        }
        var found = [UInt8](repeating: 0, count: 64)
        let count = try retrying(what) { pread(lock.number, &found, found.count, 0) }
        if count == 0 {
            let bytes = Array(version.utf8)
            guard try retrying(what, { pwrite(lock.number, bytes, bytes.count, 0) }) == bytes.count else {
                throw BlobError(.full, "\(what): it was written only in part")
            }
            _ = try retrying(what) { fsync(lock.number) }
        } else if !found[..<count].elementsEqual(version.utf8) {
            throw BlobError(.unavailable, "\(path)/lock names a layout other than version 1 of martlet's disk blobs")
        }
        return lock
    }

    /// What is in `incoming` belongs to writers of a process that is gone.
    private func removeLeftovers() throws(BlobError) {
        for name in try names(in: incoming, "cannot read \(path)/incoming") { removeIncoming(name) }
    }

    private func findLastingDirectories() throws(BlobError) {
        for first in UInt8.min...UInt8.max {
            let what = "cannot open \(path)/\(hexByte(first))"
            let parent = try Descriptor(hexByte(first), at: directory, O_RDONLY | O_DIRECTORY, what: what)
            let found = try names(in: parent, what).compactMap(parseHexByte)
            // It may have been made just before a crash, so being there is not enough.
            if !found.isEmpty { try parent.syncDirectory(what) }
            for second in found { setLasting(first, second) }
        }
    }

    /// Ends the use of the store, and lets another take it.
    func close() {
        isClosed.store(true, ordering: .sequentiallyConsistent)
        _ = flock(lock.number, LOCK_UN)
    }

    func checkOpen() throws(BlobError) {
        guard !isClosed.load(ordering: .sequentiallyConsistent) else { throw closed }
    }

    var closed: BlobError { BlobError(.unavailable, "the blob store \(path) is closed") }

    // MARK: Blobs

    func exists(_ id: BlobID) -> Bool {
        faccessat(directory.number, Self.place(of: id), F_OK, 0) == 0
    }

    func createIncoming(_ name: String) throws(BlobError) -> Descriptor {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
        do throws(BlobError) {
            return try Descriptor(name, at: incoming, flags, what: "cannot create \(path)/incoming/\(name)")
        } catch {
            throw error.ofOwnPath
        }
    }

    func removeIncoming(_ name: String) {
        // If this fails, the next opening removes it.
        _ = unlinkat(incoming.number, name, 0)
    }

    /// Gives the file of `incoming` its name as a blob; throws `.exists` rather than replace one.
    func publish(_ name: String, as id: BlobID) throws(BlobError) {
        // A link fails if the name exists, which rename(2) does not. A crash in between leaves a second name in
        // `incoming`, and the next opening removes that one.
        let place = Self.place(of: id)
        let what = "cannot publish blob \(id)"
        _ = try retrying(what) { linkat(incoming.number, name, directory.number, place, 0) }
        removeIncoming(name)
    }

    /// Makes the blob's directory if there is none. Answers whether the name of that directory still has to be made
    /// durable in its parent, and `setLasting` be called.
    func makeDirectory(for id: BlobID) throws(BlobError) -> Bool {
        if isLasting(id) { return false }
        if mkdirat(directory.number, Self.directory(of: id), 0o700) != 0, errno != EEXIST {
            throw BlobError(number: errno, "cannot make \(path)/\(Self.directory(of: id))")
        }
        return true
    }

    func open(_ id: BlobID) throws(BlobError) -> Descriptor {
        let what = "cannot open blob \(id)"
        return try Descriptor(Self.place(of: id), at: directory, O_RDONLY | O_NOFOLLOW, what: what)
    }

    func delete(_ id: BlobID) throws(BlobError) {
        if unlinkat(directory.number, Self.place(of: id), 0) != 0, errno != ENOENT {
            throw BlobError(number: errno, "cannot delete blob \(id)")
        }
    }

    /// Makes the entries of a directory durable, `ab` or `ab/cd`.
    func sync(_ name: String) throws(BlobError) {
        let what = "cannot sync \(path)/\(name)"
        try Descriptor(name, at: directory, O_RDONLY | O_DIRECTORY, what: what).syncDirectory(what)
    }

    // MARK: Directories

    static func directory(of id: BlobID) -> String { "\(hexByte(id.byte(0)))/\(hexByte(id.byte(1)))" }

    static func parent(of id: BlobID) -> String { hexByte(id.byte(0)) }

    private static func place(of id: BlobID) -> String { "\(directory(of: id))/\(id.hex)" }

    private func isLasting(_ id: BlobID) -> Bool {
        let index = Int(id.byte(0)) << 8 | Int(id.byte(1))
        return lasting.withLock { $0[index >> 6] & 1 << UInt64(index & 63) != 0 }
    }

    func setLasting(_ first: UInt8, _ second: UInt8) {
        let index = Int(first) << 8 | Int(second)
        lasting.withLock { $0[index >> 6] |= 1 << UInt64(index & 63) }
    }

    /// Opens a directory of the store; nil if there is none.
    func openDirectory(_ name: String) throws(BlobError) -> Descriptor? {
        do throws(BlobError) {
            return try Descriptor(name, at: directory, O_RDONLY | O_DIRECTORY, what: "cannot open \(path)/\(name)")
        } catch {
            if error.code == .notFound { return nil }
            throw error
        }
    }
}
