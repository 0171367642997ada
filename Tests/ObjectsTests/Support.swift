import Blobs
import Database
import Journal
import NIOCore
import NIOPosix
import Objects
import TestSupport
import Testing
import Vault

/// A store on either engine with blobs in a folder, fresh for each test.
func withObjects(_ engine: TestEngine = .sqlite, _ body: (Objects) async throws -> Void) async throws {
    try await withFolder { folder in
        try await engine.withDatabase(Journal.migrations + Objects.migrations) { database in
            let blobs = try await DiskBlobs.open(folder + "/blobs")
            let objects = Objects(
                journal: Journal(database: database, node: "test"), blobs: blobs,
                master: try MasterKey.open(path: folder + "/master.key", creates: true), pool: .singleton)
            do {
                try await objects.createCollection("eo1", owner: "ada")
                try await body(objects)
                await blobs.close()
            } catch {
                await blobs.close()
                throw error
            }
        }
    }
}

extension Objects {
    @discardableResult
    func put(
        _ key: String, _ bytes: [UInt8], piece: Int = 100_000, in collection: String = "eo1",
        description: ObjectDescription = ObjectDescription()
    ) async throws -> ObjectVersion {
        try await put(
            collection: collection, key: key, description: description, expecting: BodyExpectations(),
            by: "ada",
            body: Pieces(bytes, piece))
    }

    func get(_ key: String, range: Range<Int64>? = nil, in collection: String = "eo1") async throws -> [UInt8] {
        let object = try await open(collection: collection, key: key)
        let buffer = try await bytes(of: object, range: range ?? 0..<object.version.size)
        return Array(buffer.readableBytesView)
    }

    func keys(prefix: String = "", delimiter: String = "") async throws -> [String] {
        try await list(collection: "eo1", prefix: prefix, delimiter: delimiter).entries.map(\.key)
    }

    /// How many blobs the store holds.
    func blobCount() async throws -> Int { try await blobs.list(after: nil, limit: 10_000).count }
}

/// A body that comes in pieces, and may break off.
struct Pieces: AsyncSequence, AsyncIteratorProtocol, Sendable {
    struct Broken: Error {}

    private var rest: ArraySlice<UInt8>
    private let piece: Int
    private let breaksOff: Bool

    init(_ bytes: [UInt8], _ piece: Int = 100_000, breaksOff: Bool = false) {
        rest = bytes[...]
        self.piece = piece
        self.breaksOff = breaksOff
    }

    func makeAsyncIterator() -> Pieces { self }

    mutating func next() async throws -> ByteBuffer? {
        guard !rest.isEmpty else {
            if breaksOff { throw Broken() }
            return nil
        }
        let count = Swift.min(piece, rest.count)
        defer { rest = rest.dropFirst(count) }
        return ByteBuffer(bytes: rest.prefix(count))
    }
}

/// Bytes that differ from place to place, the same for the same seed.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    return (0..<count).map { _ in
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return UInt8(truncatingIfNeeded: state)
    }
}

/// The code of the error that `body` ends with; nil if it does not, or with one of another kind.
func outcome(_ body: () async throws -> Void) async -> ObjectsError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? ObjectsError)?.code
    }
}
