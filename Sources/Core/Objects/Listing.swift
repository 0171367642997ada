package import BucketConfiguration
import Database
import Journal
package import Wire

/// One page of a collection's keys.
package struct Listing: Sendable {
    package struct Entry: Sendable {
        package var key: String
        package var size: Int64
        package var etag: String
        package var created: Timestamp
        package var checksum: (algorithm: ChecksumAlgorithm, kind: ObjectChecksum.Kind)?
        package var storageClass: StorageClass
    }

    /// Objects and common prefixes, each sorted by UTF-8 bytes; together at most `limit`.
    package var entries: [Entry] = []
    package var commonPrefixes: [String] = []
    /// Where the next page begins: after this key, or after every key below this common prefix. Nil on the last page.
    package var next: String?
}

/// One page of a collection's versions.
package struct VersionListing: Sendable {
    package var versions: [ObjectVersion] = []
    package var commonPrefixes: [String] = []
    /// Where the next page begins: after this version of this key, or after every key below a common prefix.
    package var next: (key: String, version: String?)?
}

/// One page of a collection's uploads under way.
package struct UploadListing: Sendable {
    package var uploads: [Upload] = []
    package var commonPrefixes: [String] = []
    /// Where the next page begins: after this upload of this key, or after every key below a common prefix.
    package var next: (key: String, id: VersionID?)?
}

extension Objects {
    /// Lists current objects.
    ///
    /// A page costs what it returns, not where it lies: it begins with a seek in the index, and below a delimiter each
    /// common prefix is one seek, whatever stands under it.
    ///
    /// - Parameters:
    ///   - delimiter: keys that contain it after the prefix are rolled up; empty for none.
    ///   - after: begin after this key (or after the keys below it, if it is a common prefix of this listing).
    ///   - limit: 0 to 1,000.
    ///   - asOf: the TID whose state is listed; nil for the present one. A page of the past also costs what has
    ///     changed since among its keys.
    /// - Throws: ``ObjectsError`` `.noSuchCollection`; `PastError` for a state that cannot be read.
    package func list(
        collection name: String, prefix: String = "", delimiter: String = "", after: String = "", limit: Int = 1000,
        asOf: Int64? = nil
    ) async throws -> Listing {
        let collection = try await collection(name)
        let page = { @Sendable (reader: Reader) in
            var scan = ListScan<Listing.Entry>(prefix: prefix, delimiter: delimiter, after: after, limit: limit) {
                (key: $0.key, number: nil)
            }
            try scan.run { place, limit in
                if let asOf {
                    return try Self.pastRows(
                        Self.entryColumns, collection.id, asOf: asOf, from: place, prefix: prefix, limit: limit,
                        in: reader, map: Self.entry, key: \.key)
                }
                return try reader.rows(
                    """
                    SELECT \(Self.entryColumns) FROM versions
                    WHERE collection = ? AND current = 1 AND kind = 0 AND key \(place.comparison) ? AND key < ?
                    ORDER BY key LIMIT ?
                    """,
                    .init(collection.id), .init(place.key), .init(ListPlace.end(of: prefix)), .init(limit),
                    map: Self.entry)
            }
            return Listing(
                entries: scan.entries, commonPrefixes: scan.commonPrefixes, next: scan.isCut ? scan.last : nil)
        }
        return if let asOf { try await past(asOf, of: collection, page) } else { try await journal.read(page) }
    }

    private static let entryColumns = "key, size, etag, created, checksum_algorithm, checksum_kind, store"

    private static func entry(_ row: borrowing Row) -> Listing.Entry {
        Listing.Entry(
            key: row.text(0), size: row.int(1), etag: row.text(2), created: Timestamp(microseconds: row.int(3)),
            checksum: row.textOrNil(4).flatMap(ChecksumAlgorithm.init(rawValue:)).flatMap { algorithm in
                row.textOrNil(5).flatMap(ObjectChecksum.Kind.init(rawValue:)).map { (algorithm, $0) }
            },
            storageClass: StorageClass(stored: row.textOrNil(6)))
    }

