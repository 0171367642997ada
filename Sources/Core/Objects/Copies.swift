import Blobs
package import BucketConfiguration
import Ciphers
import Database
import Journal
package import NIOCore
import Wire

extension Objects {
    /// Copies an object without touching its bytes: the copy names the same blobs, and has their keys sealed for
    /// itself.
    ///
    /// - Parameters:
    ///   - version: which version of the source; nil for the current one.
    ///   - asOf: the TID whose state the source is read of; nil for the present one.
    ///   - replacing: new headers, or nil to keep the source's.
    ///   - lock: its retention, legal hold, ACL and encryption are the copy's.
    ///   - storageClass: the copy's; bytes of another are copied, sealed as they are.
    ///   - unlock: says what the source is read with.
    ///   - tags: new tags, or nil to keep the source's.
    ///   - transaction: that which makes the copy visible, when it is committed; the source may be one of its writes.
    ///   - sourceCondition: looks at the source; throws to refuse.
    package func copy(
        from sourceCollection: String, key sourceKey: String, version: String? = nil, asOf: Int64? = nil,
        to collectionName: String, key: String,
        replacing: ObjectDescription?, storageClass: StorageClass = .standard, tags: [HeaderField]? = nil,
        lock: ObjectDescription = .init(),
        checksum algorithm: ChecksumAlgorithm? = nil,
        by actor: String, in transaction: TransactionID? = nil,
        unlock: @Sendable (ObjectVersion) async throws -> ObjectUnlock = { _ in .none },
        sourceCondition: @escaping WriteCondition = { _ in },
        condition: @escaping WriteCondition = { _ in }
    ) async throws -> ObjectVersion {
        try Self.check(key: key, replacing ?? ObjectDescription())
        try Self.check(tags: tags ?? [])
        let target = try await collection(collectionName)
        var source = try await open(
            collection: sourceCollection, key: sourceKey, version: version, asOf: asOf, in: transaction)
        source.unlock = try await unlock(source.version)
        try source.version.check(source.unlock)
        try sourceCondition(source.version)
        let plan =
            if let plan = lock.encryption { plan } else { try await defaultPlan(in: target.name) }
        guard source.version.encryption == .collection, case .collection = plan.kind else {
            var description = replacing ?? ObjectDescription()
            if replacing == nil {
                description.contentType = source.version.contentType
                description.headers = source.version.headers
            }
            // What a scan found of the source is the node's to say, and is found out anew.
            description.tags = tags ?? source.version.tags.filter { !$0.name.hasPrefix(Self.systemTagPrefix) }
            description.retention = lock.retention
            description.hasLegalHold = lock.hasLegalHold
            description.acl = lock.acl
            description.encryption = plan
            description.storageClass = storageClass
            return try await copyBytes(
                of: source, to: target.name, key: key, description, checksum: algorithm, by: actor,
                in: transaction, condition: condition)
        }
        let fromKey = try await keyring.key(ofCollection: source.version.collection)
        let toKey = try await keyring.key(ofCollection: target.id)
        let id = VersionID()

        func reseal(_ sealed: [UInt8], part: Int) throws -> [UInt8] {
            try toKey.sealDataKey(
                fromKey.openDataKey(sealed, version: source.version.id, part: part), version: id, part: part)
        }
        var copy = source.version
        copy.id = id
        copy.collection = target.id
        copy.key = key
        copy.created = .now
        if let tags { copy.tags = tags + copy.tags.filter { $0.name.hasPrefix(Self.systemTagPrefix) } }
        if let tag = try await screen(copying: source, key: key, to: target) {
            copy.tags = copy.tags.filter { $0.name != tag.name } + [tag]
        }
        // Locks and ACLs are not copied: a copy has those of a new object.
        let lock = try await locked(lock, in: target)
        copy.retention = lock.retention
        copy.hasLegalHold = lock.hasLegalHold
        copy.acl = lock.acl
        if let replacing {
            copy.contentType = replacing.contentType
            copy.headers = replacing.headers
        }
        if let algorithm, algorithm != copy.checksum?.algorithm || copy.checksum?.kind != .fullObject {
            copy.checksum = try await checksum(algorithm, of: source)
        }
        copy.storageClass = storageClass
        try check(storageClass)
        // Blobs that were copied since the copy is of another class; all others are named by both.
        var moved: [BlobPlace] = []
        func placed(_ place: BlobPlace) async throws -> BlobPlace {
            guard place.storageClass != storageClass else { return place }
            let copied = try await transfer(place, to: storageClass)
            moved.append(copied)
            return copied
        }
        do {
            var parts: [PartRow] = []
            var shared: [BlobPlace] = []
            switch source.version.storage {
            case .inline(let sealed): copy.storage = .inline(sealedKey: try reseal(sealed, part: 0))
            case .blob(let blob, let sealed):
                let place = BlobPlace(id: blob, storageClass: source.version.storageClass)
                let target = try await placed(place)
                if target == place { shared = [place] }
                copy.storage = .blob(target.id, sealedKey: try reseal(sealed, part: 0))
            case .parts:
                let sourceID = source.version.id
                parts = try await journal.read { try PartRow.all(version: sourceID, in: $0) }
                for index in parts.indices {
                    let place = parts[index].place
                    parts[index].place = try await placed(place)
                    if parts[index].place == place { shared.append(place) }
                    parts[index].sealedKey = try reseal(parts[index].sealedKey, part: parts[index].number)
                }
            }
            return try await publish(
                copy, inline: source.inline, in: target, by: actor, as: .copy, for: transaction, condition: condition
            ) { [parts, shared, source = source.version] transaction, state in
                // The source's blobs live as long as its rows name them, and after that for a minute.
                let isThere = try transaction.scalar("SELECT 1 FROM versions WHERE number = ?", .init(source.number))
                guard isThere != nil else { throw ObjectsError.noSuchKey(sourceKey) }
                guard try Self.names(source, shared, in: transaction) else {
                    throw ObjectsError(.unavailable, "the source was moved to another storage class: try again")
                }
                for part in parts { try part.insert(version: id, state, in: transaction) }
            }
        } catch {
            for place in moved { await discard(place, after: error) }
            throw error
        }
    }

