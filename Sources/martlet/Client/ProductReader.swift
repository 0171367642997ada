import Archives
import BLAKE3
import Ciphers
import Glibc
import ProductMetadata
import TraceFormat
import Wire

/// Computes what a trace says of a file or folder.
struct ProductReader: Sendable {
    var algorithm = TraceHashAlgorithm.blake3
    /// Which files of a folder or members of an archive are contents; empty for all of a folder and none of an archive.
    var include: [GlobPattern] = []
    /// Takes the files that the product's manifest names as contents, and verifies them by it.
    var readsManifest = false
    var progress = Progress(total: 0, isShown: false)

    /// Bytes that are read at once.
    private static let pieceBytes: Int64 = 1 << 20

    /// Bytes of all the files at these paths, for a progress bar.
    static func size(of paths: [String]) -> Int64 {
        paths.reduce(0) { total, path in
            guard let info = File.info(path) else { return total }
            guard info.isFolder else { return total + info.size }
            return total + ((try? File.walk(path)) ?? []).reduce(0) { $0 + $1.size }
        }
    }

    /// A path's last part, also of `.` and of one that ends with a slash.
    static func name(of path: String) -> String {
        guard let resolved = realpath(path, nil) else { return String(path.split(separator: "/").last ?? "") }
        defer { free(resolved) }
        return String(String(cString: resolved).split(separator: "/").last ?? "")
    }

    /// - Throws: `Failure` for what is not there, or is not what its manifest says; `ArchiveError` for an archive that
    ///   is damaged.
    func product(_ path: String, name: String? = nil, inputs: [Trace.Input]? = nil) async throws -> Trace.Product {
        guard let info = File.info(path) else { throw Failure(.notFound, "there is no file or folder '\(path)'") }
        var product = Trace.Product(name: name ?? Self.name(of: path), size: info.size, hash: "", inputs: inputs)
        if info.isFolder {
            let parts = try File.walk(path).map { part(path + "/" + $0.path, named: $0.path, $0.size) }
            guard !parts.isEmpty else { throw Failure(.failed, "there is no file in '\(path)'") }
            let checksums = try manifest(of: parts, path)
            let contents = try await hashed(parts, checksums ?? [:])
            product.size = parts.reduce(0) { $0 + $1.size }
            product.hash = folderHash(contents)
            product.contents = contents.filter {
                isIncluded($0.path) && (checksums == nil || checksums?[$0.path] != nil)
            }
            return product
        }
        product.hash = try hash(part(path, named: product.name, info.size))
        guard readsManifest || !include.isEmpty else { return product }
        let file = try ReadableFile(path)
        guard let archive = try Archive.open(size: file.size, read: { try file.read(at: $0, count: $1) }) else {
            throw Failure(.failed, "'\(path)' is neither a ZIP nor a tar archive: it has no contents to include")
        }
        let parts = archive.members.map { member in
            Part(path: member.name, size: member.size) { try archive.stream(member, to: $0) }
        }
        let checksums = try manifest(of: parts, path)
        product.contents = try await hashed(
            parts.filter { isIncluded($0.path) && (checksums == nil || checksums?[$0.path] != nil) }, checksums ?? [:])
        return product
    }

    private func isIncluded(_ path: String) -> Bool { include.isEmpty || include.contains { $0.matches(path) } }

    // MARK: Parts

    /// A file of a folder, or a member of an archive.
    private struct Part: Sendable {
        var path: String
        var size: Int64
        var stream: @Sendable (_ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    }

    private func part(_ path: String, named name: String, _ size: Int64) -> Part {
        let progress = progress
        return Part(path: name, size: size) { body in
            let file = try ReadableFile(path)
            var at: Int64 = 0
            while at < file.size {
                let count = min(Self.pieceBytes, file.size - at)
                try file.read(at: at, count: Int(count)).withUnsafeBytes(body)
                at += count
                progress.add(count, label: name)
            }
        }
    }

