package import Ciphers
import Synchronization
package import Wire

/// The root of every key and secret that a node keeps.
///
/// What seals is a *root key*, of which there are generations; each is wrapped by the master key at its
/// ``MasterSource`` and opened once, at start, so that a token is asked once for each generation and not for each
/// request. What is sealed begins with the number of its generation. Before there were generations the key of the file
/// sealed directly, and what it sealed then still opens: that is generation 0.
package final class MasterKey: Sendable {
    private struct Root {
        var generation: Int64
        /// From when on it seals: every node has loaded it by then.
        var starts: Timestamp
        var key: AEADKey
    }

    private let direct: AEADKey?
    /// In the order of their generations.
    private let roots = Mutex<[Root]>([])

    /// - Parameter direct: the key of generation 0, where there may be something that it has sealed.
    package init(direct: AEADKey?) { self.direct = direct }

    /// A master key that seals directly with the key in a file, without a root key: for tests and tools.
    ///
    /// - Throws: ``VaultError`` where the file is missing and `creates` is not set, readable by others, or not a key.
    package static func open(path: String, creates: Bool) throws -> MasterKey {
        MasterKey(direct: try KeyFile.open(path: path, creates: creates).direct)
    }

    // MARK: Generations

    /// Adds a generation of the root key, which seals from `starts` on.
    package func add(generation: Int64, starts: Timestamp, key: AEADKey) {
        roots.withLock { roots in
            guard !roots.contains(where: { $0.generation == generation }) else { return }
            roots.append(Root(generation: generation, starts: starts, key: key))
            roots.sort { $0.generation < $1.generation }
        }
    }

    /// Forgets a generation: what it has sealed opens no more.
    package func remove(generation: Int64) {
        roots.withLock { $0.removeAll { $0.generation == generation } }
    }

    package var generations: [Int64] { roots.withLock { $0.map(\.generation) } }

    /// The generation that seals now; 0 where there is no root key.
    package var generation: Int64 { sealing?.generation ?? 0 }

    private var sealing: Root? {
        let now = Timestamp.now
        return roots.withLock { roots in roots.last { $0.starts <= now } ?? roots.first }
    }

    /// The bytes that everything sealed under a generation above 0 begins with.
    package static func header(_ generation: Int64) -> [UInt8] {
        mark + (0..<4).map { UInt8(truncatingIfNeeded: generation >> Int64(24 - 8 * $0)) }
    }

    package static let headerCount = 8
    /// Generation 0 has no header but a random nonce, which has these four bytes once in 2^32 times; `tried` copes.
    private static let mark = Array("MRK\u{1}".utf8)

    // MARK: Sealing

    /// Seals another key for one purpose, leaving no copy of it behind.
    package func wrap(_ other: AEADKey, label: String) throws -> [UInt8] {
        guard let root = sealing else { return try directKey().wrap(other, authenticating: Array(label.utf8)) }
        return Self.header(root.generation) + (try root.key.wrap(other, authenticating: Array(label.utf8)))
    }

    /// Opens a key that `wrap` has sealed for the same purpose.
    ///
    /// - Throws: ``VaultError`` as `open`.
    package func unwrap(_ sealed: [UInt8], label: String) throws -> AEADKey {
        try tried(sealed, label) { key, sealed in try key.unwrap(sealed, authenticating: Array(label.utf8)) }
    }

    /// Encrypts a secret for one purpose: it opens only under the same `label`, so that a row copied elsewhere is
    /// useless.
    package func seal(_ secret: [UInt8], label: String) throws -> [UInt8] {
        guard let root = sealing else { return try directKey().seal(secret, authenticating: Array(label.utf8)) }
        return Self.header(root.generation) + (try root.key.seal(secret, authenticating: Array(label.utf8)))
    }

    /// - Throws: ``VaultError`` where the bytes were altered, or sealed by another key or for another purpose.
    package func open(_ sealed: [UInt8], label: String) throws -> [UInt8] {
        try tried(sealed, label) { key, sealed in try key.open(sealed, authenticating: Array(label.utf8)) }
    }

    private func directKey() throws -> AEADKey {
        guard let direct else { throw VaultError("the root key was not opened: nothing can be sealed") }
        return direct
    }

    private func tried<T>(_ sealed: [UInt8], _ label: String, _ body: (AEADKey, [UInt8]) throws -> T) throws -> T {
        if sealed.starts(with: Self.mark), sealed.count > Self.headerCount {
            let generation = sealed[4..<8].reduce(Int64(0)) { $0 << 8 | Int64($1) }
            let root = roots.withLock { roots in roots.first { $0.generation == generation } }
            if let root, let opened = try? body(root.key, Array(sealed.dropFirst(Self.headerCount))) { return opened }
        }
        if let direct, let opened = try? body(direct, sealed) { return opened }
        throw VaultError(
            "\(label) does not open under this master key: it was altered, or sealed by another key or one that is gone"
        )
    }
}
