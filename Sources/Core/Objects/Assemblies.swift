import Blobs
import BucketConfiguration
import Ciphers
import Database
import Journal
package import NIOCore
import NIOPosix
package import Wire

/// A file that comes in chunks before its client says where it goes. Chunks are objects of the node's own, in a
/// collection that no client can name, until they become the parts of one object.
package struct ChunkedUpload: Sendable, Hashable {
    package var account: String
    package var id: String

    package init(account: String, id: String) {
        self.account = account
        self.id = id
    }

    fileprivate var prefix: String {
        Objects.systemPrefix + "uploads/\(PercentEncoding.encode(account))/\(PercentEncoding.encode(id))/"
    }
}

/// One chunk: chunks follow each other in the order of their numbers.
package struct Chunk: Sendable {
    package var number: Int64
    /// As the client called it.
    package var name: String
    package var size: Int64
    package var created: Timestamp
}

extension Limits {
    /// Chunks that nobody has asked after for so long are given up: a day.
    package static let chunkSecondsMax: Int64 = 86_400
}

extension Objects {
    /// The collection that chunks lie in; its name is none that a collection can be given.
    private static let chunkCollection = ".uploads"

    private func chunkCollection() async throws -> Collection {
        do {
            return try await collection(Self.chunkCollection, isSystem: true)
        } catch let error as ObjectsError where error.code == .noSuchCollection {
            do {
                return try await createCollection(Self.chunkCollection, owner: "system:uploads", isSystem: true)
            } catch let error as ObjectsError where error.code == .collectionExists {
                return try await collection(Self.chunkCollection, isSystem: true)
            }
        }
    }

    /// Begins an upload; one that has begun goes on.
    package func begin(_ upload: ChunkedUpload) async throws {
        try await putSystem(key: upload.prefix, BodyExpectations(), by: upload.account, NoBody())
    }

    /// Stores a chunk, in place of one of the same name.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchUpload`, `.invalidPartNumber` for a name that is no number.
    package func put(
        chunk name: String, of upload: ChunkedUpload, expecting expectations: BodyExpectations,
        body: some AsyncSequence<ByteBuffer, any Error> & Sendable
    ) async throws {
        guard let number = Int64(name), number >= 0, name.utf8.count <= 20 else {
            throw ObjectsError(.invalidPartNumber, "a chunk is called by its number, not '\(name.prefix(40))'")
        }
        guard try await exists(collection: chunkCollection().id, key: upload.prefix) else {
            throw ObjectsError.noSuchUpload(upload.id)
        }
        try await putSystem(
            key: upload.prefix + Self.padded(number) + "-" + name, expectations, by: upload.account, body)
    }

    private func putSystem(
        key: String, _ expectations: BodyExpectations, by account: String,
        _ body: some AsyncSequence<ByteBuffer, any Error> & Sendable
    ) async throws {
        _ = try await chunkCollection()
        var description = ObjectDescription()
        // No bucket's default encryption is asked for: that of the collection that the file goes to counts.
        description.encryption = .collection
        _ = try await put(
            collection: Self.chunkCollection, key: key, description: description, expecting: expectations,
            by: account, isSystem: true, body: body)
    }

