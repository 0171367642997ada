import BLAKE3
import Ciphers
package import Database
import Journal
import Wire

/// What lies at a path, where keys are looked at as paths of files in folders.
///
/// A folder is there if something lies below it, or its marker does: an empty object with a `/` behind the path, which
/// is also how S3's own tools keep an empty folder.
package enum Entry: Sendable {
    case file(ObjectVersion)
    case folder(path: String, marker: ObjectVersion?)

    /// Without a `/` at its end; empty for the collection itself.
    package var path: String {
        switch self {
        case .file(let version): version.key
        case .folder(let path, _): path
        }
    }

    package var isFolder: Bool {
        if case .folder = self { true } else { false }
    }

    /// The object that there is: a file, or a folder's marker.
    package var version: ObjectVersion? {
        switch self {
        case .file(let version): version
        case .folder(_, let marker): marker
        }
    }
}

/// One page of what is in a folder.
package struct EntryPage: Sendable {
    package var entries: [Entry] = []
    /// What clients gave the entries of this page, by ``ObjectVersion/object``.
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
            ])
    ]

    /// What lies at a path; nil for nothing. Where there are both a file and a folder, it is the file unless
    /// `prefersFolder`.
    package func entry(collection name: String, path: String, prefersFolder: Bool = false) async throws -> Entry? {
        let collection = try await collection(name).id
        return try await journal.find {
            try Self.entry(collection: collection, path: path, prefersFolder: prefersFolder, in: $0)
        }
    }

    static func entry(
        collection: Int64, path: String, prefersFolder: Bool = false, in reader: Reader
    ) throws -> Entry? {
        guard !path.isEmpty else { return .folder(path: "", marker: nil) }
        guard !(path + "/").hasPrefix(systemPrefix) else { return nil }
        let folder = try folder(collection: collection, path: path, in: reader)
        if prefersFolder, let folder { return folder }
        return try current(collection: collection, key: path, in: reader).map { .file($0) } ?? folder
    }

    private static func folder(collection: Int64, path: String, in reader: Reader) throws -> Entry? {
        let prefix = path + "/"
        let first = try reader.first(
            """
            SELECT \(columns) FROM versions
            WHERE collection = ? AND current = 1 AND kind = 0 AND key >= ? AND key < ? ORDER BY key LIMIT 1
            """,
            .init(collection), .init(prefix), .init(ListPlace.end(of: prefix)), map: version)
        return first.map { .folder(path: path, marker: $0.key == prefix ? $0 : nil) }
    }

    /// What is in a folder, in the order of the names. A page costs what it returns, as that of ``list`` does.
    ///
    /// - Parameters:
    ///   - after: where the page before it said that this one begins; empty for the first.
    ///   - isDeep: also what is in its folders, and so on.
    ///   - limit: entries, at most 1,000; with `isDeep` folders come in addition.
    package func entries(
        collection name: String, folder path: String, after: String = "", isDeep: Bool = false,
        withProperties: Bool = false, limit: Int = 1000
    ) async throws -> EntryPage {
        let collection = try await collection(name).id
        let prefix = path.isEmpty ? "" : path + "/"
        return try await journal.read { reader in
            var scan = ListScan<ObjectVersion>(
                prefix: prefix, delimiter: isDeep ? "" : "/", after: after, limit: limit
            ) { (key: $0.key, number: nil) }
            try scan.run { place, limit in
                try reader.rows(
                    """
                    SELECT \(Self.columns) FROM versions
                    WHERE collection = ? AND current = 1 AND kind = 0 AND key \(place.comparison) ? AND key < ?
                    ORDER BY key LIMIT ?
                    """,
                    .init(collection), .init(place.key), .init(ListPlace.end(of: prefix)), .init(limit),
                    map: Self.version)
            }
            var page = EntryPage(next: scan.isCut ? scan.last : nil)
            if isDeep {
                page.entries = Self.withFolders(scan.entries, below: prefix, after: after)
            } else {
                page.entries = zip(scan.commonPrefixes, scan.firsts).map { common, first in
                    .folder(path: String(common.dropLast()), marker: first.key == common ? first : nil)
                }
                // The folder's own marker is not in it.
                page.entries += scan.entries.filter { $0.key != prefix }.map { .file($0) }
            }
            // Keys with empty names in them (`a//b`) are no paths.
            page.entries.removeAll { $0.path.hasSuffix("/") || $0.path.isEmpty || $0.path.contains("//") }
            if withProperties {
                page.properties = try Self.properties(
                    collection: collection, page.entries.compactMap(\.version?.object), in: reader)
            }
            return page
        }
    }

    /// Puts each folder before the first thing in it.
    private static func withFolders(_ versions: [ObjectVersion], below prefix: String, after: String) -> [Entry] {
        var entries: [Entry] = []
        var previous = Array(after.utf8)
        let base = prefix.utf8.count
        for version in versions {
            let key = Array(version.key.utf8)
            var shared = 0
            while shared < min(key.count, previous.count), key[shared] == previous[shared] { shared += 1 }
            for at in max(shared, base)..<max(key.count, max(shared, base)) where key[at] == UInt8(ascii: "/") {
                entries.append(
                    .folder(
                        path: String(decoding: key[..<at], as: UTF8.self), marker: at == key.count - 1 ? version : nil))
            }
            if key.last != UInt8(ascii: "/") { entries.append(.file(version)) }
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
        above path: String, _ collection: Collection, _ key: AEADKey, _ state: CollectionState, by actor: String,
        _ events: inout EventRecorder, in transaction: Transaction
    ) throws {
        let parent = parent(of: path)
        guard !parent.isEmpty, try folder(collection: collection.id, path: parent, in: transaction) == nil else {
            return
        }
        _ = try insertMarker(parent, collection, key, state, by: actor, &events, in: transaction)
    }

    static func insertMarker(
        _ path: String, _ collection: Collection, _ key: AEADKey, _ state: CollectionState, by actor: String,
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
        try insert(&marker, inline: inline, in: transaction)
        recordPut(marker, in: collection.name, by: actor, &events)
        return marker
    }
}
