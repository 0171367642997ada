import Ciphers
import Glibc
import Wire

/// A master key in a file: 64 hexadecimal digits, mode 0600, apart from the data that it protects. Without the file
/// nothing that the node has stored can be read, so it belongs into the backup of secrets and not into that of data.
struct KeyFile: MasterSource {
    let description: String
    private let key: AEADKey

    var direct: AEADKey? { key }

    func wrap(_ root: AEADKey, label: String) throws -> [UInt8] {
        try key.wrap(root, authenticating: Array(label.utf8))
    }

    func unwrap(_ sealed: [UInt8], label: String) throws -> AEADKey {
        do {
            return try key.unwrap(sealed, authenticating: Array(label.utf8))
        } catch {
            throw VaultError("\(label) does not open with \(description): it was wrapped by another master key")
        }
    }

    /// Opens a key file, or makes one if there is none and `creates` is set.
    static func open(path: String, creates: Bool) throws -> KeyFile {
        let fd = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        if fd < 0 {
            guard errno == ENOENT else {
                throw VaultError("cannot open the master key \(path): \(String(cString: strerror(errno)))")
            }
            guard creates else {
                throw VaultError(
                    "the master key \(path) is missing, but there is data that it protects: restore it from its backup")
            }
            return KeyFile(description: "file \(path)", key: try create(path: path))
        }
        defer { close(fd) }
        return KeyFile(description: "file \(path)", key: try read(fd, path, deniedModes: 0o077))
    }

    /// Opens a credential that systemd has put into its folder.
    static func open(credential name: String, folder: String) throws -> KeyFile {
        let path = folder + "/" + name
        let fd = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard fd >= 0 else {
            throw VaultError("cannot open the credential '\(name)' in \(folder): \(String(cString: strerror(errno)))")
        }
        defer { close(fd) }
        // systemd gives the service its right by an access list, whose mask shows as the group's mode.
        return KeyFile(description: "credential \(name)", key: try read(fd, path, deniedModes: 0o007))
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    private static func read(_ fd: Int32, _ path: String, deniedModes: mode_t) throws -> AEADKey {
        var status = stat()
        guard fstat(fd, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw VaultError("\(path) is not a file")
        }
        guard status.st_mode & deniedModes == 0 else {
            throw VaultError("the master key \(path) can be read by others: set its mode to 0600")
        }
        var bytes = [UInt8](repeating: 0, count: 256)
        defer { wipe(&bytes) }
        let count = Glibc.read(fd, &bytes, bytes.count)
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).filter { !$0.isWhitespace }
        guard var raw = Hex.decode(text), raw.count == AEADKey.byteCount else {
            throw VaultError("\(path) does not hold a master key of 64 hexadecimal digits")
        }
        defer { wipe(&raw) }
        return try AEADKey(raw)
    }

    /// Writes the key durably under a temporary name, then gives it its own: a crash leaves a whole key or none.
    private static func create(path: String) throws -> AEADKey {
        var raw = randomBytes(AEADKey.byteCount)
        defer { wipe(&raw) }
        let text = Array((Hex.encode(raw) + "\n").utf8)
        let temporary = path + ".new"
        let fd = Glibc.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard fd >= 0 else {
            throw VaultError("cannot create the master key \(path): \(String(cString: strerror(errno)))")
        }
        defer { close(fd) }
        guard write(fd, text, text.count) == text.count, fsync(fd) == 0, rename(temporary, path) == 0 else {
            throw VaultError("cannot write the master key \(path): \(String(cString: strerror(errno)))")
        }
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let directory = Glibc.open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if directory >= 0 {
            fsync(directory)
            close(directory)
        }
        return try AEADKey(raw)
    }
}

/// Overwrites bytes that were a secret.
package func wipe(_ bytes: inout [UInt8]) {
    bytes.withUnsafeMutableBytes { buffer in
        if let start = buffer.baseAddress { explicit_bzero(start, buffer.count) }
    }
}
