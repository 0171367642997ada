import Catalogue
import NIOCore
import Objects
import Wire

/// The objects of one product, as they are now.
struct ProductFiles: Sendable {
    /// Files that are looked at; a product with more has an Item that says so.
    static let countMax = 10_000
    /// Largest metadata file that is read whole.
    static let documentBytesMax: Int64 = 16 << 20

    let path: ProductPath
    let collection: Collection
    /// By their paths relative to the product, sorted. Of a store of arrays with more than ``countMax`` files those
    /// that describe it, and the chunks of its small arrays.
    let all: [(path: String, version: ObjectVersion)]
    /// Whether there are files that ``all`` has not.
    let isCut: Bool
    /// Bytes of all files, as far as they were counted.
    let size: Int64
    private let byPath: [String: Int]
    private let objects: Objects

    /// - Parameter countMax: see ``countMax``.
    init(
        of path: ProductPath, in collection: Collection, _ objects: Objects, countMax: Int = Self.countMax
    ) async throws {
        self.path = path
        self.collection = collection
        self.objects = objects
        // What a single file's companions are called relative to: the top of the collection.
        let base = path.isFolder ? path.prefix.utf8.count : 0
        var found: [(path: String, version: ObjectVersion)] = []
        var store = Look.isStore(path) ? StoreFiles() : nil
        var after = ""
        var isCut = false
        var size: Int64 = 0
        while true {
            let page = try await objects.versions(collection: collection.id, prefix: path.prefix, after: after)
            for version in page
            where version.quarantine == nil && path.contains(version.key) && version.key.utf8.count > base
                && !version.key.hasSuffix("/")
            {
                let file = (path: String(decoding: version.key.utf8.dropFirst(base), as: UTF8.self), version: version)
                size += version.size
                if found.count < countMax { found.append(file) } else { isCut = true }
                store?.add(file)
            }
            guard page.count == 1000, let last = page.last else { break }
            // A store is walked through to its end, for what describes it may lie anywhere in it.
            guard !isCut || store?.isFull == false else { break }
            after = last.key
        }
        if isCut, let store { found = store.files }
        self.size = size
        all = found
        self.isCut = isCut
        byPath = Dictionary(found.enumerated().map { ($1.path, $0) }, uniquingKeysWith: { first, _ in first })
    }

    func version(_ path: String) -> ObjectVersion? { byPath[path].map { all[$0].version } }

    func has(_ path: String) -> Bool { byPath[path] != nil }

    /// The bytes of a metadata file; nil where there is none, it is too large to be one, is under a customer's key,
    /// damaged or in quarantine.
    func bytes(_ path: String) async throws -> [UInt8]? {
        guard let version = version(path), version.size <= Self.documentBytesMax, version.isReadableByNode else {
            return nil
        }
        do {
            return try await objects.bytes(of: try await open(version), limit: Self.documentBytesMax)
        } catch let error as ObjectsError where error.isUnreadable {
            return nil
        }
    }

    /// Reads a range of one of these files. A single one is looked up once.
    func read(_ versions: [ObjectVersion]) async throws -> @Sendable (Int, Range<Int64>) async throws -> ByteBuffer {
        let only = versions.count == 1 ? try await open(versions[0]) : nil
        return { [self] index, range in
            let object = if let only { only } else { try await open(versions[index]) }
            return try await objects.bytes(of: object, range: range)
        }
    }

    private func open(_ version: ObjectVersion) async throws -> OpenObject {
        var object = try await objects.open(version)
        object.unlock = .node
        return object
    }
}

/// Of a store of arrays what is needed to describe it: the files that describe arrays and groups, and the chunks of
/// arrays that have few, as coordinates do.
struct StoreFiles {
    /// Chunks of an array beyond which none of them is kept.
    static let chunksMax = 200
    /// Files that are walked through, and files that are kept.
    private static let walkedMax = 5_000_000
    private static let keptMax = 9000

    private var kept: [(path: String, version: ObjectVersion)] = []
    /// Those of the array that the walk is in: an array's chunks lie behind each other.
    private var chunks: (array: String, files: [(path: String, version: ObjectVersion)]) = ("", [])
    private var walked = 0

    var isFull: Bool { walked >= Self.walkedMax || kept.count >= Self.keptMax }

    var files: [(path: String, version: ObjectVersion)] {
        var out = self
        out.endArray()
        return out.kept.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    }

    mutating func add(_ file: (path: String, version: ObjectVersion)) {
        walked += 1
        guard !isFull else { return }
        if Look.isStoreMetadata(file.path) {
            kept.append(file)
            return
        }
        let array = Self.array(ofChunk: file.path)
        if array != chunks.array {
            endArray()
            chunks.array = array
        }
        if chunks.files.count <= Self.chunksMax { chunks.files.append(file) }
    }

    private mutating func endArray() {
        if chunks.files.count <= Self.chunksMax { kept += chunks.files }
        chunks.files = []
    }

    /// The folder of the array that a chunk belongs to: `t2m` of `t2m/0.1`, `t2m/0/1` and `t2m/c/0/1`.
    static func array(ofChunk path: String) -> String {
        var parts = path.split(separator: "/").dropLast()
        while parts.count > 1, let last = parts.last, last.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            parts = parts.dropLast()
        }
        if parts.count > 1, parts.last == "c" { parts = parts.dropLast() }
        return parts.joined(separator: "/")
    }
}
