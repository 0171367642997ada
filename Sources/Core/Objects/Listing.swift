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
    }

    /// Objects and common prefixes, each sorted by UTF-8 bytes; together at most `limit`.
    package var entries: [Entry] = []
    package var commonPrefixes: [String] = []
    /// Where the next page begins: after this key, or after every key below this common prefix. Nil on the last page.
    package var next: String?
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
    package func list(
        collection name: String, prefix: String = "", delimiter: String = "", after: String = "", limit: Int = 1000
    ) async throws -> Listing {
        let collection = try await collection(name)
        return try await journal.read { reader in
            var scan = ListScan(
                collection: collection.id, prefix: prefix, delimiter: delimiter, after: after, limit: limit)
            try scan.run(reader)
            return scan.listing
        }
    }
}

struct ListScan {
    let collection: Int64
    let prefix: String
    let delimiter: String
    let limit: Int
    /// Where the next seek goes, and whether that very key is to be included.
    var from: String
    var isInclusive: Bool
    var listing = Listing()
    /// The key or common prefix that was returned last.
    var last = ""
    var count = 0

    init(collection: Int64, prefix: String, delimiter: String, after: String, limit: Int) {
        self.collection = collection
        self.prefix = prefix
        self.delimiter = delimiter
        self.limit = limit
        if after.utf8.lexicographicallyPrecedes(prefix.utf8) {
            (from, isInclusive) = (prefix, true)
        } else if !delimiter.isEmpty, after.hasSuffix(delimiter), after.utf8.count > prefix.utf8.count {
            (from, isInclusive) = (Self.successor(of: after), true)
        } else {
            (from, isInclusive) = (after, false)
        }
    }

    mutating func run(_ reader: Reader) throws {
        guard limit > 0 else { return }
        // Under a delimiter most rows of a batch may be rolled up, so batches begin small and grow.
        let batchMin = delimiter.isEmpty ? limit + 1 : min(limit + 1, 16)
        var batch = batchMin
        while true {
            let rows = try fetch(reader, limit: batch)
            var isRolledUp = false
            for entry in rows {
                if entry.key.hasPrefix(Objects.systemPrefix), !prefix.hasPrefix(Objects.systemPrefix) {
                    (from, isInclusive) = (Self.successor(of: Objects.systemPrefix), true)
                    isRolledUp = true
                    break
                }
                guard count < limit else {
                    listing.next = last
                    return
                }
                count += 1
                if let common = commonPrefix(of: entry.key) {
                    listing.commonPrefixes.append(common)
                    last = common
                    (from, isInclusive) = (Self.successor(of: common), true)
                    isRolledUp = true
                    break
                }
                listing.entries.append(entry)
                last = entry.key
                (from, isInclusive) = (entry.key, false)
            }
            if isRolledUp {
                batch = batchMin
            } else if rows.count < batch {
                return
            } else {
                batch = min(batch * 4, limit + 1)
            }
        }
    }

    private func fetch(_ reader: Reader, limit: Int) throws -> [Listing.Entry] {
        // The upper bound keeps the index scan inside the prefix.
        let end = prefix.isEmpty ? Self.end : Self.successor(of: prefix)
        return try reader.rows(
            """
            SELECT key, size, etag, created, checksum_algorithm, checksum_kind FROM versions
            WHERE collection = ? AND ended IS NULL AND key \(isInclusive ? ">=" : ">") ? AND key < ? ORDER BY key LIMIT ?
            """,
            .init(collection), .init(from), .init(end), .init(limit)
        ) { row in
            Listing.Entry(
                key: row.text(0), size: row.int(1), etag: row.text(2), created: Timestamp(microseconds: row.int(3)),
                checksum: row.textOrNil(4).flatMap(ChecksumAlgorithm.init(rawValue:)).flatMap { algorithm in
                    row.textOrNil(5).flatMap(ObjectChecksum.Kind.init(rawValue:)).map { (algorithm, $0) }
                })
        }
    }

    private func commonPrefix(of key: String) -> String? {
        guard !delimiter.isEmpty else { return nil }
        let rest = key.utf8.dropFirst(prefix.utf8.count)
        let mark = Array(delimiter.utf8)
        var at = rest.startIndex
        while at < rest.endIndex {
            if rest[at...].starts(with: mark) {
                let end = rest.index(at, offsetBy: mark.count)
                return String(decoding: key.utf8[..<end], as: UTF8.self)
            }
            at = rest.index(after: at)
        }
        return nil
    }

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

extension Objects {
    /// Current versions below a prefix, whole, in the order of their keys: for the node's own workers.
    package func versions(
        collection: Int64, prefix: String, after key: String = "", limit: Int = 1000
    ) async throws -> [ObjectVersion] {
        try await journal.read { reader in
            try reader.rows(
                """
                SELECT \(Self.columns) FROM versions
                WHERE collection = ? AND ended IS NULL AND key >= ? AND key > ? AND key < ? ORDER BY key LIMIT ?
                """,
                .init(collection), .init(prefix), .init(key),
                .init(prefix.isEmpty ? ListScan.end : ListScan.successor(of: prefix)), .init(limit), map: Self.version)
        }
    }

    /// The collection with a row id, whatever it is called.
    package func collection(id: Int64) async throws -> Collection? {
        try await journal.find { reader in
            try reader.first(
                "SELECT id, name, owner, created FROM collections WHERE id = ?", .init(id), map: Self.collection)
        }
    }
}
