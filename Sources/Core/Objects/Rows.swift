import Blobs
import Database
import Wire

// How versions stand in their table.
extension Objects {
    static let columns = """
        id, collection, key, tid, created, size, etag, digest, content_type, headers, checksum_algorithm, checksum,
        checksum_kind, part_count, blob, sealed_key
        """

    static func version(_ row: borrowing Row) throws -> ObjectVersion {
        let storage: ObjectVersion.Storage
        if let blob = row.blobOrNil(14) {
            storage = .blob(try BlobID(bytes: blob), sealedKey: row.blob(15))
        } else if let key = row.blobOrNil(15) {
            storage = .inline(sealedKey: key)
        } else {
            storage = .parts
        }
        return ObjectVersion(
            id: VersionID(stored: row.blob(0)), collection: row.int(1), key: row.text(2), tid: row.int(3),
            created: Timestamp(microseconds: row.int(4)), size: row.int(5), etag: row.text(6), digest: row.blobOrNil(7),
            contentType: row.text(8), headers: headers(row.textOrNil(9)),
            checksum: checksum(algorithm: row.textOrNil(10), value: row.textOrNil(11), kind: row.textOrNil(12)),
            partCount: Int(row.int(13)), storage: storage)
    }

    static func current(collection: Int64, key: String, in reader: Reader) throws -> ObjectVersion? {
        try reader.first(
            "SELECT \(columns) FROM versions WHERE collection = ? AND key = ? AND ended IS NULL", .init(collection),
            .init(key),
            map: version)
    }

    static func insert(_ version: ObjectVersion, inline: [UInt8]?, in transaction: Transaction) throws {
        var blob: SQLValue = .null
        var sealedKey: SQLValue = .null
        switch version.storage {
        case .inline(let key): sealedKey = .init(key)
        case .blob(let id, let key): (blob, sealedKey) = (.init(id.bytes), .init(key))
        case .parts: break
        }
        try transaction.run(
            """
            INSERT INTO versions (\(columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            .init(version.id.bytes), .init(version.collection), .init(version.key), .init(version.tid),
            .init(version.created.microseconds), .init(version.size), .init(version.etag), .init(version.digest),
            .init(version.contentType), .init(text(version.headers)), .init(version.checksum?.algorithm.rawValue),
            .init(version.checksum?.value), .init(version.checksum?.kind.rawValue), .init(version.partCount), blob,
            sealedKey)
        if let inline {
            try transaction.run(
                "INSERT INTO inline_bytes (version, bytes) VALUES (?, ?)", .init(version.id.bytes), .init(inline))
        }
    }

    /// The version is not the current one any more; the Janitor removes it when its time has come.
    static func end(_ id: VersionID, at tid: Int64, in transaction: Transaction) throws {
        try transaction.run(
            "UPDATE versions SET ended = ?, ended_at = ? WHERE id = ?", .init(tid), .init(Timestamp.now.microseconds),
            .init(id.bytes))
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
