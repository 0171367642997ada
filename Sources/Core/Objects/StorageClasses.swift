package import Blobs
package import BucketConfiguration
import Database
package import Journal
import NIOCore
import Wire

extension EventKind {
    /// The bytes of a version went to another storage class.
    package static let objectTransitioned = EventKind("object.transitioned")
}

/// Where a blob is.
struct BlobPlace: Sendable, Hashable {
    var id: BlobID
    var storageClass: StorageClass
}

extension StorageClass {
    /// As it stands in tables: most are in the first store, and say nothing.
    var stored: String? { self == .standard ? nil : rawValue }

    init(stored: String?) { self = stored.flatMap(StorageClass.init(rawValue:)) ?? .standard }
}

/// The blob stores of a node: one for each storage class.
package struct BlobStores: Sendable {
    package var standard: any BlobStore
    /// Of the classes besides `STANDARD`.
    package var others: [StorageClass: any BlobStore]

    package init(standard: any BlobStore, others: [StorageClass: any BlobStore] = [:]) {
        self.standard = standard
        self.others = others
    }

    /// The classes whose store is as asked for.
    package func classes(where isWanted: (any BlobStore) -> Bool) -> Set<StorageClass> {
        Set(others.filter { isWanted($0.value) }.keys).union(isWanted(standard) ? [.standard] : [])
    }

    package func close() async {
        for store in others.values { await store.close() }
        await standard.close()
    }
}

// Every storage class is a blob store of its own. What is small enough for the metadata store stays there, whatever its
// class.
extension Objects {
    /// The classes that there are, `STANDARD` first.
    package var storageClasses: [StorageClass] {
        [.standard] + stores.others.keys.sorted { $0.rawValue < $1.rawValue }
    }

    /// Checks that new objects can be of a class.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchStorageClass`.
    package func check(_ storageClass: StorageClass) throws {
        guard storageClass == .standard || stores.others[storageClass] != nil else {
            let names = storageClasses.map(\.rawValue).joined(separator: ", ")
            throw ObjectsError(
                .noSuchStorageClass, "there is no storage class '\(storageClass.rawValue)' here, but \(names)")
        }
    }

    /// The store in which the blobs of a class are.
    ///
    /// - Throws: ``ObjectsError`` `.storeMissing` where the class was taken out of the node's settings.
    func store(of storageClass: StorageClass) throws -> any BlobStore {
        if storageClass == .standard { return stores.standard }
        guard let store = stores.others[storageClass] else {
            throw ObjectsError(
                .storeMissing, "the node does not have the store of the storage class '\(storageClass.rawValue)' now")
        }
        return store
    }

    /// Bytes copied at once.
    private static let transferPiece: Int64 = 1 << 20

    /// Copies sealed bytes as they are into the store of another class. When it returns they are durable there.
    ///
    /// - Parameter whileMoving: called between pieces; what it throws ends the copy.
    func transfer(
        _ place: BlobPlace, to storageClass: StorageClass, whileMoving: () async throws -> Void = {}
    ) async throws -> BlobPlace {
        let copy = BlobPlace(id: .random(), storageClass: storageClass)
        let target = try store(of: storageClass)
        do {
            let reader = try await store(of: place.storageClass).open(place.id)
            let writer = try await target.create(copy.id)
            do {
                var position: Int64 = 0
                while position < reader.size {
                    let end = min(position + Self.transferPiece, reader.size)
                    try await writer.write(reader.read(position..<end))
                    position = end
                    try await whileMoving()
                }
                try await writer.finish()
                await reader.close()
            } catch {
                await writer.abort()
                await reader.close()
                throw error
            }
        } catch let error as BlobError {
            switch error.code {
            case .full:
                throw ObjectsError(.storageFull, "the store of \(storageClass.rawValue) is full: nothing was moved")
            case .notFound, .damaged: throw ObjectsError(.damaged, "a stored blob is missing or was altered: \(error)")
            default: throw ObjectsError(.unavailable, "a blob cannot be moved to \(storageClass.rawValue): \(error)")
            }
        }
        return copy
    }