    private static func padded(_ number: Int64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: 20 - digits.utf8.count) + digits
    }

    /// The chunks that have come, in their order; nil where the upload has not begun.
    package func chunks(of upload: ChunkedUpload) async throws -> [Chunk]? {
        let stored = try await stored(upload)
        return stored.isEmpty ? nil : stored.compactMap { $0.chunk }
    }

    private func stored(_ upload: ChunkedUpload) async throws -> [ObjectVersion] {
        let collection = try await chunkCollection().id
        var found: [ObjectVersion] = []
        // One more than there may be, and the marker.
        while found.count <= Limits.partsMax + 1 {
            let page = try await versions(
                collection: collection, prefix: upload.prefix, after: found.last?.key ?? "")
            found += page
            if page.count < 1000 { break }
        }
        return found
    }

    /// Gives an upload up.
    package func abandon(_ upload: ChunkedUpload) async throws {
        let keys = try await stored(upload).map { (key: $0.key, version: String?.none) }
        guard !keys.isEmpty else { throw ObjectsError.noSuchUpload(upload.id) }
        try await delete(collection: Self.chunkCollection, keys, by: upload.account, isSystem: true)
    }

    /// Gives up the uploads whose last chunk is so old.
    ///
    /// - Returns: how many objects were removed.
    package func abandonUploads(olderThan seconds: Int64) async throws -> Int {
        let collection = try await chunkCollection().id
        let before = Timestamp.now.adding(seconds: -seconds)
        var removed = 0
        var after = ""
        while true {
            let page = try await versions(collection: collection, prefix: Self.systemPrefix, after: after)
            let old = page.filter { $0.created < before }.map { (key: $0.key, version: String?.none) }
            if !old.isEmpty {
                try await delete(collection: Self.chunkCollection, old, by: "system:janitor", isSystem: true)
                removed += old.count
            }
            guard page.count == 1000, let last = page.last else { return removed }
            after = last.key
        }
    }

    /// Makes an object of the chunks of an upload, which then has ended. Their bytes are not moved; they are read once
    /// where the client says what digest the whole has.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchUpload`, `.incompleteBody`, `.badChecksum`, and what ``put`` throws.
    package func assemble(
        _ upload: ChunkedUpload, to collectionName: String, key: String, description: ObjectDescription,
        expecting expectations: BodyExpectations, holding locks: Set<String> = [],
        condition: @escaping WriteCondition = { _ in }
    ) async throws -> ObjectVersion {
        try Self.check(key: key, description)
        let target = try await collection(collectionName)
        let description = try await locked(description, in: target)
        let chunks = try await stored(upload).filter { $0.chunk != nil }
        guard !chunks.isEmpty else { throw ObjectsError.noSuchUpload(upload.id) }
        guard chunks.count <= Limits.partsMax else {
            throw ObjectsError(.tooLarge, "a file comes in at most \(Limits.partsMax) chunks")
        }
        let size = chunks.reduce(0) { $0 + $1.size }
        if let length = expectations.length, length != size {
            throw ObjectsError(.incompleteBody, "the chunks have \(size) bytes, not the \(length) of the file")
        }
        guard case .collection = try await defaultPlan(in: target.name).kind else {
            // Another key encrypts what comes into the collection, so the bytes have to pass.
            var expectations = expectations
            expectations.lengthMax = Limits.multipartBytesMax
            let version = try await put(
                collection: collectionName, key: key, description: description, expecting: expectations,
                by: upload.account, holding: locks, condition: condition,
                body: ChunkBytes(chunks: chunks, objects: self))
            try await abandon(upload)
            return version
        }
        let checksum = try await checksum(of: chunks, expectations)
        let id = VersionID()
        let fromKey = try await keyring.key(ofCollection: try await chunkCollection().id)
        let toKey = try await keyring.key(ofCollection: target.id)
        var parts: [PartRow] = []
        var made: [BlobPlace] = []
        do {
            var start: Int64 = 0
            for (index, chunk) in chunks.enumerated() {
                var part = PartRow(
                    number: index + 1, start: start, size: chunk.size, etag: chunk.etag, created: chunk.created,
                    checksum: nil, place: BlobPlace(id: .random(), storageClass: .standard), sealedKey: [])
                switch chunk.storage {
                case .blob(let blob, let sealed):
                    part.place = BlobPlace(id: blob, storageClass: chunk.storageClass)
                    part.sealedKey = try toKey.sealDataKey(
                        fromKey.openDataKey(sealed, version: chunk.id, part: 0), version: id, part: part.number)
                case .inline, .parts:
                    // A small one was kept beside its row; parts are blobs.
                    var intake = try Intake(
                        objects: self, storageClass: .standard, collectionKey: toKey, second: nil, version: id,
                        part: part.number, expectations: BodyExpectations())
                    let object = try await open(chunk)
                    let stored = try await intake.store(stream(object, range: 0..<chunk.size))
                    guard case .blob(let place) = stored.place else {
                        throw ObjectsError(.unavailable, "a part was not stored as a blob")
                    }
                    made.append(place)
                    part.place = place
                    part.sealedKey = stored.sealedKey
                }
                start += chunk.size
                parts.append(part)
            }
            let md5s = chunks.flatMap { Hex.decode($0.etag) ?? [] }
            let version = ObjectVersion(
                id: id, collection: target.id, key: key, created: .now, size: size,
                etag: Hex.encode(DigestAlgorithm.md5.hash(md5s)) + "-\(parts.count)", digest: nil,
                contentType: description.contentType, headers: description.headers, checksum: checksum,
                partCount: parts.count, tags: description.tags, retention: description.retention,
                hasLegalHold: description.hasLegalHold, acl: description.acl, storage: .parts)
            let published = try await publish(
                version, inline: nil, in: target, by: upload.account, as: .completeUpload, holding: locks,
                condition: condition
            ) { [parts, numbers = chunks.map(\.number)] transaction, state in
                for number in numbers {
                    // As for the source of a copy: while the chunk's row is there, so are its bytes.
                    guard try transaction.scalar("SELECT 1 FROM versions WHERE number = ?", .init(number)) != nil else {
                        throw ObjectsError.noSuchUpload(upload.id)
                    }
                }
                for part in parts { try part.insert(version: id, state, in: transaction) }
            }
            try await abandon(upload)
            return published
        } catch {
            for place in made { await discard(place, after: error) }
            throw error
        }
    }

    /// The checksum of the whole that the client gave, if it is the one.
    private func checksum(
        of chunks: [ObjectVersion], _ expectations: BodyExpectations
    ) async throws -> ObjectChecksum? {
        guard let (algorithm, expected) = expectations.checksum else { return nil }
        let stream = SharedChecksum(algorithm)
        for chunk in chunks {
            try await read(try await open(chunk), range: 0..<chunk.size) { [pool] buffer in
                try await pool.runIfActive { stream.update(buffer) }
            }
        }
        let found = Base64.encode(stream.finish())
        guard expected == nil || expected == found else {
            throw ObjectsError(
                .badChecksum, "the \(algorithm.rawValue) of the chunks together is not the one that the file has")
        }
        return ObjectChecksum(algorithm: algorithm, value: found, kind: .fullObject)
    }
}