    /// Lists all versions that clients see, delete markers too: keys in order, the newest version of each first.
    ///
    /// - Parameters:
    ///   - afterVersion: begin after this version of the key `after`; nil for after all of them.
    ///   - limit: 0 to 1,000.
    package func listVersions(
        collection name: String, prefix: String = "", delimiter: String = "", after: String = "",
        afterVersion: String? = nil, limit: Int = 1000
    ) async throws -> VersionListing {
        let collection = try await collection(name).id
        return try await journal.read { reader in
            var scan = ListScan<ObjectVersion>(prefix: prefix, delimiter: delimiter, after: after, limit: limit) {
                (key: $0.key, number: $0.number)
            }
            if let afterVersion {
                let found = try Self.named(afterVersion, collection: collection, key: after, in: reader)
                if let found { scan.place = ListPlace(key: after, isInclusive: true, below: found.number) }
            }
            try scan.run { place, limit in
                // Each half in the order of its index; merged here, so that neither engine has to sort them.
                let end = SQLValue(ListPlace.end(of: prefix))
                let current = try reader.rows(
                    """
                    SELECT \(Self.columns) FROM versions
                    WHERE collection = ? AND current = 1 AND key \(place.comparison) ? AND key < ? ORDER BY key LIMIT ?
                    """,
                    .init(collection), .init(place.key), end, .init(limit + 1), map: Self.version
                ).filter { $0.key != place.key || $0.number < place.below }
                let past = try reader.rows(
                    """
                    SELECT \(Self.columns) FROM versions
                    WHERE collection = ? AND current IS NULL AND removed IS NULL AND key \(place.comparison) ?
                    AND key < ? AND (key <> ? OR number < ?) ORDER BY key, number DESC LIMIT ?
                    """,
                    .init(collection), .init(place.key), end, .init(place.key), .init(place.below), .init(limit),
                    map: Self.version)
                return Array(Self.merged(current, past).prefix(limit))
            }
            return VersionListing(
                versions: scan.entries, commonPrefixes: scan.commonPrefixes,
                next: scan.isCut ? (scan.last, scan.lastIsCommon ? nil : scan.entries.last?.name) : nil)
        }
    }

    /// The current version of a key is newer than all its past ones.
    private static func merged(_ current: [ObjectVersion], _ past: [ObjectVersion]) -> [ObjectVersion] {
        var out: [ObjectVersion] = []
        out.reserveCapacity(current.count + past.count)
        var rest = past[...]
        for version in current {
            let earlier = rest.prefix { $0.key.utf8.lexicographicallyPrecedes(version.key.utf8) }
            out += earlier
            out.append(version)
            rest = rest.dropFirst(earlier.count)
        }
        return out + rest
    }
}

/// Where a listing goes on.
struct ListPlace: Sendable {
    var key: String
    /// Whether that very key is to be included.
    var isInclusive: Bool
    /// Of that very key only versions with a smaller number.
    var below = Int64.max

    var comparison: String { isInclusive ? ">=" : ">" }

    /// An upper bound, which keeps an index scan inside a prefix.
    static func end(of prefix: String) -> String { prefix.isEmpty ? end : successor(of: prefix) }

    /// A text behind every key.
    static let end = "\u{10FFFF}\u{10FFFF}"

    /// The first text behind all that begin with `prefix`, in the order of UTF-8 bytes.
    static func successor(of prefix: String) -> String {
        if let byte = prefix.utf8.last, byte < 0x7E {
            return String(decoding: Array(prefix.utf8.dropLast()) + [byte + 1], as: UTF8.self)
        }
        return prefix + "\u{10FFFF}"
    }
}

/// Walks through keys in order, rolling up those below common prefixes.
struct ListScan<Entry> {
    private let prefix: String
    private let delimiter: [UInt8]
    private let limit: Int
    private let placeOf: (Entry) -> (key: String, number: Int64?)
    /// Where the next seek goes.
    var place: ListPlace
    private(set) var entries: [Entry] = []
    private(set) var commonPrefixes: [String] = []
    /// The first entry below each common prefix.
    private(set) var firsts: [Entry] = []
    /// The key or common prefix that was returned last.
    private(set) var last = ""
    private(set) var lastIsCommon = false
    /// Whether there is more.
    private(set) var isCut = false