    /// Moves the bytes of a version to another storage class. Readers do not notice: its key, name and times stay.
    ///
    /// First the bytes are durable in their new place, then one transaction says that they are there and makes the old
    /// ones garbage: a crash leaves a blob without a row, which the Janitor removes.
    ///
    /// - Parameters:
    ///   - rule: the lifecycle rule by which it is moved.
    ///   - whileMoving: called now and then; what it throws ends the move.
    /// - Returns: false where the version has gone, or is of that class.
    package func move(
        version number: Int64, to storageClass: StorageClass, rule: String? = nil, by actor: String,
        whileMoving: () async throws -> Void = {}
    ) async throws -> Bool {
        try check(storageClass)
        let found = try await journal.find { reader in
            try reader.first(
                "SELECT \(Self.columns) FROM versions WHERE number = ? AND removed IS NULL", .init(number),
                map: Self.version)
        }
        guard let found, !found.isDeleteMarker, found.storageClass != storageClass,
            let collection = try await collection(id: found.collection)
        else { return false }
        try checkRoom()
        switch found.storage {
        case .inline: break
        case .blob(let blob, _):
            let old = BlobPlace(id: blob, storageClass: found.storageClass)
            let new = try await transfer(old, to: storageClass, whileMoving: whileMoving)
            return try await settle(new) { [found] transaction, events in
                try Self.lock(found.key, of: collection.id, in: transaction)
                let count = try transaction.execute(
                    "UPDATE versions SET blob = ?, store = ? WHERE number = ? AND blob = ?", .init(new.id.bytes),
                    .init(storageClass.stored), .init(number), .init(old.id.bytes))
                guard count == 1 else { return false }
                try Self.release([old], in: transaction)
                Self.recordMove(of: found, to: storageClass, in: collection, rule: rule, by: actor, &events)
                return true
            }
        case .parts:
            try await moveParts(of: found, to: storageClass, whileMoving: whileMoving)
        }
        return try await journal.write { [found] transaction, events in
            try Self.lock(found.key, of: collection.id, in: transaction)
            let count = try transaction.execute(
                "UPDATE versions SET store = ? WHERE number = ? AND removed IS NULL", .init(storageClass.stored),
                .init(number))
            guard count == 1 else { return false }
            Self.recordMove(of: found, to: storageClass, in: collection, rule: rule, by: actor, &events)
            return true
        }
    }

    /// Part by part: each says itself where it is, so that a move that was ended goes on where it was.
    private func moveParts(
        of version: ObjectVersion, to storageClass: StorageClass, whileMoving: () async throws -> Void
    ) async throws {
        let parts = try await journal.read { try PartRow.all(version: version.id, in: $0) }
        for part in parts where part.place.storageClass != storageClass {
            let new = try await transfer(part.place, to: storageClass, whileMoving: whileMoving)
            _ = try await settle(new) { transaction, _ in
                try Self.lock(version.key, of: version.collection, in: transaction)
                let count = try transaction.execute(
                    "UPDATE parts SET blob = ?, store = ? WHERE version = ? AND number = ? AND blob = ?",
                    .init(new.id.bytes), .init(storageClass.stored), .init(id: version.id), .init(part.number),
                    .init(part.place.id.bytes))
                if count == 1 { try Self.release([part.place], in: transaction) }
                return count == 1
            }
        }
    }

    /// Says in one transaction that a blob is in its new place; where that is not so, the new blob is given up.
    private func settle(
        _ place: BlobPlace, _ body: @escaping @Sendable (Transaction, inout EventRecorder) throws -> Bool
    ) async throws -> Bool {
        do {
            let isSettled = try await journal.write(body)
            if !isSettled { try? await store(of: place.storageClass).delete(place.id) }
            return isSettled
        } catch {
            await discard(place, after: error)
            throw error
        }
    }

    private static func recordMove(
        of version: ObjectVersion, to storageClass: StorageClass, in collection: Collection, rule: String?,
        by actor: String, _ events: inout EventRecorder
    ) {
        events.record(
            .objectTransitioned, by: actor, on: "\(collection.name)/\(version.key)", collection: collection.id
        ) {
            $0.member("version", version.id.text)
            if !version.isNull { $0.member("versioned", true) }
            $0.member("size", version.size)
            $0.member("etag", version.etag)
            $0.member("storageClass", storageClass.rawValue)
            if let rule { $0.member("rule", rule) }
        }
    }

    /// Makes garbage of blobs that no row names any more.
    static func release(_ places: [BlobPlace], in transaction: Transaction) throws {
        for place in places {
            try transaction.run(
                """
                INSERT INTO garbage (blob, since, store) SELECT ?, CAST(? AS BIGINT), CAST(? AS TEXT)
                WHERE NOT EXISTS (SELECT 1 FROM versions WHERE blob = ?)
                AND NOT EXISTS (SELECT 1 FROM parts WHERE blob = ?) ON CONFLICT DO NOTHING
                """,
                .init(place.id.bytes), .init(Timestamp.now.microseconds), .init(place.storageClass.stored),
                .init(place.id.bytes), .init(place.id.bytes))
        }
    }
}
