import Blobs
import Ciphers
import Database
package import Journal
import Wire

/// What there is, as a verification has counted it.
package struct ObjectCounts: Sendable {
    package var versions = 0
    package var bytes: Int64 = 0
    package var uploads = 0
    package var keys = 0
    /// Blobs that wait to be deleted.
    package var garbage = 0
    /// Blobs that nothing names: what a crash has left, until the Janitor comes by.
    package var orphans = 0
    package var orphanBytes: Int64 = 0
    /// Versions whose keys do not open.
    package var sealed = 0
    package var quarantined = 0

    package init() {}
}

extension Objects {
    /// The bytes of all versions: what ``verify(found:progress:)`` will read.
    package func storedBytes() async throws -> Int64 {
        try await journal.read { try $0.scalar("SELECT CAST(SUM(size) AS BIGINT) FROM versions") ?? 0 }
    }

    /// Checks everything that is stored: the chain of keys, every version as in ``examine(_:pace:)`` and its place in
    /// the journal, the parts of uploads, and that nothing that is needed is to be thrown away. It changes nothing.
    ///
    /// Memory is bounded: a page of rows, and four versions that are read at a time.
    ///
    /// - Parameters:
    ///   - progress: told of plain bytes as they are read, and of what.
    package func verify(
        found: @escaping FindingHandler, progress: @escaping @Sendable (Int64, String) -> Void
    ) async throws -> ObjectCounts {
        var counts = ObjectCounts()
        counts.keys = try await verifyKeys(found)
        var after: Int64 = 0
        while true {
            let rows = try await journal.read { [after] reader in
                try reader.rows(
                    "SELECT \(Self.columns), removed FROM versions WHERE number > ? ORDER BY number LIMIT ?",
                    .init(after), .init(Self.verifyPage)
                ) { (version: try Self.version($0), isStaged: $0.intOrNil(Self.columnCount) == Self.neverThere) }
            }
            let page = rows.map(\.version)
            for version in page where version.tid < 1 || version.size < 0 {
                await found(Finding("objects", Self.title(version), "its row has an impossible number or size"))
            }
            // What a transaction holds ready becomes an event when that is committed.
            let told = Set(rows.filter { !$0.isStaged }.map(\.version.tid))
            for tid in try await journal.missing(of: told).sorted() {
                await found(Finding("journal", "transaction \(tid)", "it made a version, and no event tells of it"))
            }
            let verdicts = try await examine(page, progress)
            for (version, verdict) in zip(page, verdicts) {
                counts.versions += 1
                counts.bytes += version.size
                if version.quarantine != nil { counts.quarantined += 1 }
                switch verdict {
                case .sound, .gone: break
                case .sealed: counts.sealed += 1
                case .damaged(let reason): await found(Finding("objects", Self.title(version), reason))
                }
            }
            guard page.count == Self.verifyPage, let last = page.last else { break }
            after = last.number
        }
        try await verifyHeads(found)
        try await verifyUploads(&counts, found, progress)
        try await verifyParts(found)
        try await verifyBlobs(&counts, found)
        return counts
    }

    private static let verifyPage = 500
    private static let verifyWidth = 4

    private static func title(_ version: ObjectVersion) -> String {
        "version \(version.id.text) of '\(version.key)' (\(version.number))"
    }

    /// Some at a time, in no order; the answers are in that of the versions.
    private func examine(
        _ versions: [ObjectVersion], _ progress: @escaping @Sendable (Int64, String) -> Void
    ) async throws -> [Examination] {
        try await withThrowingTaskGroup(of: (Int, Examination).self) { group in
            var verdicts = [Examination](repeating: .gone, count: versions.count)
            for (index, version) in versions.enumerated() {
                if index >= Self.verifyWidth, let (done, verdict) = try await group.next() { verdicts[done] = verdict }
                group.addTask {
                    (index, try await self.examine(version) { progress($0, version.key) })
                }
            }
            for try await (done, verdict) in group { verdicts[done] = verdict }
            return verdicts
        }
    }

