import Blobs
import BucketConfiguration
import Database
package import Journal
package import NIOCore
import Wire

extension EventKind {
    /// An object has a new current version.
    package static let objectPut = EventKind("object.put")
    package static let objectDeleted = EventKind("object.deleted")
}

/// By what an object came to be, in S3's words.
package enum WriteOperation: String, Sendable {
    case put = "Put"
    case post = "Post"
    case copy = "Copy"
    case completeUpload = "CompleteMultipartUpload"
}

/// Looks at the current version of a key inside the transaction that would replace it, and throws to prevent that.
package typealias WriteCondition = @Sendable (ObjectVersion?) throws -> Void

extension Objects {
    /// Stores one object: when this returns, its bytes and its row are durable.
    ///
    /// - Parameters:
    ///   - isSystem: whether this is one of the node's own objects, below `systemPrefix`.
    ///   - locks: tokens of write locks that the caller has named: see WriteLocks.swift.
    ///   - transaction: that which makes the object visible, when it is committed.
    ///   - condition: evaluated under the key's lock, so that of two writers who both demand that the key be new, one
    ///     wins.
    /// - Throws: ``ObjectsError``, or what `condition` throws. Nothing is left behind then.
    package func put(
        collection name: String, key: String, description: ObjectDescription, expecting expectations: BodyExpectations,
        by actor: String, isSystem: Bool = false, as operation: WriteOperation = .put, holding locks: Set<String> = [],
        in transaction: TransactionID? = nil, condition: @escaping WriteCondition = { _ in },
        body: some AsyncSequence<ByteBuffer, any Error> & Sendable
    ) async throws -> ObjectVersion {
        if !isSystem { try Self.check(key: key, description) }
        try expectations.checkLength()
        try checkRoom()
        let collection = try await collection(name, isSystem: isSystem)
        let description = isSystem ? description : try await locked(description, in: collection)
        let expectations = try await limited(expectations, key: key, in: collection)
        let id = VersionID()
        try check(description.storageClass)
        let plan =
            if let plan = description.encryption { plan } else {
                try await defaultPlan(in: collection.name, isSystem: isSystem)
            }
        let encryption = try plan.encryption(of: id)
        var intake = try Intake(
            objects: self, storageClass: description.storageClass,
            collectionKey: await keyring.key(ofCollection: collection.id), second: try plan.second(), version: id,
            part: 0, expectations: expectations)
        var stored: StoredBytes
        var tags = description.tags
        if let screen = try await screen(for: collection, key: key) {
            do {
                stored = try await intake.store(ScreenedBody(base: body, screen: screen))
            } catch {
                screen.abort()
                throw error
            }
            do {
                tags.append(try await screen.finish(size: stored.size))
            } catch {
                if case .blob(let place) = stored.place { await discard(place, after: error) }
                throw error
            }
        } else {
            stored = try await intake.store(body)
        }
        stored.hideDigests(for: encryption)
        var version = ObjectVersion(
            id: id, collection: collection.id, key: key, created: .now, size: stored.size, etag: Hex.encode(stored.md5),
            digest: stored.digest, contentType: description.contentType,
            headers: description.headers,
            checksum: stored.checksum.map {
                ObjectChecksum(algorithm: $0.algorithm, value: Base64.encode($0.value), kind: .fullObject)
            },
            partCount: 0, tags: tags, retention: description.retention,
            hasLegalHold: description.hasLegalHold, acl: description.acl, encryption: encryption,
            storageClass: description.storageClass,
            storage: .inline(sealedKey: stored.sealedKey))
        var inline: [UInt8]?
        switch stored.place {
        case .inline(let bytes): inline = bytes
        case .blob(let place): version.storage = .blob(place.id, sealedKey: stored.sealedKey)
        }
        do {
            return try await publish(
                version, inline: inline, in: collection, by: actor, as: operation, holding: locks, for: transaction,
                condition: condition)
        } catch {
            if case .blob(let place) = stored.place { await discard(place, after: error) }
            throw error
        }
    }

    /// Makes a version the current one of its key, or holds it ready for a transaction that is to do so.
    func publish(
        _ version: ObjectVersion, inline: [UInt8]?, in collection: Collection, by actor: String,
        as operation: WriteOperation, holding locks: Set<String> = [], for id: TransactionID? = nil,
        condition: @escaping WriteCondition,
        alongside: @escaping @Sendable (Transaction, CollectionState) throws -> Void = { _, _ in }
    ) async throws -> ObjectVersion {
        do {
            return try await journal.write { transaction, events in
                if let id {
                    return try Self.stage(
                        version, inline: inline, for: id, condition: condition, alongside: alongside, in: transaction)
                }
                try Self.lock(version.key, of: collection.id, in: transaction)
                let latest = try Self.latest(collection: collection.id, key: version.key, in: transaction)
                let object = latest.flatMap { $0.isDeleteMarker ? nil : $0 }
                try condition(object)
                let state = try CollectionState(of: collection.id, in: transaction)
                try Self.checkWritable(
                    version.key, of: collection.id, state, isMember: object != nil, by: actor, holding: locks,
                    in: transaction)
                try alongside(transaction, state)
                var version = version
                version.object = object?.object ?? 0
                version.isNull = try Self.displace(
                    latest, collection: collection.id, key: version.key, state, in: transaction)
                try Self.insert(&version, inline: inline, state, in: transaction)
                Self.record(version, in: collection, by: actor, as: operation, &events)
                return version
            }
        } catch let error as DatabaseError {
            throw readable(error, collection: collection.name)
        } catch let error as ObjectsError where error.code == .noSuchCollection {
            collectionCache[collection.name] = nil
            throw error
        }
    }

