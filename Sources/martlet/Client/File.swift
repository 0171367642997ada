import Glibc

/// Files of the client's machine.
enum File {
    static func failure(_ act: String, _ path: String) -> Failure {
        let reason = errno
        return Failure(
            reason == ENOENT ? .notFound : .failed, "cannot \(act) \(path): \(String(cString: strerror(reason)))")
    }

    /// A small file, whole.
    static func read(_ path: String, limit: Int) throws -> [UInt8] {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { throw failure("read", path) }
        defer { close(fd) }
        var out: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(fd, &buffer, buffer.count)
            guard count >= 0 else { throw failure("read", path) }
            if count == 0 { return out }
            out.append(contentsOf: buffer[..<count])
            guard out.count <= limit else { throw Failure(.failed, "\(path) is larger than \(limit) bytes") }
        }
    }

    /// Writes a small file, with the folders above it.
    static func write(_ bytes: [UInt8], to path: String, mode: mode_t) throws {
        try createFolders(above: path)
        let temporary = path + ".new"
        let fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard fd >= 0 else { throw failure("write", path) }
        defer { close(fd) }
        guard Glibc.write(fd, bytes, bytes.count) == bytes.count, rename(temporary, path) == 0 else {
            throw failure("write", path)
        }
    }

    static func createFolders(above path: String) throws {
        var folder = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/").dropLast() {
            folder += "/" + part
            if mkdir(folder, 0o755) != 0, errno != EEXIST { throw failure("make the folder", folder) }
        }
    }

    static func move(_ path: String, to place: String) throws {
        guard rename(path, place) == 0 else { throw failure("move to \(place) the file", path) }
    }

    struct Info {
        var size: Int64
        var isFolder: Bool
    }

    static func info(_ path: String) -> Info? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return Info(size: Int64(status.st_size), isFolder: status.st_mode & S_IFMT == S_IFDIR)
    }

    /// All regular files below a folder, as paths relative to it, sorted. Symbolic links are not followed.
    static func walk(_ folder: String) throws -> [(path: String, size: Int64)] {
        var out: [(path: String, size: Int64)] = []
        var folders = [""]
        while let relative = folders.popLast() {
            let path = relative.isEmpty ? folder : folder + "/" + relative
            guard let directory = opendir(path) else { throw failure("read", path) }
            defer { closedir(directory) }
            while let entry = Glibc.readdir(directory) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name == "." || name == ".." { continue }
                let child = relative.isEmpty ? name : relative + "/" + name
                var status = stat()
                guard lstat(folder + "/" + child, &status) == 0 else { continue }
                switch status.st_mode & S_IFMT {
                case S_IFDIR: folders.append(child)
                case S_IFREG: out.append((child, Int64(status.st_size)))
                default: break
                }
            }
        }
        return out.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    }
}

/// A file that is written piece by piece, and has its name only when it is whole.
final class NewFile {
    let path: String
    /// Where it is until then.
    let temporary: String
    private let fd: Int32
    private var isWhole = false

    init(_ path: String) throws {
        self.path = path
        temporary = path + ".new"
        fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard fd >= 0 else { throw File.failure("write", temporary) }
    }

    deinit {
        close(fd)
        if !isWhole { unlink(temporary) }
    }

    func append(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw File.failure("write", temporary) }
            rest = rest.dropFirst(count)
        }
    }

    func finish() throws {
        try File.move(temporary, to: path)
        isWhole = true
    }
}

/// A file that is read by position.
final class ReadableFile: Sendable {
    let path: String
    let size: Int64
    private let fd: Int32

    init(_ path: String) throws {
        fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { throw File.failure("read", path) }
        self.path = path
        var status = stat()
        guard fstat(fd, &status) == 0 else { throw File.failure("read", path) }
        size = Int64(status.st_size)
    }

    deinit { close(fd) }

    func read(at offset: Int64, count: Int) throws -> [UInt8] {
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
            while done < count {
                let got = pread(fd, buffer.baseAddress.map { $0 + done }, count - done, off_t(offset) + off_t(done))
                if got < 0, errno == EINTR { continue }
                if got < 0 { failed = true }
                if got <= 0 { return }
                done += got
            }
        }
        guard !failed else { throw File.failure("read", path) }
        guard bytes.count == count else { throw Failure(.failed, "\(path) became shorter while it was read") }
        return bytes
    }
}
