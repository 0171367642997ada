import BLAKE3
import Ciphers
import Database
import Journal
package import Wire

/// What lies at a path, where keys are looked at as paths of files in folders.
///
/// A folder is there if something lies below it, or its marker does: an empty object with a `/` behind the path, which
/// is also how S3's own tools keep an empty folder.
package struct Entry: Sendable {
    /// Without a `/` at its end; empty for the collection itself.
    package var path: String
    package var isFolder: Bool
    /// ``ObjectVersion/object`` of the file or the folder's marker; nil for a folder without one. The collection itself
    /// is 0.
    package var object: Int64?
    /// What follows is empty for a folder without a marker.
    package var size: Int64 = 0
    package var etag = ""
    package var contentType = ""
    package var created: Timestamp?
    package var checksum: ObjectChecksum?
    package var partCount = 0
    private var storedHeaders: String?

    /// As those of an ``ObjectVersion``.
    package var headers: [HeaderField] { Objects.headers(storedHeaders) }
    package var hasHeaders: Bool { storedHeaders != nil }

    static let columns =
        "key, object, size, etag, created, content_type, headers, checksum_algorithm, checksum, checksum_kind, part_count"

    /// The collection itself, or a folder without a marker.
    package init(folder path: String) {
        self.path = path
        isFolder = true
        object = path.isEmpty ? 0 : nil
    }

    /// A chunk of an upload, which is shown as a file.
    package init(chunk: Chunk) {
        path = chunk.name
        isFolder = false
        size = chunk.size
        created = chunk.created
    }

    /// A file or a marker; its key with the `/` that a marker's has.
    init(_ row: borrowing Row) {
        path = row.text(0)
        isFolder = path.utf8.last == UInt8(ascii: "/")
        if isFolder { path.removeLast() }
        object = row.int(1)
        size = row.int(2)
        etag = row.text(3)
        created = Timestamp(microseconds: row.int(4))
        contentType = row.text(5)
        storedHeaders = row.textOrNil(6)
        if !row.isNull(7) {
            checksum = Objects.checksum(
                algorithm: row.textOrNil(7), value: row.textOrNil(8), kind: row.textOrNil(9))
        }
        partCount = Int(row.int(10))
    }

    fileprivate var key: String { isFolder ? path + "/" : path }
}

/// One page of what is in a folder.
package struct EntryPage: Sendable {
    package var entries: [Entry] = []
    /// What clients gave the entries of this page, by ``Entry/object``.
    package var properties: [Int64: [ObjectProperty]] = [:]
    /// Where the next page begins; nil on the last one.
    package var next: String?
}

extension Objects {
    static let folderMigrations = [
        Migration(
            module: "objects", number: 3,
            [
                """
                CREATE TABLE write_locks (
                    token TEXT PRIMARY KEY, collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
                    path TEXT NOT NULL, is_deep INTEGER NOT NULL, is_shared INTEGER NOT NULL, account TEXT NOT NULL,
                    owner TEXT NOT NULL, expires INTEGER NOT NULL)
                """,
                "CREATE INDEX write_locks_by_path ON write_locks (collection, path)",
                // Object 0 is the collection itself.
                """
                CREATE TABLE object_properties (
                    collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE, object INTEGER NOT NULL,
                    namespace TEXT NOT NULL, name TEXT NOT NULL, element TEXT NOT NULL,
                    PRIMARY KEY (collection, object, namespace, name)) WITHOUT ROWID
                """,
                // The last transaction that changed anything below a folder: see FolderTags.swift.
                """
                CREATE TABLE folder_changes (
                    collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE, path TEXT NOT NULL,
                    tid INTEGER NOT NULL, PRIMARY KEY (collection, path)) WITHOUT ROWID
                """,
            ])
    ]

    /// What lies at a path; nil for nothing. Where there are both a file and a folder, it is the file unless
    /// `prefersFolder`.
    ///
    /// - Parameter asOf: the TID whose state is read; nil for the present one.
    /// - Throws: `PastError` for a state that cannot be read.
    package func entry(
        collection name: String, path: String, prefersFolder: Bool = false, asOf: Int64? = nil
    ) async throws -> Entry? {
        if let asOf { return try await pastEntry(name, path, prefersFolder: prefersFolder, asOf: asOf) }
        let collection = try await collection(name).id
        return try await journal.find {
            try Self.entry(collection: collection, path: path, prefersFolder: prefersFolder, in: $0)
        }
    }