    static func record(
        _ version: ObjectVersion, in collection: Collection, by actor: String, as operation: WriteOperation = .put,
        movedFrom source: String? = nil, _ events: inout EventRecorder
    ) {
        events.record(.objectPut, by: actor, on: "\(collection.name)/\(version.key)", collection: collection.id) {
            $0.member("version", version.id.text)
            // Clients call others `null`.
            if !version.isNull { $0.member("versioned", true) }
            $0.member("size", version.size)
            $0.member("etag", version.etag)
            if let digest = version.digest { $0.member("blake3", Hex.encode(digest)) }
            if version.storageClass != .standard { $0.member("storageClass", version.storageClass.rawValue) }
            if operation != .put { $0.member("operation", operation.rawValue) }
            if let source { $0.member("movedFrom", source) }
        }
    }

    /// Two writers of one key come one after the other, and none at the same time as somebody who changes a tree.
    static func lock(_ key: String, of collection: Int64, in transaction: Transaction) throws {
        try transaction.lock(treeLockName(collection), isShared: true)
        try transaction.lock(lockName(collection, key))
    }

    static func lockName(_ collection: Int64, _ key: String) -> String { "object \(collection)/\(key)" }

    static func treeLockName(_ collection: Int64) -> String { "tree \(collection)" }

    /// The database's errors in this part's words.
    func readable(_ error: DatabaseError, collection: String) -> any Error {
        switch error.code {
        case .constraint(.foreignKey):
            collectionCache[collection] = nil
            return ObjectsError.noSuchCollection(collection)
        case .full: return ObjectsError(.storageFull, "the metadata store is full: nothing was stored")
        default: return error
        }
    }

    /// Removes a blob whose row did not commit. If nobody knows whether it did, the blob stays: the Janitor finds out
    /// later.
    func discard(_ place: BlobPlace, after error: any Error) async {
        if let error = error as? DatabaseError, error.code == .commitUnknown { return }
        try? await store(of: place.storageClass).delete(place.id)
    }

    /// What the node keeps for itself beside a collection's objects, such as previews, lies below this prefix. Clients
    /// may read there but neither write nor see it in a listing, unless they ask for exactly that prefix.
    package static let systemPrefix = ".martlet/"

    /// - Parameter present: those that the object has.
    /// - Throws: ``ObjectsError`` `.invalidTag` for tags that a client may not give.
    static func check(tags: [HeaderField], present: [HeaderField] = []) throws {
        for tag in tags where tag.name.hasPrefix(systemTagPrefix) && !present.contains(tag) {
            throw ObjectsError(.invalidTag, "tags that begin with '\(systemTagPrefix)' are the node's own")
        }
    }

    /// Checks what a client gives as a key and as headers.
    package static func check(key: String, _ description: ObjectDescription = ObjectDescription()) throws {
        guard !key.isEmpty else { throw ObjectsError(.invalidKey, "the key is empty") }
        guard key.utf8.count <= Limits.keyBytesMax else {
            throw ObjectsError(
                .keyTooLong, "the key has \(key.utf8.count) bytes; at most \(Limits.keyBytesMax) are allowed")
        }
        guard !key.utf8.contains(0) else { throw ObjectsError(.invalidKey, "the key contains a NUL character") }
        // Every object is a file of the WebDAV face too, where these segments would mean another place.
        guard !key.hasPrefix(systemPrefix) else {
            throw ObjectsError(.invalidKey, "keys that begin with '\(systemPrefix)' are the node's own")
        }
        guard !key.split(separator: "/").contains(where: { $0 == "." || $0 == ".." }) else {
            throw ObjectsError(.invalidKey, "the key has a segment '.' or '..', which no file can be called")
        }
        try check(tags: description.tags)
        let user = description.headers.filter { $0.name.hasPrefix(Limits.userPrefix) }
        let userBytes = user.reduce(0) { $0 + $1.name.utf8.count - Limits.userPrefix.utf8.count + $1.value.utf8.count }
        guard userBytes <= Limits.userMetadataBytesMax else {
            throw ObjectsError(
                .headersTooLarge,
                "the user metadata has \(userBytes) bytes; at most \(Limits.userMetadataBytesMax) are allowed")
        }
        let bytes = description.headers.reduce(description.contentType.utf8.count) {
            $0 + $1.name.utf8.count + $1.value.utf8.count
        }
        guard bytes <= Limits.headerBytesMax else {
            throw ObjectsError(
                .headersTooLarge,
                "the object's headers have \(bytes) bytes; at most \(Limits.headerBytesMax) are allowed")
        }
    }
}
