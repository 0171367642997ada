import Ciphers
import Glibc
import Wire

enum Folder {
    /// Makes a folder that only its owner can look into, if there is none.
    static func create(_ path: String) throws {
        guard mkdir(path, 0o700) != 0 else { return }
        let reason = errno
        var status = stat()
        if reason == EEXIST, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return }
        throw ConfigurationError("cannot make the folder \(path): \(String(cString: strerror(reason)))")
    }

    /// Reads a text of at most 1 MiB.
    static func read(_ path: String) throws -> String {
        guard let file = fopen(path, "re") else {
            throw ConfigurationError("cannot read \(path): \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var text = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&text, 1, text.count, file)
        return String(decoding: text.prefix(count), as: UTF8.self)
    }

    /// Writes a file so that it is there whole or not at all.
    static func write(_ text: String, to path: String) throws {
        let temporary = path + ".new"
        let fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard fd >= 0 else { throw ConfigurationError("cannot write \(path): \(String(cString: strerror(errno)))") }
        defer { close(fd) }
        let bytes = Array(text.utf8)
        guard Glibc.write(fd, bytes, bytes.count) == bytes.count, rename(temporary, path) == 0 else {
            throw ConfigurationError("cannot write \(path): \(String(cString: strerror(errno)))")
        }
    }
}

enum NodeName {
    /// The machine's name and what tells this process from any other.
    static func random() -> String { host + "/" + Hex.encode(randomBytes(8)) }

    static var host: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