    static func entry(
        collection: Int64, path: String, prefersFolder: Bool = false, in reader: Reader
    ) throws -> Entry? {
        guard !path.isEmpty else { return Entry(folder: "") }
        guard !(path + "/").hasPrefix(systemPrefix) else { return nil }
        let folder = try folder(collection: collection, path: path, in: reader)
        if prefersFolder, let folder { return folder }
        let file = try reader.first(
            "SELECT \(Entry.columns) FROM versions WHERE collection = ? AND key = ? AND current = 1 AND kind = 0",
            .init(collection), .init(path), map: Entry.init)
        return file ?? folder
    }

    private func pastEntry(_ name: String, _ path: String, prefersFolder: Bool, asOf: Int64) async throws -> Entry? {
        let collection = try await collection(name)
        return try await past(asOf, of: collection) { reader in
            guard !path.isEmpty else { return Entry(folder: "") }
            guard !(path + "/").hasPrefix(Self.systemPrefix) else { return nil }
            func first(_ prefix: String) throws -> Entry? {
                try Self.pastRows(
                    Entry.columns, collection.id, asOf: asOf, from: ListPlace(key: prefix, isInclusive: true),
                    prefix: prefix, limit: 1, in: reader, map: Entry.init, key: \.key
                ).first
            }
            let file = try first(path).flatMap { $0.key == path ? $0 : nil }
            let below = try first(path + "/")
            let folder = below.map { $0.isFolder && $0.path == path ? $0 : Entry(folder: path) }
            return prefersFolder ? folder ?? file : file ?? folder
        }
    }

    private static func folder(collection: Int64, path: String, in reader: Reader) throws -> Entry? {
        let prefix = path + "/"
        let first = try reader.first(
            """
            SELECT \(Entry.columns) FROM versions
            WHERE collection = ? AND current = 1 AND kind = 0 AND key >= ? AND key < ? ORDER BY key LIMIT 1
            """,
            .init(collection), .init(prefix), .init(ListPlace.end(of: prefix)), map: Entry.init)
        return first.map { $0.isFolder && $0.path == path ? $0 : Entry(folder: path) }
    }

    /// What is in a folder, in the order of the names. A page costs what it returns, as that of ``list`` does.
    ///
    /// - Parameters:
    ///   - after: where the page before it said that this one begins; empty for the first.
    ///   - isDeep: also what is in its folders, and so on.
    ///   - asOf: the TID whose state is read; nil for the present one. Properties are those of today.
    ///   - limit: entries, at most 1,000; with `isDeep` folders come in addition.
    /// - Throws: `PastError` for a state that cannot be read.
    package func entries(
        collection name: String, folder path: String, after: String = "", isDeep: Bool = false,
        withProperties: Bool = false, asOf: Int64? = nil, limit: Int = 1000
    ) async throws -> EntryPage {
        let found = try await self.collection(name)
        let collection = found.id
        let prefix = path.isEmpty ? "" : path + "/"
        let page = { @Sendable (reader: Reader) in
            var scan = ListScan<Entry>(
                prefix: prefix, delimiter: isDeep ? "" : "/", after: after, limit: limit
            ) { (key: $0.key, number: nil) }
            try scan.run { place, limit in
                if let asOf {
                    return try Self.pastRows(
                        Entry.columns, collection, asOf: asOf, from: place, prefix: prefix, limit: limit, in: reader,
                        map: Entry.init, key: \.key)
                }
                return try reader.rows(
                    """
                    SELECT \(Entry.columns) FROM versions
                    WHERE collection = ? AND current = 1 AND kind = 0 AND key \(place.comparison) ? AND key < ?
                    ORDER BY key LIMIT ?
                    """,
                    .init(collection), .init(place.key), .init(ListPlace.end(of: prefix)), .init(limit),
                    map: Entry.init)
            }
            var page = EntryPage(next: scan.isCut ? scan.last : nil)
            if isDeep {
                page.entries = Self.withFolders(scan.entries, below: prefix, after: after)
            } else {
                page.entries = zip(scan.commonPrefixes, scan.firsts).map { common, first in
                    first.isFolder && first.key == common ? first : Entry(folder: String(common.dropLast()))
                }
                // The folder's own marker is not in it.
                page.entries += scan.entries.filter { !$0.isFolder }
            }
            // Keys with empty names in them (`a//b`) are no paths.
            page.entries.removeAll { Self.hasEmptyName($0.path) }
            if withProperties {
                page.properties = try Self.properties(
                    collection: collection, page.entries.compactMap(\.object), in: reader)
            }
            return page
        }
        return if let asOf { try await past(asOf, of: found, page) } else { try await journal.read(page) }
    }

