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
    /// By their paths relative to the product, sorted.
    let all: [(path: String, version: ObjectVersion)]
    let isCut: Bool
    private let byPath: [String: Int]
    private let objects: Objects

    init(of path: ProductPath, in collection: Collection, _ objects: Objects) async throws {
        self.path = path
        self.collection = collection
        self.objects = objects
        // What a single file's companions are called relative to: the top of the collection.
        let base = path.isFolder ? path.prefix.utf8.count : 0
        var found: [(path: String, version: ObjectVersion)] = []
        var after = ""
        var isCut = false
        while true {
            let page = try await objects.versions(collection: collection.id, prefix: path.prefix, after: after)
            for version in page
            where version.quarantine == nil && path.contains(version.key) && version.key.utf8.count > base
                && !version.key.hasSuffix("/")
            {
                found.append((String(decoding: version.key.utf8.dropFirst(base), as: UTF8.self), version))
            }
            guard page.count == 1000, let last = page.last else { break }
            guard found.count < Self.countMax else {
                isCut = true
                break
            }
            after = last.key
        }
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
