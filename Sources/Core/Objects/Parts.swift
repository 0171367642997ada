import Blobs
import Ciphers
import Database
import Wire

/// A row of `parts`.
struct PartRow: Sendable {
    var number: Int
    /// Where it begins in the object; nil until the upload is complete.
    var start: Int64?
    var size: Int64
    var etag: String
    var created: Timestamp
    var checksum: String?
    var blob: BlobID
    var sealedKey: [UInt8]

    var part: Part { Part(number: number, size: size, etag: etag, created: created, checksum: checksum) }

    static func all(
        version: VersionID, after number: Int = 0, limit: Int = Limits.partsMax, in reader: Reader
    ) throws -> [PartRow] {
        try reader.rows(
            """
            SELECT number, start, size, etag, created, checksum, blob, sealed_key FROM parts
            WHERE version = ? AND number > ? ORDER BY number LIMIT ?
            """,
            .init(id: version), .init(number), .init(limit)
        ) { row in
            PartRow(
                number: Int(row.int(0)), start: row.intOrNil(1), size: row.int(2), etag: row.text(3),
                created: Timestamp(microseconds: row.int(4)), checksum: row.textOrNil(5),
                blob: try BlobID(bytes: row.blob(6)), sealedKey: row.blob(7))
        }
    }

    /// - Throws: as ``CollectionState/check(sealedKey:)``.
    func insert(version: VersionID, _ state: CollectionState, in transaction: Transaction) throws {
        try state.check(sealedKey: sealedKey)
        try transaction.run(
            """
            INSERT INTO parts (version, number, start, size, etag, created, checksum, blob, sealed_key)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            .init(id: version), .init(number), .init(start), .init(size), .init(etag), .init(created.microseconds),
            .init(checksum), .init(blob.bytes), .init(sealedKey))
    }
}

/// What a completed upload amounts to.
struct Assembly {
    private(set) var parts: [PartRow] = []
    private(set) var size: Int64 = 0
    let etag: String
    private(set) var checksum: ObjectChecksum?

    /// Checks the parts that a client names against those that have come.
    init(upload: Upload, stored: [PartRow], references: [PartReference]) throws {
        guard !references.isEmpty else {
            throw ObjectsError(.invalidPart, "an upload is completed with at least one part")
        }
        let byNumber = Dictionary(stored.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
        var md5s: [UInt8] = []
        for (earlier, later) in zip(references, references.dropFirst()) where later.number <= earlier.number {
            throw ObjectsError(
                .invalidPartOrder,
                "part \(later.number) is listed after part \(earlier.number): the list is in rising order")
        }
        for (index, reference) in references.enumerated() {
            guard var row = byNumber[reference.number], row.etag == reference.etag else {
                throw ObjectsError(
                    .invalidPart,
                    "part \(reference.number) has not come, or not with the ETag '\(reference.etag.prefix(64))'")
            }
            if let expected = reference.checksum, expected != row.checksum {
                throw ObjectsError(
                    .invalidPart, "part \(reference.number) has another checksum than '\(expected.prefix(64))'")
            }
            guard index == references.count - 1 || row.size >= Limits.partBytesMin else {
                throw ObjectsError(
                    .partTooSmall,
                    "part \(reference.number) has \(row.size) bytes: all but the last have at least \(Limits.partBytesMin)"
                )
            }
            row.start = size
            size += row.size
            md5s += Hex.decode(row.etag) ?? []
            parts.append(row)
        }
        guard size <= Limits.multipartBytesMax else {
            throw ObjectsError(
                .tooLarge, "the object would have \(size) bytes; at most \(Limits.multipartBytesMax) are allowed")
        }
        etag = Hex.encode(DigestAlgorithm.md5.hash(md5s)) + "-\(parts.count)"
        checksum = upload.checksum.flatMap { Self.checksum($0.algorithm, $0.kind, parts) }
    }

    private static func checksum(
        _ algorithm: ChecksumAlgorithm, _ kind: ObjectChecksum.Kind, _ parts: [PartRow]
    ) -> ObjectChecksum? {
        let values = parts.compactMap { $0.checksum.flatMap { Base64.decode($0) } }
        guard values.count == parts.count, let first = values.first else { return nil }
        switch kind {
        case .composite:
            var stream = ChecksumStream(algorithm)
            values.flatMap { $0 }.withUnsafeBytes { stream.update($0) }
            return ObjectChecksum(
                algorithm: algorithm, value: Base64.encode(stream.finish()) + "-\(parts.count)", kind: .composite)
        case .fullObject:
            var whole = first
            for (value, part) in zip(values.dropFirst(), parts.dropFirst()) {
                guard let joined = algorithm.combine(whole, value, length: part.size) else { return nil }
                whole = joined
            }
            return ObjectChecksum(algorithm: algorithm, value: Base64.encode(whole), kind: .fullObject)
        }
    }

    /// Compares with what the client said of the whole.
    func check(checksum expected: String?, size expectedSize: Int64?) throws {
        if let expectedSize, expectedSize != size {
            throw ObjectsError(.incompleteBody, "the parts have \(size) bytes, not \(expectedSize)")
        }
        if let expected, let checksum, expected != checksum.value {
            throw ObjectsError(
                .badChecksum,
                "the object's \(checksum.algorithm.rawValue) is \(checksum.value), not \(expected.prefix(80))")
        }
    }
}
