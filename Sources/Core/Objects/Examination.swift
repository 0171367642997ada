import BLAKE3
import Blobs
import Ciphers
import Database
import Journal
import NIOCore
import NIOPosix
import Vault
import Wire

/// What a look at everything that is stored of a version has shown.
package enum Examination: Sendable, Equatable {
    /// All of it is as it was stored.
    case sound
    /// It is not, and this is why.
    case damaged(String)
    /// Its key does not open, so that nothing can be said of its bytes.
    case sealed(String)
    /// The version was removed meanwhile.
    case gone
}

extension Objects {
    /// Reads everything that is stored of a version, also of one in quarantine, and compares it with its row: the keys,
    /// the lengths, every frame, BLAKE3 of the whole where it is known, MD5 of the whole or of each part.
    ///
    /// A device that fails is asked three times; what it still does not give counts as damaged.
    ///
    /// - Parameter pace: told of each stretch that was read, in plain bytes; it may wait.
    /// - Throws: `BlobError` `.unavailable`, `DatabaseError`, `CancellationError`: nothing is known of the version
    ///   then.
    package func examine(
        _ version: ObjectVersion, pace: @Sendable (Int64) async throws -> Void = { _ in }
    ) async throws -> Examination {
        let verdict = try await verdict(collection: version.collection) {
            try await compare(try await reopen(version), pace)
        }
        guard case .damaged = verdict else { return verdict }
        // Bytes that are missing are no damage where the version is gone too.
        let exists = try await journal.find {
            try $0.scalar("SELECT 1 FROM versions WHERE number = ?", .init(version.number)) != nil
        }
        return exists ? verdict : .gone
    }

    /// The same for a part of an upload that is under way.
    func examine(
        _ row: PartRow, of upload: VersionID, collection: Int64, progress: @Sendable (Int64) -> Void
    ) async throws -> Examination {
        try await verdict(collection: collection) {
            let key = try await keyring.key(ofCollection: collection)
            let extent = Extent(
                source: .blob(row.blob),
                dataKey: try key.openDataKey(row.sealedKey, version: upload, part: row.number), size: row.size,
                range: 0..<row.size)
            try await check(extent, etag: row.etag, whole: nil) { progress($0) }
        }
    }

    private func verdict(collection: Int64, _ body: () async throws -> Void) async throws -> Examination {
        do {
            _ = try await keyring.key(ofCollection: collection)
        } catch let error as ObjectsError where error.code == .keyDestroyed || error.code == .damaged {
            return .sealed(error.message)
        } catch let error as ObjectsError where error.code == .noSuchCollection {
            return .gone
        } catch let error as VaultError {
            return .sealed(error.description)
        }
        var failures = 0
        while true {
            do {
                try await body()
                return .sound
            } catch let error as ObjectsError where error.code == .noSuchKey || error.code == .noSuchCollection {
                return .gone
            } catch let error as ObjectsError where error.code == .damaged {
                return .damaged(error.message)
            } catch let error as DatabaseError where error.code == .corrupt {
                return .damaged("its row cannot be read: \(error.message)")
            } catch  where Self.mayPass(error) {
                failures += 1
                guard failures < Self.attempts else { return .damaged("its bytes cannot be read: \(error)") }
                try await Task.sleep(for: .seconds(1))
            }
        }
    }

    private static let attempts = 3

    /// A device that fails may do so once; a key that is being replaced is another one in a moment.
    private static func mayPass(_ error: any Error) -> Bool {
        switch error {
        case let error as BlobError: error.code == .io || error.code == .damaged
        case let error as ObjectsError: error.code == .unavailable
        default: false
        }
    }

    /// - Throws: ``ObjectsError`` `.damaged` with what differs.
    private func compare(_ object: OpenObject, _ pace: @Sendable (Int64) async throws -> Void) async throws {
        let version = object.version
        guard !version.isDeleteMarker else { return }
        let whole = version.digest == nil ? nil : BLAKE3()
        var size: Int64 = 0
        for (extent, etag) in try await stretches(of: object) {
            try await check(extent, etag: etag, whole: whole, pace)
            size += extent.size
        }
        guard size == version.size else {
            throw ObjectsError(.damaged, "\(size) bytes are stored where \(version.size) should be")
        }
        if let digest = version.digest, let found = whole?.finish(), found != digest {
            throw ObjectsError(
                .damaged, "the BLAKE3 of its bytes is \(Hex.encode(found)), where \(Hex.encode(digest)) was stored")
        }
    }

    /// All that is stored of an object, from its begin to its end, each stretch with its ETag.
    private func stretches(of object: OpenObject) async throws -> [(extent: Extent, etag: String)] {
        let version = object.version
        let key = try await keyring.key(ofCollection: version.collection)
        func extent(_ source: Extent.Source, _ sealedKey: [UInt8], part: Int, size: Int64) throws -> Extent {
            Extent(
                source: source, dataKey: try key.openDataKey(sealedKey, version: version.id, part: part), size: size,
                range: 0..<size)
        }
        switch version.storage {
        case .inline(let sealedKey):
            guard let bytes = object.inline else {
                throw ObjectsError(.damaged, "its bytes are missing from the metadata store")
            }
            return [(try extent(.inline(bytes), sealedKey, part: 0, size: version.size), version.etag)]
        case .blob(let blob, let sealedKey):
            return [(try extent(.blob(blob), sealedKey, part: 0, size: version.size), version.etag)]
        case .parts:
            let rows = try await journal.read { try PartRow.all(version: version.id, in: $0) }
            guard rows.count == version.partCount else {
                throw ObjectsError(.damaged, "\(rows.count) of its \(version.partCount) parts are there")
            }
            var start: Int64 = 0
            return try rows.map { row in
                guard row.start == start else {
                    throw ObjectsError(.damaged, "part \(row.number) does not begin where the one before ends")
                }
                start += row.size
                return (try extent(.blob(row.blob), row.sealedKey, part: row.number, size: row.size), row.etag)
            }
        }
    }

    private func check(
        _ extent: Extent, etag: String, whole: BLAKE3?, _ pace: @Sendable (Int64) async throws -> Void
    ) async throws {
        // Where the ETag is no MD5, BLAKE3 and the frames' tags have to do.
        let md5 = etag.utf8.count == 32 ? Digest(.md5) : nil
        var reader = try await ExtentReader(extent, blobs: blobs, pool: pool)
        do {
            if extent.size == 0 { try await reader.checkEmpty() }
            while let buffer = try await reader.read() {
                try await pool.runIfActive {
                    buffer.withUnsafeReadableBytes { bytes in
                        md5?.update(bytes)
                        whole?.update(bytes)
                    }
                }
                try await pace(Int64(buffer.readableBytes))
            }
        } catch {
            await reader.close()
            throw error
        }
        await reader.close()
        if let found = md5.map({ Hex.encode($0.finish()) }), found != etag {
            throw ObjectsError(.damaged, "the MD5 of its bytes is \(found), where \(etag) was stored")
        }
    }
}