    private static func hasEmptyName(_ path: String) -> Bool {
        var previous = UInt8(ascii: "/")
        for c in path.utf8 {
            if c == UInt8(ascii: "/"), previous == c { return true }
            previous = c
        }
        return previous == UInt8(ascii: "/")
    }

    /// Puts each folder before the first thing in it.
    private static func withFolders(_ found: [Entry], below prefix: String, after: String) -> [Entry] {
        var entries: [Entry] = []
        var previous = Array(after.utf8)
        let base = prefix.utf8.count
        for entry in found {
            let key = Array(entry.key.utf8)
            var shared = 0
            while shared < min(key.count, previous.count), key[shared] == previous[shared] { shared += 1 }
            for at in max(shared, base)..<max(key.count, max(shared, base)) where key[at] == UInt8(ascii: "/") {
                let isItself = entry.isFolder && at == key.count - 1
                entries.append(isItself ? entry : Entry(folder: String(decoding: key[..<at], as: UTF8.self)))
            }
            if !entry.isFolder { entries.append(entry) }
            previous = key
        }
        return entries
    }

    /// Makes an empty folder.
    ///
    /// - Throws: ``ObjectsError`` `.alreadyExists` where there is something, `.noSuchFolder` where the folder that it
    ///   would lie in is not there, `.writeLocked`.
    package func createFolder(
        collection name: String, path: String, by actor: String, holding locks: Set<String> = []
    ) async throws -> ObjectVersion {
        try Self.check(key: path + "/")
        try checkRoom()
        let collection = try await collection(name)
        let key = try await keyring.key(ofCollection: collection.id)
        return try await journal.write { transaction, events in
            try transaction.lock(Self.treeLockName(collection.id))
            guard try Self.entry(collection: collection.id, path: path, in: transaction) == nil else {
                throw ObjectsError(.alreadyExists, "there is something at '\(path.prefix(200))' already")
            }
            try Self.checkFolder(above: path, collection: collection.id, in: transaction)
            let state = try CollectionState(of: collection.id, in: transaction)
            try Self.checkWritable(
                path, of: collection.id, state, isMember: false, by: actor, holding: locks, in: transaction)
            return try Self.insertMarker(path, collection, key, state, by: actor, &events, in: transaction)
        }
    }

    /// Checks that the folder that something is to lie in is there.
    static func checkFolder(above path: String, collection: Int64, in reader: Reader) throws {
        let parent = parent(of: path)
        guard try entry(collection: collection, path: parent, prefersFolder: true, in: reader)?.isFolder == true else {
            throw ObjectsError(.noSuchFolder, "there is no folder '\(parent.prefix(200))' to put it into")
        }
    }

    /// Keeps the folder that something was taken out of, where nothing else would.
    static func keepFolder(
        above path: String, _ collection: Collection, _ key: CollectionKeys, _ state: CollectionState, by actor: String,
        _ events: inout EventRecorder, in transaction: Transaction
    ) throws {
        let parent = parent(of: path)
        guard !parent.isEmpty, try folder(collection: collection.id, path: parent, in: transaction) == nil else {
            return
        }
        _ = try insertMarker(parent, collection, key, state, by: actor, &events, in: transaction)
    }

    static func insertMarker(
        _ path: String, _ collection: Collection, _ key: CollectionKeys, _ state: CollectionState, by actor: String,
        _ events: inout EventRecorder, in transaction: Transaction
    ) throws -> ObjectVersion {
        let id = VersionID()
        let dataKey = AEADKey.random()
        let sealer = try FrameSealer(key: dataKey)
        var inline = [UInt8](repeating: 0, count: Int(Frames.sealedLength(of: 0)))
        _ = try inline.withUnsafeMutableBytes {
            try sealer.seal(UnsafeRawBufferPointer(start: nil, count: 0), isLast: true, into: $0)
        }
        let latest = try latest(collection: collection.id, key: path + "/", in: transaction)
        var marker = ObjectVersion(
            id: id, collection: collection.id, key: path + "/", created: .now, size: 0,
            etag: Hex.encode(DigestAlgorithm.md5.hash([])), digest: BLAKE3.hash([]),
            contentType: "application/x-directory", headers: [], partCount: 0,
            storage: .inline(sealedKey: try key.sealDataKey(dataKey, version: id, part: 0)))
        marker.isNull = try displace(latest, collection: collection.id, key: marker.key, state, in: transaction)
        try insert(&marker, inline: inline, state, in: transaction)
        record(marker, in: collection, by: actor, &events)
        return marker
    }
}
