import Blobs
import BucketConfiguration
import Database
import Wire

// How versions stand in their table.
extension Objects {
    static let columns = """
        number, id, collection, key, kind, is_null, current, created, size, etag, digest, content_type, headers,
        checksum_algorithm, checksum, checksum_kind, part_count, blob, sealed_key, tags, lock_mode,
        lock_until, legal_hold, acl, object, kms_key, encryption, quarantine
        """
    static let columnCount = 28

    static func version(_ row: borrowing Row) throws -> ObjectVersion {
        let storage: ObjectVersion.Storage
        if let blob = row.blobOrNil(17) {
            storage = .blob(try BlobID(bytes: blob), sealedKey: row.blob(18))
        } else if let key = row.blobOrNil(18) {
            storage = .inline(sealedKey: key)
        } else {
            storage = .parts
        }
        return ObjectVersion(
            id: VersionID(stored: row.blob(1)), collection: row.int(2), key: row.text(3), number: row.int(0),
            isDeleteMarker: row.int(4) != 0, isNull: row.bool(5), isCurrent: !row.isNull(6),
            created: Timestamp(microseconds: row.int(7)), size: row.int(8), etag: row.text(9),
            digest: row.blobOrNil(10), contentType: row.text(11), headers: headers(row.textOrNil(12)),
            checksum: checksum(algorithm: row.textOrNil(13), value: row.textOrNil(14), kind: row.textOrNil(15)),
            partCount: Int(row.int(16)), tags: headers(row.textOrNil(19)),
            retention: retention(mode: row.textOrNil(20), until: row.intOrNil(21)), hasLegalHold: row.bool(22),
            acl: acl(row.textOrNil(23)),
            encryption: try ObjectEncryption(key: row.textOrNil(25), text: row.textOrNil(26)),
            quarantine: Quarantine(stored: row.textOrNil(27)), storage: storage, object: row.int(24))
    }

    static func acl(_ text: String?) -> CannedACL { text.flatMap(CannedACL.init(rawValue:)) ?? .private }

    /// Most ACLs give nobody anything, and are not kept.
    static func text(_ acl: CannedACL) -> String? { acl.isPublic ? acl.rawValue : nil }

    static func retention(mode: String?, until: Int64?) -> ObjectRetention? {
        guard let mode = mode.flatMap(RetentionMode.init(rawValue:)), let until else { return nil }
        return ObjectRetention(mode: mode, until: Timestamp(microseconds: until))
    }

    /// The current object of a key; nil too where the last thing that happened to it is its deletion.
    static func current(collection: Int64, key: String, in reader: Reader) throws -> ObjectVersion? {
        try latest(collection: collection, key: key, in: reader).flatMap { $0.isDeleteMarker ? nil : $0 }
    }

    /// The current version of a key, be it an object or a delete marker.
    static func latest(collection: Int64, key: String, in reader: Reader) throws -> ObjectVersion? {
        try reader.first(
            "SELECT \(columns) FROM versions WHERE collection = ? AND key = ? AND current = 1", .init(collection),
            .init(key),
            map: version)
    }

    /// A version by the name that clients know; the current one for nil.
    static func version(_ name: String?, collection: Int64, key: String, in reader: Reader) throws -> ObjectVersion? {
        guard let name else { return try latest(collection: collection, key: key, in: reader) }
        return try named(name, collection: collection, key: key, in: reader)
    }

    /// A version by the name that clients know.
    static func named(_ name: String, collection: Int64, key: String, in reader: Reader) throws -> ObjectVersion? {
        let (condition, value) = try condition(named: name)
        return try reader.first(
            """
            SELECT \(columns) FROM versions WHERE collection = ? AND key = ? AND current = 1 AND \(condition)
            UNION ALL
            SELECT \(columns) FROM versions
            WHERE collection = ? AND key = ? AND current IS NULL AND removed IS NULL AND \(condition)
            """,
            .init(collection), .init(key), value, .init(collection), .init(key), value, map: version)
    }

    /// What holds of the version with a name, among those of its key.
    static func condition(named name: String) throws -> (sql: String, value: SQLValue) {
        if name == "null" { return ("is_null = ?", 1) }
        guard let id = VersionID(name) else {
            throw ObjectsError(.noSuchVersion, "'\(name.prefix(64))' is no version id")
        }
        return ("id = ?", .init(id: id))
    }