    /// - Returns: how many keys there are.
    private func verifyKeys(_ found: FindingHandler) async throws -> Int {
        var count = 0
        var after: Int64 = 0
        while true {
            let page = try await journal.read { [after] reader in
                try reader.rows(
                    "SELECT id, name FROM collections WHERE id > ? ORDER BY id LIMIT 1000", .init(after)
                ) { (id: $0.int(0), name: $0.text(1)) }
            }
            for collection in page {
                do {
                    _ = try await keyring.key(ofCollection: collection.id)
                } catch let error as DatabaseError {
                    throw error
                } catch let error as ObjectsError where error.code == .keyDestroyed {
                    // On purpose, as the journal shows.
                } catch {
                    await found(
                        Finding("keys", "collection \(collection.name)", "its key, or that of its space: \(error)"))
                }
            }
            count += page.count
            guard page.count == 1000, let last = page.last else { return count }
            after = last.id
        }
    }

    /// A key whose past is kept has something at its head: an object or a delete marker.
    private func verifyHeads(_ found: FindingHandler) async throws {
        let headless = try await journal.read { reader in
            try reader.rows(
                """
                SELECT \(Self.columns) FROM versions WHERE current IS NULL AND removed IS NULL AND NOT EXISTS (
                    SELECT 1 FROM versions AS head
                    WHERE head.collection = versions.collection AND head.key = versions.key AND head.current = 1)
                LIMIT 100
                """, map: Self.version)
        }
        for version in headless {
            await found(
                Finding("objects", Self.title(version), "it is kept, but no version of its key is the current one"))
        }
    }

    private func verifyUploads(
        _ counts: inout ObjectCounts, _ found: FindingHandler, _ progress: @Sendable (Int64, String) -> Void
    ) async throws {
        var after: [UInt8] = []
        while true {
            let page = try await journal.read { [after] reader in
                try reader.rows(
                    """
                    SELECT id, collection, key, kms_key, encryption FROM uploads WHERE id > ? ORDER BY id LIMIT 1000
                    """, .init(after)
                ) { row in
                    (
                        id: VersionID(stored: row.blob(0)), collection: row.int(1), key: row.text(2),
                        encryption: try ObjectEncryption(key: row.textOrNil(3), text: row.textOrNil(4))
                    )
                }
            }
            for upload in page {
                for row in try await journal.read({ try PartRow.all(version: upload.id, in: $0) }) {
                    let verdict = try await examine(
                        row, of: upload.id, upload.encryption, collection: upload.collection,
                        progress: { progress($0, upload.key) })
                    if case .damaged(let reason) = verdict {
                        await found(
                            Finding(
                                "uploads", "part \(row.number) of upload \(upload.id.text) of '\(upload.key)'", reason))
                    }
                }
            }
            counts.uploads += page.count
            guard page.count == 1000, let last = page.last else { return }
            after = last.id.bytes
        }
    }

    /// Parts belong to an object or to an upload.
    private func verifyParts(_ found: FindingHandler) async throws {
        let strays = try await journal.read { reader in
            try reader.rows(
                """
                SELECT version, number FROM parts
                WHERE NOT EXISTS (SELECT 1 FROM versions WHERE versions.id = parts.version AND part_count > 0)
                AND NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.id = parts.version) LIMIT 100
                """
            ) { (version: VersionID(stored: $0.blob(0)), number: $0.int(1)) }
        }
        for stray in strays {
            await found(
                Finding("objects", "part \(stray.number) of \(stray.version.text)", "it belongs to no object or upload")
            )
        }
    }

    /// Looks for blobs that are to be deleted and are needed, and counts those that nobody needs.
    private func verifyBlobs(_ counts: inout ObjectCounts, _ found: FindingHandler) async throws {
        var after: [UInt8] = []
        while true {
            let page = try await journal.read { [after] reader in
                try reader.rows(
                    """
                    SELECT blob, EXISTS (SELECT 1 FROM versions WHERE versions.blob = garbage.blob)
                    OR EXISTS (SELECT 1 FROM parts WHERE parts.blob = garbage.blob)
                    FROM garbage WHERE blob > ? ORDER BY blob LIMIT 1000
                    """, .init(after)
                ) { (blob: $0.blob(0), isNeeded: $0.bool(1)) }
            }
            for row in page where row.isNeeded {
                await found(Finding("garbage", "blob \(Hex.encode(row.blob))", "it is to be deleted, and is needed"))
            }
            counts.garbage += page.count
            guard page.count == 1000, let last = page.last else { break }
            after = last.blob
        }
        var last: BlobID?
        while true {
            let page = try await blobs.list(after: last, limit: 1000)
            guard let end = page.last else { return }
            last = end.id
            for info in page where try await !isNamed(info.id) {
                counts.orphans += 1
                counts.orphanBytes += info.size
            }
        }
    }
}