    /// Whether the rows of a version still name these blobs.
    private static func names(
        _ version: ObjectVersion, _ places: [BlobPlace], in transaction: Transaction
    ) throws -> Bool {
        guard !places.isEmpty else { return true }
        var named = try transaction.rows("SELECT blob FROM parts WHERE version = ?", .init(id: version.id)) {
            $0.blob(0)
        }
        named += try transaction.rows(
            "SELECT blob FROM versions WHERE number = ? AND blob IS NOT NULL", .init(version.number)
        ) { $0.blob(0) }
        return Set(named).isSuperset(of: places.map(\.id.bytes))
    }

    /// Copies an object by reading and encrypting it: where a customer's or a named key is on either side, the copy
    /// must not be readable by the other's.
    private func copyBytes(
        of source: OpenObject, to collection: String, key: String, _ description: ObjectDescription,
        checksum algorithm: ChecksumAlgorithm?, by actor: String, in transaction: TransactionID?,
        condition: @escaping WriteCondition
    ) async throws -> ObjectVersion {
        var expectations = BodyExpectations()
        expectations.length = source.version.size
        if let algorithm = algorithm ?? source.version.checksum?.algorithm {
            expectations.checksum = (algorithm, nil)
        }
        return try await put(
            collection: collection, key: key, description: description, expecting: expectations, by: actor,
            in: transaction, condition: condition, body: stream(source, range: 0..<source.version.size))
    }

    private func checksum(_ algorithm: ChecksumAlgorithm, of object: OpenObject) async throws -> ObjectChecksum {
        let stream = SharedChecksum(algorithm)
        try await read(object, range: 0..<object.version.size) { stream.update($0) }
        let value = stream.finish()
        return ObjectChecksum(algorithm: algorithm, value: Base64.encode(value), kind: .fullObject)
    }

    /// Streams a range of an object, for a copy that has to store it anew.
    package func stream(_ object: OpenObject, range: Range<Int64>) -> AsyncThrowingStream<ByteBuffer, any Error> {
        // One buffer is made when one is asked for, so nothing piles up.
        let pump = Pump()
        let task = Task {
            do {
                try await read(object, range: range) { try await pump.offer($0) }
                await pump.finish(nil)
            } catch {
                await pump.finish(error)
            }
        }
        return AsyncThrowingStream { try await pump.next(cancelling: task) }
    }
}

/// Hands buffers from one task to another, one at a time.
private actor Pump {
    private var waiting: ByteBuffer?
    private var isFinished = false
    private var error: (any Error)?
    private var producer: CheckedContinuation<Void, Never>?
    private var consumer: CheckedContinuation<Void, Never>?

    func offer(_ buffer: ByteBuffer) async throws {
        waiting = buffer
        consumer?.resume()
        consumer = nil
        await withCheckedContinuation { producer = $0 }
        try Task.checkCancellation()
    }

    func finish(_ error: (any Error)?) {
        isFinished = true
        self.error = error
        consumer?.resume()
        consumer = nil
    }

    func next(cancelling task: Task<Void, Never>) async throws -> ByteBuffer? {
        while true {
            if let buffer = waiting {
                waiting = nil
                producer?.resume()
                producer = nil
                return buffer
            }
            if let error { throw error }
            if isFinished { return nil }
            if Task.isCancelled {
                task.cancel()
                producer?.resume()
                producer = nil
                throw CancellationError()
            }
            await withCheckedContinuation { consumer = $0 }
        }
    }
}