    private func hashed(_ parts: [Part], _ checksums: [String: Checksum?]) async throws -> [Trace.Content] {
        try await Parallel.map(parts) { part in
            Trace.Content(path: part.path, hash: try hash(part, checksum: checksums[part.path] ?? nil))
        }
    }

    /// - Parameter checksum: what its content has to have as well.
    private func hash(_ part: Part, checksum: Checksum? = nil) throws -> String {
        let hasher = TraceHasher(algorithm)
        let second = checksum.flatMap { Self.digest(named: $0.algorithm) }
        try part.stream {
            hasher.update($0)
            second?.update($0)
        }
        if let checksum, let second, Hex.encode(second.finish()) != checksum.hex {
            throw Failure(
                .notAsItShouldBe, "'\(part.path)' has not the \(checksum.algorithm) checksum that the manifest says")
        }
        return hasher.finish()
    }

    private func folderHash(_ contents: [Trace.Content]) -> String {
        let hasher = TraceHasher(algorithm)
        ProductDigest.lines(of: contents) { hasher.update($0) }
        return hasher.finish()
    }

    // MARK: The manifest

    private typealias Checksum = FileFacts.Checksum

    private static let manifestNames = ["manifest.safe", "xfdumanifest.xml"]

    private static func digest(named name: String) -> Digest? {
        switch name {
        case "MD5": Digest(.md5)
        case "SHA3-256": Digest(.sha3_256)
        case "SHA-256", "SHA256": Digest(.sha256)
        case "SHA-512", "SHA512": Digest(.sha512)
        default: nil
        }
    }

    /// The manifest and the files that it names, with their checksums; nil where no manifest is asked for.
    private func manifest(of parts: [Part], _ path: String) throws -> [String: Checksum?]? {
        guard readsManifest else { return nil }
        let found = parts.filter { part in
            Self.manifestNames.contains(part.path.split(separator: "/").last.map { $0.lowercased() } ?? "")
        }
        // The product's own is the one nearest to the top.
        guard let own = found.min(by: { $0.path.filter { $0 == "/" }.count < $1.path.filter { $0 == "/" }.count })
        else {
            throw Failure(.notFound, "'\(path)' has no \(Self.manifestNames.joined(separator: " or "))")
        }
        guard own.size <= Int64(SAFEManifest.bytesMax) else { throw Failure(.failed, "'\(own.path)' is too large") }
        var bytes: [UInt8] = []
        try own.stream { bytes.append(contentsOf: $0) }
        let folder = own.path.split(separator: "/").dropLast().map { $0 + "/" }.joined()
        let sizes = Dictionary(parts.map { ($0.path, $0.size) }) { first, _ in first }
        var files: [String: Checksum?] = [own.path: Checksum?.none]
        for file in try SAFEManifest(parsing: bytes).files {
            guard let size = sizes[folder + file.path], file.size ?? size == size else {
                throw Failure(
                    .notAsItShouldBe, "'\(folder + file.path)' is missing, or has not the size that the manifest says")
            }
            files[folder + file.path] = .some(file.checksum)
        }
        return files
    }
}

extension TraceSubject {
    /// What was read with the digest that traces have by custom.
    init(_ product: Trace.Product) {
        self.init(name: product.name, hashes: [.blake3: product.hash], contents: product.contents ?? [])
    }
}

/// A digest by one of the algorithms of traces.
struct TraceHasher {
    private enum State {
        case blake3(BLAKE3)
        case other(Digest)
    }

    private let state: State

    init(_ algorithm: TraceHashAlgorithm) {
        state =
            switch algorithm {
            case .blake3: .blake3(BLAKE3())
            case .sha3: .other(Digest(.sha3_256))
            case .sha256: .other(Digest(.sha256))
            }
    }

    func update(_ bytes: UnsafeRawBufferPointer) {
        switch state {
        case .blake3(let hasher): hasher.update(bytes)
        case .other(let digest): digest.update(bytes)
        }
    }

    /// In lower-case hexadecimal digits.
    func finish() -> String {
        switch state {
        case .blake3(let hasher): Hex.encode(hasher.finish())
        case .other(let digest): Hex.encode(digest.finish())
        }
    }
}
