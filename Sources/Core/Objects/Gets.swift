import Blobs
import BucketConfiguration
import Ciphers
import Database
import Journal
package import NIOCore
import NIOPosix
import Wire

/// A version together with what is needed to read it without asking the database again.
package struct OpenObject: Sendable {
    package var version: ObjectVersion
    /// The sealed frames of a small object.
    var inline: [UInt8]?
    /// What its bytes are read with.
    package var unlock = ObjectUnlock.none
}

extension Objects {
    /// A version of a key.
    ///
    /// - Parameters:
    ///   - version: its name; nil for the current one.
    ///   - asOf: the TID whose state is read; nil for the present one.
    ///   - transaction: one whose own writes are to be seen.
    ///   - readable: whether it is looked up for its content, which one in quarantine does not give; tags and locks
    ///     of such a version can be seen.
    /// - Throws: ``ObjectsError`` `.noSuchCollection`, `.noSuchKey`, `.noSuchVersion`, `.quarantined`, or
    ///   `.methodNotAllowed` where the version is a delete marker; `PastError` for a state that cannot be read.
    package func head(
        collection name: String, key: String, version: String? = nil, asOf: Int64? = nil,
        in transaction: TransactionID? = nil, readable: Bool = true
    ) async throws -> ObjectVersion {
        if let transaction, version == nil, asOf == nil {
            return try await open(collection: name, key: key, in: transaction).version
        }
        let collection = try await collection(name)
        let found =
            if let asOf {
                try await past(asOf, of: collection) {
                    try Self.version(version, collection: collection.id, key: key, asOf: asOf, in: $0)
                }
            } else {
                try await journal.find { try Self.version(version, collection: collection.id, key: key, in: $0) }
            }
        let object = try Self.object(found, key: key, version: version)
        if readable { try Self.checkReadable(object) }
        return object
    }

    /// Whether there is an object.
    package func exists(collection: Int64, key: String) async throws -> Bool {
        try await journal.find { try Self.current(collection: collection, key: key, in: $0) != nil }
    }

    /// A version of a key, ready to be read: a small one comes with its bytes from the same query.
    ///
    /// - Parameters:
    ///   - version: its name; nil for the current one.
    ///   - asOf: the TID whose state is read; nil for the present one.
    ///   - transaction: one whose own writes are to be seen.
    /// - Throws: as ``head(collection:key:version:asOf:in:)``.
    package func open(
        collection name: String, key: String, version: String? = nil, asOf: Int64? = nil,
        in transaction: TransactionID? = nil
    ) async throws -> OpenObject {
        let collection = try await collection(name)
        let found =
            if let asOf {
                try await past(asOf, of: collection) { reader in
                    try Self.version(version, collection: collection.id, key: key, asOf: asOf, in: reader).map {
                        OpenObject(version: $0, inline: try Self.inline($0, in: reader))
                    }
                }
            } else if let transaction, version == nil {
                try await staged(key, in: collection, of: transaction)
            } else {
                try await present(version, of: key, in: collection)
            }
        _ = try Self.object(found?.version, key: key, version: version)
        guard let found else { throw ObjectsError.noSuchKey(key) }
        try Self.checkReadable(found.version)
        return found
    }

    private func present(_ version: String?, of key: String, in collection: Collection) async throws -> OpenObject? {
        try await journal.find { try Self.present(version, of: key, in: collection, $0) }
    }

    /// What a transaction has made of a key, or else what is there.
    private func staged(
        _ key: String, in collection: Collection, of id: TransactionID
    ) async throws -> OpenObject? {
        try await journal.find { reader in
            _ = try Self.transaction(id, in: reader)
            guard let row = try Self.stagedRow(of: id, collection: collection.id, key: key, in: reader) else {
                return try Self.present(nil, of: key, in: collection, reader)
            }
            return try row.number.flatMap { try Self.version(number: $0, in: reader) }.map {
                OpenObject(version: $0, inline: try Self.inline($0, in: reader))
            }
        }
    }

    private static func present(
        _ version: String?, of key: String, in collection: Collection, _ reader: Reader
    ) throws -> OpenObject? {
        if let version {
            let found = try Self.named(version, collection: collection.id, key: key, in: reader)
            return try found.map { OpenObject(version: $0, inline: try Self.inline($0, in: reader)) }
        }
        return try reader.first(Self.presentQuery, .init(collection.id), .init(key)) { row in
            OpenObject(version: try Self.version(row), inline: row.blobOrNil(Self.columnCount))
        }
    }

    /// Put together once.
    private static let presentQuery =
        """
        SELECT \(columns), bytes FROM versions LEFT JOIN inline_bytes ON inline_bytes.version = number
        WHERE collection = ? AND key = ? AND current = 1
        """

    /// A version that was looked up before, whether or not it is still the current one.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchKey`, `.quarantined`.
    package func open(_ version: ObjectVersion) async throws -> OpenObject {
        let found = try await reopen(version)
        try Self.checkReadable(found.version)
        return found
    }