extension ObjectVersion {
    /// What it is among the chunks of an upload; nil for the marker.
    fileprivate var chunk: Chunk? {
        guard let slash = key.lastIndex(of: "/") else { return nil }
        let name = key[key.index(after: slash)...]
        guard let dash = name.firstIndex(of: "-"), let number = Int64(name[..<dash]) else { return nil }
        return Chunk(
            number: number, name: String(name[name.index(after: dash)...]), size: size, created: created)
    }
}

/// The bytes of chunks, one after the other.
private struct ChunkBytes: AsyncSequence, Sendable {
    let chunks: [ObjectVersion]
    let objects: Objects

    struct AsyncIterator: AsyncIteratorProtocol {
        var rest: ArraySlice<ObjectVersion>
        let objects: Objects
        var current: AsyncThrowingStream<ByteBuffer, any Error>.AsyncIterator?

        mutating func next(isolation actor: isolated (any Actor)?) async throws -> ByteBuffer? {
            while true {
                if let buffer = try await current?.next(isolation: actor) { return buffer }
                guard let chunk = rest.popFirst() else { return nil }
                current = objects.stream(try await objects.open(chunk), range: 0..<chunk.size).makeAsyncIterator()
            }
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(rest: chunks[...], objects: objects) }
}

/// No body.
private struct NoBody: AsyncSequence, AsyncIteratorProtocol, Sendable {
    func makeAsyncIterator() -> Self { self }
    mutating func next() async throws -> ByteBuffer? { nil }
}
