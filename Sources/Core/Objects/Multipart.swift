import Blobs
import BucketConfiguration
import Ciphers
import Database
package import Journal
package import NIOCore
package import Wire

extension EventKind {
    package static let uploadCreated = EventKind("upload.created")
    package static let uploadAborted = EventKind("upload.aborted")
}

/// A multipart upload that is under way.
package struct Upload: Sendable {
    /// Becomes the id of the version.
    package var id: VersionID
    package var key: String
    package var created: Timestamp
    package var initiator: String
    package var checksum: (algorithm: ChecksumAlgorithm, kind: ObjectChecksum.Kind)?
    package var encryption = ObjectEncryption.collection
    package var description: ObjectDescription
}

/// One part of an upload, as clients see it.
package struct Part: Sendable {
    package var number: Int
    package var size: Int64
    package var etag: String
    package var created: Timestamp
    /// Base64, of the upload's algorithm.
    package var checksum: String?
}

/// A part as it is named when an upload is completed.
package struct PartReference: Sendable {
    package var number: Int
    package var etag: String
    package var checksum: String?

    package init(number: Int, etag: String, checksum: String?) {
        self.number = number
        self.etag = etag
        self.checksum = checksum
    }
}

extension Objects {
    /// Begins a multipart upload.
    package func createUpload(
        collection name: String, key: String, description: ObjectDescription,
        checksum: (algorithm: ChecksumAlgorithm, kind: ObjectChecksum.Kind)?, by actor: String
    ) async throws -> Upload {
        try Self.check(key: key, description)
        try check(description.storageClass)
        let collection = try await collection(name)
        let description = try await locked(description, in: collection)
        let plan =
            if let plan = description.encryption { plan } else { try await defaultPlan(in: collection.name) }
        let id = VersionID()
        let upload = Upload(
            id: id, key: key, created: .now, initiator: actor, checksum: checksum,
            encryption: try plan.encryption(of: id), description: description)
        let encryption = upload.encryption.stored
        do {
            try await journal.write { transaction, events in
                try transaction.run(
                    """
                    INSERT INTO uploads (id, collection, key, created, initiator, content_type, headers, checksum_algorithm,
                    checksum_kind, tags, lock_mode, lock_until, legal_hold, acl, kms_key, encryption, store)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                    .init(upload.id.bytes), .init(collection.id), .init(key), .init(upload.created.microseconds),
                    .init(actor), .init(description.contentType), .init(Self.text(description.headers)),
                    .init(checksum?.algorithm.rawValue), .init(checksum?.kind.rawValue),
                    .init(Self.text(description.tags)), .init(description.retention?.mode.rawValue),
                    .init(description.retention?.until.microseconds), .init(description.hasLegalHold ? 1 : nil),
                    .init(Self.text(description.acl)), .init(encryption.key), .init(encryption.text),
                    .init(description.storageClass.stored))
                events.record(.uploadCreated, by: actor, on: "\(name)/\(key)", collection: collection.id) {
                    $0.member("upload", upload.id.text)
                }
            }
        } catch let error as DatabaseError {
            throw readable(error, collection: name)
        }
        return upload
    }

    /// An upload under way.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchUpload`.
    package func upload(collection name: String, key: String, id: String) async throws -> Upload {
        let collection = try await collection(name)
        guard let version = VersionID(id) else { throw ObjectsError.noSuchUpload(id) }
        let found = try await journal.find { try Self.upload(version, collection: collection.id, key: key, in: $0) }
        guard let found else { throw ObjectsError.noSuchUpload(id) }
        return found
    }

    private static let uploadColumns =
        """
        id, key, created, initiator, content_type, headers, checksum_algorithm, checksum_kind, tags, lock_mode,
        lock_until, legal_hold, acl, kms_key, encryption, store
        """

    static func upload(_ id: VersionID, collection: Int64, key: String, in reader: Reader) throws -> Upload? {
        try reader.first(
            "SELECT \(uploadColumns) FROM uploads WHERE id = ? AND collection = ? AND key = ?", .init(id.bytes),
            .init(collection), .init(key), map: upload)
    }

    private static func upload(_ row: borrowing Row) throws -> Upload {
        var description = ObjectDescription()
        description.contentType = row.text(4)
        description.headers = headers(row.textOrNil(5))
        description.tags = headers(row.textOrNil(8))
        description.retention = retention(mode: row.textOrNil(9), until: row.intOrNil(10))
        description.hasLegalHold = row.bool(11)
        description.acl = acl(row.textOrNil(12))
        description.storageClass = StorageClass(stored: row.textOrNil(15))
        let algorithm = row.textOrNil(6).flatMap(ChecksumAlgorithm.init(rawValue:))
        let kind = row.textOrNil(7).flatMap(ObjectChecksum.Kind.init(rawValue:))
        return Upload(
            id: VersionID(stored: row.blob(0)), key: row.text(1), created: Timestamp(microseconds: row.int(2)),
            initiator: row.text(3), checksum: algorithm.flatMap { a in kind.map { (a, $0) } },
            encryption: try ObjectEncryption(key: row.textOrNil(13), text: row.textOrNil(14)), description: description)
    }

    /// Uploads under way, in the order of key and id.
    ///
    /// - Parameters:
    ///   - delimiter: keys that contain it after the prefix are rolled up; empty for none.
    ///   - after: begin after this key (or after the keys below it, if it is a common prefix of this listing).
    ///   - afterID: begin after this upload of the key `after`; nil for after all of them.
    ///   - limit: 0 to 1,000.
    package func uploads(
        collection name: String, prefix: String = "", delimiter: String = "", after: String = "",
        afterID: VersionID? = nil, limit: Int = 1000
    ) async throws -> UploadListing {
        let collection = try await collection(name)
        return try await journal.read { reader in
            var scan = ListScan<Upload>(prefix: prefix, delimiter: delimiter, after: after, limit: limit) {
                (key: $0.key, number: nil)
            }
            // Where a batch ended in the midst of a key's uploads, the next goes on behind that one.
            var lastID = afterID?.bytes ?? [UInt8](repeating: 255, count: 17)
            try scan.run { place, limit in
                let rows = try reader.rows(
                    """
                    SELECT \(Self.uploadColumns) FROM uploads
                    WHERE collection = ? AND key >= ? AND key < ? AND (key > ? OR id > ?) ORDER BY key, id LIMIT ?
                    """,
                    .init(collection.id), .init(place.key), .init(ListPlace.end(of: prefix)), .init(place.key),
                    .init(place.isInclusive ? [] : lastID), .init(limit), map: Self.upload)
                if let last = rows.last { lastID = last.id.bytes }
                return rows
            }
            return UploadListing(
                uploads: scan.entries, commonPrefixes: scan.commonPrefixes,
                next: scan.isCut ? (scan.last, scan.lastIsCommon ? nil : scan.entries.last?.id) : nil)
        }
    }

    /// Stores one part; a part of the same number is replaced.
    ///
    /// - Parameter unlock: what the upload was begun with: the customer's key, or the right to use a named one.
    package func putPart(
        _ upload: Upload, collection name: String, number: Int, unlock: ObjectUnlock = .none,
        expecting expectations: BodyExpectations, body: some AsyncSequence<ByteBuffer, any Error> & Sendable
    ) async throws -> Part {
        guard (1...Limits.partsMax).contains(number) else {
            throw ObjectsError(.invalidPartNumber, "a part's number is 1 to \(Limits.partsMax), not \(number)")
        }
        try expectations.checkLength()
        try checkRoom()
        let collection = try await collection(name)
        // The object counts when it is complete; a part that is larger than all that is left can never be part of one.
        var expectations = try await limited(expectations, key: upload.key, in: collection)
        if expectations.checksum == nil, let checksum = upload.checksum {
            expectations.checksum = (checksum.algorithm, nil)
        }
        var intake = try Intake(
            objects: self, storageClass: upload.description.storageClass,
            collectionKey: await keyring.key(ofCollection: collection.id),
            second: try await secondKey(upload.encryption, of: upload.id, unlock), version: upload.id, part: number,
            expectations: expectations)
        var stored = try await intake.store(body)
        stored.hideDigests(for: upload.encryption)
        guard case .blob(let place) = stored.place else {
            throw ObjectsError(.unavailable, "a part was not stored as a blob")
        }
        let row = PartRow(
            number: number, start: nil, size: stored.size, etag: Hex.encode(stored.md5), created: .now,
            checksum: stored.checksum.map { Base64.encode($0.value) }, place: place, sealedKey: stored.sealedKey)
        do {
            try await journal.database.write { transaction in
                try transaction.lock("upload \(upload.id.text)")
                guard try Self.upload(upload.id, collection: collection.id, key: upload.key, in: transaction) != nil
                else {
                    throw ObjectsError.noSuchUpload(upload.id.text)
                }
                let state = try CollectionState(of: collection.id, in: transaction)
                try transaction.run(
                    "INSERT INTO garbage (blob, since, store) SELECT blob, CAST(? AS BIGINT), store FROM parts WHERE version = ? AND number = ?",
                    .init(Timestamp.now.microseconds), .init(upload.id.bytes), .init(number))
                try transaction.run(
                    "DELETE FROM parts WHERE version = ? AND number = ?", .init(upload.id.bytes), .init(number))
                try row.insert(version: upload.id, state, in: transaction)
            }
        } catch {
            await discard(place, after: error)
            throw error
        }
        return row.part
    }

    /// Parts that have come, in the order of their numbers.
    package func parts(_ upload: Upload, after number: Int = 0, limit: Int = 1000) async throws -> [Part] {
        try await journal.read { try PartRow.all(version: upload.id, after: number, limit: limit, in: $0).map(\.part) }
    }

    /// The parts that an object was uploaded in, with where each begins; none where it was not.
    package func parts(
        of version: ObjectVersion, after number: Int = 0, limit: Int = 1000
    ) async throws -> [(part: Part, start: Int64)] {
        guard case .parts = version.storage else { return [] }
        return try await journal.find {
            try PartRow.all(version: version.id, after: number, limit: limit, in: $0).map { ($0.part, $0.start ?? 0) }
        }
    }

    /// Makes an object of the named parts. No bytes are moved: the upload's id becomes the version's.
    ///
    /// - Parameters:
    ///   - checksum: of the whole object, where the client gave one: base64.
    ///   - customerKey: with it also what is under that key is scanned, where infected objects are refused.
    /// - Throws: ``ObjectsError`` `.noSuchUpload`, `.invalidPart`, `.invalidPartOrder`, `.partTooSmall`,
    ///   `.badChecksum`, `.infected`.
    package func completeUpload(
        collection name: String, key: String, id: String, parts references: [PartReference], checksum: String?,
        size: Int64?, customerKey: CustomerKey? = nil,
        by actor: String, holding locks: Set<String> = [], in transactionID: TransactionID? = nil,
        condition: @escaping WriteCondition = { _ in }
    ) async throws -> ObjectVersion {
        let collection = try await collection(name)
        guard let versionID = VersionID(id) else { throw ObjectsError.noSuchUpload(id) }
        let tag = try await screened(references, of: versionID, key: key, customerKey, in: collection)
        return try await journal.write { transaction, events in
            try transaction.lock("upload \(id)")
            let place: WritePlace
            if let transactionID {
                try transaction.lock(Self.lockName(transactionID))
                place = .staged(
                    try StagedPlace(transactionID, collection: collection.id, key: key, in: transaction))
            } else {
                try Self.lock(key, of: collection.id, in: transaction)
                place = .latest(try Self.latest(collection: collection.id, key: key, in: transaction))
            }
            let object = place.object
            guard let upload = try Self.upload(versionID, collection: collection.id, key: key, in: transaction) else {
                // A client that lost the answer asks again.
                if let object, object.id == versionID { return object }
                throw ObjectsError.noSuchUpload(id)
            }
            try condition(object)
            let state = try CollectionState(of: collection.id, in: transaction)
            let rows = try PartRow.all(version: versionID, in: transaction)
            let assembly = try Assembly(upload: upload, stored: rows, references: references)
            try assembly.check(checksum: checksum, size: size)
            var version = ObjectVersion(
                id: versionID, collection: collection.id, key: key, created: .now, size: assembly.size,
                etag: assembly.etag, digest: nil, contentType: upload.description.contentType,
                headers: upload.description.headers, checksum: assembly.checksum, partCount: assembly.parts.count,
                tags: upload.description.tags + (tag.map { [$0] } ?? []), retention: upload.description.retention,
                hasLegalHold: upload.description.hasLegalHold, acl: upload.description.acl,
                encryption: upload.encryption, storageClass: upload.description.storageClass, storage: .parts,
                object: object?.object ?? 0)
            switch place {
            case .staged(let place):
                version.isNull = state.versioning(of: key) != .enabled
                try Self.insert(&version, inline: nil, state, isStaged: true, in: transaction)
                try place.take(version.number, in: transaction)
            case .latest(let latest):
                try Self.checkWritable(
                    key, of: collection.id, state, isMember: object != nil, by: actor, holding: locks, in: transaction)
                version.isNull = try Self.displace(latest, collection: collection.id, key: key, state, in: transaction)
                try Self.insert(&version, inline: nil, state, in: transaction)
                Self.record(version, in: collection, by: actor, as: .completeUpload, &events)
            }
            try Self.settleParts(of: versionID, rows, assembly, in: transaction)
            return version
        }
    }

    /// Has the parts that are named scanned, where that comes first.
    private func screened(
        _ references: [PartReference], of id: VersionID, key: String, _ customerKey: CustomerKey?,
        in collection: Collection
    ) async throws -> HeaderField? {
        guard screening != nil, try await scanPolicy(of: collection.name).policy == .refuse else { return nil }
        let (upload, stored) = try await journal.read { reader in
            (
                try Self.upload(id, collection: collection.id, key: key, in: reader),
                try PartRow.all(version: id, in: reader)
            )
        }
        let etags = Dictionary(references.map { ($0.number, $0.etag) }, uniquingKeysWith: { $1 })
        // Whether they are the right ones is checked in the transaction; what cannot be completed is not scanned.
        let parts = stored.filter { etags[$0.number] == $0.etag }
        guard let upload, parts.count == references.count else { return nil }
        return try await screen(parts: parts, of: upload, customerKey, in: collection)
    }

    /// Where an upload's object goes: in place of what is there, or into a transaction.
    private enum WritePlace {
        case latest(ObjectVersion?)
        case staged(StagedPlace)

        /// What is there for whoever writes.
        var object: ObjectVersion? {
            switch self {
            case .latest(let latest): latest.flatMap { $0.isDeleteMarker ? nil : $0 }
            case .staged(let place): place.object
            }
        }
    }

    /// The parts that an object is made of get their places in it; the others go, and the upload with them.
    private static func settleParts(
        of version: VersionID, _ rows: [PartRow], _ assembly: Assembly, in transaction: Transaction
    ) throws {
        let used = Set(assembly.parts.map(\.number))
        for row in rows where !used.contains(row.number) {
            try makeGarbage(row.place, in: transaction)
            try transaction.run(
                "DELETE FROM parts WHERE version = ? AND number = ?", .init(id: version), .init(row.number))
        }
        for part in assembly.parts {
            try transaction.run(
                "UPDATE parts SET start = ? WHERE version = ? AND number = ?", .init(part.start), .init(id: version),
                .init(part.number))
        }
        try transaction.run("DELETE FROM uploads WHERE id = ?", .init(id: version))
    }

    /// Ends an upload and gives its parts up.
    package func abortUpload(collection name: String, key: String, id: String, by actor: String) async throws {
        let collection = try await collection(name)
        guard let version = VersionID(id) else { throw ObjectsError.noSuchUpload(id) }
        try await journal.write { transaction, events in
            try transaction.lock("upload \(id)")
            guard try Self.upload(version, collection: collection.id, key: key, in: transaction) != nil else {
                throw ObjectsError.noSuchUpload(id)
            }
            try Self.discard(upload: version, in: transaction)
            events.record(.uploadAborted, by: actor, on: "\(name)/\(key)", collection: collection.id) {
                $0.member("upload", id)
            }
        }
    }

    private static func makeGarbage(_ place: BlobPlace, in transaction: Transaction) throws {
        try transaction.run(
            "INSERT INTO garbage (blob, since, store) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", .init(place.id.bytes),
            .init(Timestamp.now.microseconds), .init(place.storageClass.stored))
    }

    static func discard(upload id: VersionID, in transaction: Transaction) throws {
        for row in try PartRow.all(version: id, in: transaction) { try makeGarbage(row.place, in: transaction) }
        try transaction.run("DELETE FROM parts WHERE version = ?", .init(id: id))
        try transaction.run("DELETE FROM uploads WHERE id = ?", .init(id: id))
    }

    static func discardUploads(collection: Int64, in transaction: Transaction) throws {
        let ids = try transaction.rows("SELECT id FROM uploads WHERE collection = ?", .init(collection)) {
            VersionID(stored: $0.blob(0))
        }
        for id in ids { try discard(upload: id, in: transaction) }
    }
}

extension SQLValue {
    init(id: VersionID) { self.init(id.bytes) }
}
