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
        _ row: PartRow, of upload: VersionID, _ encryption: ObjectEncryption, collection: Int64,
        progress: @Sendable (Int64) -> Void
    ) async throws -> Examination {
        try await verdict(collection: collection) {
            let stretch = Stretch(
                source: .blob(row.place), sealedKey: row.sealedKey, part: row.number, size: row.size, etag: row.etag)
            let keys = try await examiningKeys(encryption, of: upload, collection: collection)
            try await check(stretch, keys, encryption, whole: nil) { progress($0) }
        }
    }

    /// The keys that open a version's bytes, as far as the node has them: what a customer's key encrypts is looked at
    /// without it.
    private func examiningKeys(
        _ encryption: ObjectEncryption, of version: VersionID, collection: Int64
    ) async throws -> VersionKeys {
        VersionKeys(
            collection: try await keyring.key(ofCollection: collection),
            second: encryption.isReadableByNode ? try await secondKey(encryption, of: version, .node) : nil,
            version: version, origin: encryption.origin(of: version))
    }

    private func verdict(collection: Int64, _ body: () async throws -> Void) async throws -> Examination {
        do {
            _ = try await keyring.key(ofCollection: collection)
        } catch let error as ObjectsError where error.isForWantOfKey || error.code == .damaged {
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
            } catch let error as ObjectsError where error.isForWantOfKey {
                return .sealed(error.message)
            } catch let error as ObjectsError where error.code == .storeMissing {
                return .sealed(error.message)
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
        let isReadable = version.isReadableByNode
        let whole = version.digest == nil || !isReadable ? nil : BLAKE3()
        let keys = try await examiningKeys(version.encryption, of: version.id, collection: version.collection)
        var size: Int64 = 0
        for stretch in try await stretches(of: object) {
            try await check(stretch, keys, version.encryption, whole: whole, pace)
            size += stretch.size
        }
        guard size == version.size else {
            throw ObjectsError(.damaged, "\(size) bytes are stored where \(version.size) should be")
        }
        if let digest = version.digest, let found = whole?.finish(), found != digest {
            throw ObjectsError(
                .damaged, "the BLAKE3 of its bytes is \(Hex.encode(found)), where \(Hex.encode(digest)) was stored")
        }
    }

    /// One run of stored bytes, and what its row says of it.
    private struct Stretch {
        var source: Extent.Source
        var sealedKey: [UInt8]
        var part: Int
        var size: Int64
        var etag: String
    }

    /// All that is stored of an object, from its begin to its end.
    private func stretches(of object: OpenObject) async throws -> [Stretch] {
        let version = object.version
        switch version.storage {
        case .inline(let sealedKey):
            guard let bytes = object.inline else {
                throw ObjectsError(.damaged, "its bytes are missing from the metadata store")
            }
            return [
                Stretch(source: .inline(bytes), sealedKey: sealedKey, part: 0, size: version.size, etag: version.etag)
            ]
        case .blob(let blob, let sealedKey):
            let place = BlobPlace(id: blob, storageClass: version.storageClass)
            return [
                Stretch(source: .blob(place), sealedKey: sealedKey, part: 0, size: version.size, etag: version.etag)
            ]
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
                return Stretch(
                    source: .blob(row.place), sealedKey: row.sealedKey, part: row.number, size: row.size,
                    etag: row.etag)
            }
        }
    }

    private func check(
        _ stretch: Stretch, _ keys: VersionKeys, _ encryption: ObjectEncryption, whole: BLAKE3?,
        _ pace: @Sendable (Int64) async throws -> Void
    ) async throws {
        let extent = Extent(
            source: stretch.source, dataKey: try keys.open(stretch.sealedKey, part: stretch.part), size: stretch.size,
            range: 0..<stretch.size)
        // That the bytes are there, and how many, is all that can be seen without the customer's key.
        guard encryption.isReadableByNode else { return try await checkLength(extent) }
        // Where the ETag is no MD5, BLAKE3 and the frames' tags have to do.
        let md5 = stretch.etag.utf8.count == 32 ? Digest(.md5) : nil
        var reader = try await ExtentReader(extent, of: self)
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
        if let found = md5.map({ Hex.encode($0.finish()) }), found != stretch.etag {
            throw ObjectsError(.damaged, "the MD5 of its bytes is \(found), where \(stretch.etag) was stored")
        }
    }
    private func checkLength(_ extent: Extent) async throws {
        if case .inline(let bytes) = extent.source, Int64(bytes.count) != Frames.sealedLength(of: extent.size) {
            throw ObjectsError(.damaged, "\(bytes.count) bytes are stored inline, which is not what its size needs")
        }
        var bare = extent
        bare.range = 0..<0
        let reader = try await ExtentReader(bare, of: self)
        await reader.close()
    }
}