    /// The same, also for one in quarantine: for what examines it.
    func reopen(_ version: ObjectVersion) async throws -> OpenObject {
        let found = try await journal.find { reader in
            try reader.first(
                """
                SELECT \(Self.columns), bytes FROM versions LEFT JOIN inline_bytes ON inline_bytes.version = number
                WHERE number = ?
                """,
                .init(version.number)
            ) { row in OpenObject(version: try Self.version(row), inline: row.blobOrNil(Self.columnCount)) }
        }
        guard let found else {
            throw ObjectsError(.noSuchKey, "the version \(version.id.text) does not exist any more")
        }
        return found
    }

    private static func inline(_ version: ObjectVersion, in reader: Reader) throws -> [UInt8]? {
        guard case .inline = version.storage else { return nil }
        return try reader.first("SELECT bytes FROM inline_bytes WHERE version = ?", .init(version.number)) {
            $0.blob(0)
        }
    }

    /// What was found, if it is an object.
    static func object(_ found: ObjectVersion?, key: String, version: String?) throws -> ObjectVersion {
        guard let found else { throw version.map { .noSuchVersion($0, of: key) } ?? ObjectsError.noSuchKey(key) }
        guard found.isDeleteMarker else { return found }
        var error =
            version == nil
            ? ObjectsError.noSuchKey(key) : ObjectsError(.methodNotAllowed, "the version is a delete marker")
        error.deleteMarker = found
        throw error
    }

    /// The bytes of an object, all of them in memory: for small documents.
    ///
    /// - Throws: ``ObjectsError`` `.tooLarge` beyond `limit`.
    package func bytes(of object: OpenObject, limit: Int64) async throws -> [UInt8] {
        guard object.version.size <= limit else {
            throw ObjectsError(
                .tooLarge, "'\(object.version.key)' has \(object.version.size) bytes; at most \(limit) are read here")
        }
        let buffer = try await bytes(of: object, range: 0..<object.version.size)
        return Array(buffer.readableBytesView)
    }

    /// A range of an object in memory. The caller keeps it small.
    package func bytes(of object: OpenObject, range: Range<Int64>) async throws -> ByteBuffer {
        var out = ByteBuffer()
        out.reserveCapacity(Int(range.upperBound - range.lowerBound))
        for extent in try await suspecting(object.version, { try await extents(of: object, range: range) }) {
            try await suspecting(object.version) {
                var reader = try await ExtentReader(extent, of: self)
                do {
                    while let buffer = try await reader.read() { out.writeImmutableBuffer(buffer) }
                } catch {
                    await reader.close()
                    throw error
                }
                await reader.close()
            }
        }
        return out
    }

    /// Decrypts a range of an object and hands it on, up to 1 MiB at a time, the next piece being read meanwhile.
    ///
    /// - Throws: ``ObjectsError`` `.damaged` where the stored bytes are not what was stored.
    package func read(
        _ object: OpenObject, range: Range<Int64>, to write: @Sendable (ByteBuffer) async throws -> Void
    ) async throws {
        for extent in try await suspecting(object.version, { try await extents(of: object, range: range) }) {
            try await suspecting(object.version) {
                var reader = try await ExtentReader(extent, of: self)
                do {
                    while let buffer = try await reader.read() { try await write(buffer) }
                } catch {
                    await reader.close()
                    throw error
                }
                await reader.close()
            }
        }
    }

    /// What a small object holds, where it needs no disk: the answer to most requests.
    package func inlineBytes(of object: OpenObject, range: Range<Int64>) async throws -> ByteBuffer? {
        guard object.inline != nil else { return nil }
        return try await suspecting(object.version) { try await extents(of: object, range: range).first?.openInline() }
    }

    /// The stretches of stored bytes that make up a range.
    private func extents(of object: OpenObject, range: Range<Int64>) async throws -> [Extent] {
        let version = object.version
        try version.check(object.unlock)
        guard !range.isEmpty else { return [] }
        let keys = try await versionKeys(of: version, object.unlock)
        switch version.storage {
        case .inline(let sealedKey):
            guard let bytes = object.inline else {
                throw ObjectsError(
                    .damaged, "the bytes of version \(version.id.text) are missing from the metadata store")
            }
            return [
                Extent(
                    source: .inline(bytes), dataKey: try keys.open(sealedKey, part: 0), size: version.size,
                    range: range)
            ]
        case .blob(let blob, let sealedKey):
            return [
                Extent(
                    source: .blob(BlobPlace(id: blob, storageClass: version.storageClass)),
                    dataKey: try keys.open(sealedKey, part: 0), size: version.size, range: range)
            ]
        case .parts:
            return try await journal.read { reader in
                try reader.rows(
                    """
                    SELECT number, start, size, blob, sealed_key, store FROM parts
                    WHERE version = ? AND start < ? AND start + size > ? ORDER BY number
                    """,
                    .init(version.id.bytes), .init(range.upperBound), .init(range.lowerBound)
                ) { row in
                    let start = row.int(1)
                    let size = row.int(2)
                    return Extent(
                        source: .blob(
                            BlobPlace(
                                id: try BlobID(bytes: row.blob(3)), storageClass: StorageClass(stored: row.textOrNil(5))
                            )),
                        dataKey: try keys.open(row.blob(4), part: Int(row.int(0))),
                        size: size,
                        range: max(0, range.lowerBound - start)..<min(size, range.upperBound - start))
                }
            }
        }
    }
}
