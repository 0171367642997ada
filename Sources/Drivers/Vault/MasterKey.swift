package import Ciphers
import Glibc
import Wire

/// The node's master key: the root of every key and secret that it keeps.
///
/// It lives in a file of its own (64 hexadecimal digits, mode 0600), apart from the data that it protects: without the
/// file nothing that the node has stored can be read, so it belongs into the backup of secrets and not into that of
/// data.
package final class MasterKey: Sendable {
    private let key: AEADKey

    private init(key: AEADKey) { self.key = key }

    /// Opens the key file, or makes one if there is none and `creates` is set.
    ///
    /// - Throws: ``VaultError`` where the file is missing, readable by others, or not a key.
    package static func open(path: String, creates: Bool) throws -> MasterKey {
        let fd = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        if fd < 0 {
            guard errno == ENOENT else {
                throw VaultError("cannot open the master key \(path): \(String(cString: strerror(errno)))")
            }
            guard creates else {
                throw VaultError(
                    "the master key \(path) is missing, but there is data that it protects: restore it from its backup")
            }
            return try create(path: path)
        }
        defer { close(fd) }
        var status = stat()
        guard fstat(fd, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw VaultError("\(path) is not a file")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw VaultError("the master key \(path) can be read by others: set its mode to 0600")
        }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(fd, &bytes, bytes.count)
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).filter { !$0.isWhitespace }
        guard let raw = Hex.decode(text), raw.count == 32 else {
            throw VaultError("\(path) does not hold a master key of 64 hexadecimal digits")
        }
        return MasterKey(key: try AEADKey(raw))
    }

    /// Writes the key durably under a temporary name, then gives it its own: a crash leaves a whole key or none.
    private static func create(path: String) throws -> MasterKey {
        let raw = randomBytes(32)
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
        return MasterKey(key: try AEADKey(raw))
    }

    /// Seals another key for one purpose, leaving no copy of it behind.
    package func wrap(_ other: AEADKey, label: String) throws -> [UInt8] {
        try key.wrap(other, authenticating: Array(label.utf8))
    }

    /// Opens a key that `wrap` has sealed for the same purpose.
    package func unwrap(_ sealed: [UInt8], label: String) throws -> AEADKey {
        do {
            return try key.unwrap(sealed, authenticating: Array(label.utf8))
        } catch {
            throw Self.wrongKey(label)
        }
    }

    private static func wrongKey(_ label: String) -> VaultError {
        VaultError("\(label) does not open under this master key: it was altered, or sealed by another key")
    }

    /// Encrypts a secret for one purpose: it opens only under the same `label`, so that a row copied elsewhere is
    /// useless.
    package func seal(_ secret: [UInt8], label: String) throws -> [UInt8] {
        try key.seal(secret, authenticating: Array(label.utf8))
    }

    /// - Throws: ``VaultError`` where the bytes were altered, or sealed by another key or for another purpose.
    package func open(_ sealed: [UInt8], label: String) throws -> [UInt8] {
        do {
            return try key.open(sealed, authenticating: Array(label.utf8))
        } catch {
            throw Self.wrongKey(label)
        }
    }
}

/// What is wrong with the node's keys. Never names key material.
package struct VaultError: Error, CustomStringConvertible, Sendable {
    package var description: String

    init(_ description: String) { self.description = description }
}