    init(
        prefix: String, delimiter: String, after: String, limit: Int,
        placeOf: @escaping (Entry) -> (key: String, number: Int64?)
    ) {
        self.prefix = prefix
        self.delimiter = Array(delimiter.utf8)
        self.limit = limit
        self.placeOf = placeOf
        if after.utf8.lexicographicallyPrecedes(prefix.utf8) {
            place = ListPlace(key: prefix, isInclusive: true)
        } else if !delimiter.isEmpty, after.hasSuffix(delimiter), after.utf8.count > prefix.utf8.count {
            place = ListPlace(key: ListPlace.successor(of: after), isInclusive: true)
        } else {
            place = ListPlace(key: after, isInclusive: false)
        }
    }

    /// - Parameter fetch: gives up to so many entries from a place on, in order.
    mutating func run(_ fetch: (ListPlace, Int) throws -> [Entry]) throws {
        guard limit > 0 else { return }
        // Under a delimiter most rows of a batch may be rolled up, so batches begin small and grow.
        let batchMin = delimiter.isEmpty ? limit + 1 : min(limit + 1, 16)
        var batch = batchMin
        while true {
            let rows = try fetch(place, batch)
            var isRolledUp = false
            for entry in rows {
                let (key, number) = placeOf(entry)
                if key.hasPrefix(Objects.systemPrefix), !prefix.hasPrefix(Objects.systemPrefix) {
                    place = ListPlace(key: ListPlace.successor(of: Objects.systemPrefix), isInclusive: true)
                    isRolledUp = true
                    break
                }
                guard entries.count + commonPrefixes.count < limit else {
                    isCut = true
                    return
                }
                let common = commonPrefix(of: key)
                last = common ?? key
                lastIsCommon = common != nil
                if let common {
                    commonPrefixes.append(common)
                    firsts.append(entry)
                    place = ListPlace(key: ListPlace.successor(of: common), isInclusive: true)
                    isRolledUp = true
                    break
                }
                entries.append(entry)
                place =
                    number.map { ListPlace(key: key, isInclusive: true, below: $0) }
                    ?? ListPlace(key: key, isInclusive: false)
            }
            if isRolledUp {
                batch = batchMin
            } else if rows.count < batch {
                return
            } else {
                batch = min(batch * 4, limit + 1 - entries.count - commonPrefixes.count)
            }
        }
    }

    private func commonPrefix(of key: String) -> String? {
        guard let first = delimiter.first else { return nil }
        var key = key
        let begin = prefix.utf8.count
        return key.withUTF8 { bytes in
            guard bytes.count >= begin + delimiter.count else { return nil }
            for at in begin...(bytes.count - delimiter.count) where bytes[at] == first {
                let end = at + delimiter.count
                if bytes[at..<end].elementsEqual(delimiter) { return String(decoding: bytes[..<end], as: UTF8.self) }
            }
            return nil
        }
    }
}

extension Objects {
    /// Current versions below a prefix, whole, in the order of their keys: for the node's own workers.
    package func versions(
        collection: Int64, prefix: String, after key: String = "", limit: Int = 1000
    ) async throws -> [ObjectVersion] {
        try await journal.read { reader in
            try reader.rows(
                """
                SELECT \(Self.columns) FROM versions
                WHERE collection = ? AND current = 1 AND kind = 0 AND key >= ? AND key > ? AND key < ?
                ORDER BY key LIMIT ?
                """,
                .init(collection), .init(prefix), .init(key),
                .init(ListPlace.end(of: prefix)), .init(limit), map: Self.version)
        }
    }

    /// The collection with a row id, whatever it is called.
    package func collection(id: Int64) async throws -> Collection? {
        try await journal.find { reader in
            try reader.first(
                "SELECT \(Self.collectionColumns) FROM collections WHERE id = ?", .init(id), map: Self.collection)
        }
    }
}