    /// Gives a version its place in history and stores it as the current one of its key.
    ///
    /// - Parameter isStaged: whether it is only held ready for a transaction, and not to be seen.
    /// - Throws: as ``CollectionState/check(sealedKey:)``.
    static func insert(
        _ version: inout ObjectVersion, inline: [UInt8]?, _ state: CollectionState, isStaged: Bool = false,
        in transaction: Transaction
    ) throws {
        if !isStaged { state.made(version) }
        version.number = try nextNumber(in: transaction)
        version.isCurrent = !isStaged
        if version.object == 0 { version.object = version.number }
        var blob: SQLValue = .null
        var sealedKey: SQLValue = .null
        switch version.storage {
        case .inline(let key): sealedKey = .init(key)
        case .blob(let id, let key): (blob, sealedKey) = (.init(id.bytes), .init(key))
        case .parts: break
        }
        if case .blob(let bytes) = sealedKey { try state.check(sealedKey: bytes) }
        let encryption = version.encryption.stored
        let marks = Array(repeating: "?", count: columnCount).joined(separator: ", ")
        try transaction.run(
            "INSERT INTO versions (\(columns), removed) VALUES (\(marks), ?)",
            .init(version.number), .init(id: version.id), .init(version.collection), .init(version.key),
            .init(version.isDeleteMarker), .init(version.isNull), isStaged ? .null : 1,
            .init(version.created.microseconds),
            .init(version.size), .init(version.etag), .init(version.digest), .init(version.contentType),
            .init(text(version.headers)), .init(version.checksum?.algorithm.rawValue), .init(version.checksum?.value),
            .init(version.checksum?.kind.rawValue), .init(version.partCount), blob, sealedKey,
            .init(text(version.tags)), .init(version.retention?.mode.rawValue),
            .init(version.retention?.until.microseconds), .init(version.hasLegalHold ? 1 : nil),
            .init(text(version.acl)), .init(version.object), .init(encryption.key), .init(encryption.text),
            .init(version.quarantine?.text), isStaged ? .init(neverThere) : .null)
        if let inline {
            try transaction.run(
                "INSERT INTO inline_bytes (version, bytes) VALUES (?, ?)", .init(version.number), .init(inline))
        }
    }

    static func nextNumber(in transaction: Transaction) throws -> Int64 {
        let ordinal = transaction.nextOrdinal()
        guard ordinal < 1 << ObjectVersion.ordinalBits else {
            throw ObjectsError(.tooLarge, "a transaction makes at most \(1 << ObjectVersion.ordinalBits) versions")
        }
        return try transaction.tid << ObjectVersion.ordinalBits | ordinal
    }

    /// Takes a version out of what clients see. The Janitor removes it when its time has come.
    static func remove(_ version: ObjectVersion, _ state: CollectionState, in transaction: Transaction) throws {
        state.removed(version)
        try transaction.run(
            "UPDATE versions SET current = NULL, removed = ?, removed_at = ? WHERE number = ?",
            .init(transaction.tid), .init(Timestamp.now.microseconds), .init(version.number))
    }

    /// Makes room for a new current version: what was there is kept or removed as the collection's versioning says.
    ///
    /// - Parameter state: of the collection, looked at inside the transaction that depends on it.
    /// - Returns: whether the new one is called `null`.
    static func displace(
        _ latest: ObjectVersion?, collection: Int64, key: String, _ state: CollectionState, in transaction: Transaction
    ) throws -> Bool {
        let versioning = state.versioning(of: key)
        if let latest {
            if versioning == .off || (versioning == .suspended && latest.isNull) {
                try remove(latest, state, in: transaction)
            } else {
                try transaction.run(
                    "UPDATE versions SET current = NULL, superseded = ? WHERE number = ?",
                    .init(Timestamp.now.microseconds), .init(latest.number))
            }
        }
        if versioning == .suspended, latest?.isNull != true {
            // A `null` version from before versioning was enabled may lie further down.
            let null = try transaction.first(
                """
                SELECT \(columns) FROM versions
                WHERE collection = ? AND key = ? AND current IS NULL AND removed IS NULL AND is_null = 1
                """,
                .init(collection), .init(key), map: version)
            if let null { try remove(null, state, in: transaction) }
        }
        return versioning != .enabled
    }

    static func checksum(algorithm: String?, value: String?, kind: String?) -> ObjectChecksum? {
        guard let algorithm = algorithm.flatMap(ChecksumAlgorithm.init(rawValue:)), let value,
            let kind = kind.flatMap(ObjectChecksum.Kind.init(rawValue:))
        else { return nil }
        return ObjectChecksum(algorithm: algorithm, value: value, kind: kind)
    }

    /// Headers as a JSON object; nil where there are none, as with most objects.
    static func text(_ headers: [HeaderField]) -> String? {
        guard !headers.isEmpty else { return nil }
        var json = JSONWriter()
        json.object { for header in headers { $0.member(header.name, header.value) } }
        return json.text
    }

    static func headers(_ text: String?) -> [HeaderField] {
        guard let text, let object = try? JSONValue(parsing: text).object else { return [] }
        return object.members.map { HeaderField(name: $0.name, value: $0.value.string ?? "") }
    }
}
