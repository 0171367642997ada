import Database
import Journal

// The past. A version was what a key stood for from the TID in its number until a later version, or the TID that
// removed it; the row of one that was removed stays for a while. So every state back to the collection's horizon is
// still there, and costs nothing until it is asked for.
extension Objects {
    /// Runs `body` on a snapshot that holds the state of a collection as of a TID.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchCollection` for a collection that was made later; `PastError` `.notYet`,
    ///   `.unsettled`, `.notKept`.
    func past<T: Sendable>(
        _ asOf: Int64, of collection: Collection, _ body: @escaping @Sendable (Reader) throws -> T
    ) async throws -> T {
        try await journal.read(asOf: asOf) { reader in
            // A collection's id is the TID that made it.
            guard collection.id <= asOf else { throw ObjectsError.noSuchCollection(collection.name) }
            guard let horizon = try Self.horizon(of: collection.id, in: reader) else {
                throw ObjectsError.noSuchCollection(collection.name)
            }
            guard asOf >= horizon else { throw PastError.notKept(asOf, in: collection.name, horizon: horizon) }
            return try body(reader)
        }
    }

    /// The first TID whose state can be read; nil for a collection that is not there any more.
    static func horizon(of collection: Int64, in reader: Reader) throws -> Int64? {
        try reader.scalar(
            "SELECT COALESCE(h.tid, c.id) FROM collections c LEFT JOIN horizons h ON h.collection = c.id WHERE c.id = ?",
            .init(collection))
    }

    /// The largest number of a version that a transaction made.
    static func lastNumber(of tid: Int64) -> Int64 {
        tid << ObjectVersion.ordinalBits | (1 << ObjectVersion.ordinalBits - 1)
    }

    /// A version of a key as of a TID, by the name that clients know; for nil the one that was current then.
    static func version(
        _ name: String?, collection: Int64, key: String, asOf: Int64, in reader: Reader
    ) throws -> ObjectVersion? {
        let named = try name.map { try condition(named: $0) }
        // Each half in its index; the present version of a key need not be its newest of then.
        var found: [ObjectVersion] = []
        for half in ["current = 1", "current IS NULL AND (removed IS NULL OR removed > ?)"] {
            let removed: [SQLValue] = half.contains("?") ? [.init(asOf)] : []
            found += try reader.rows(
                """
                SELECT \(columns) FROM versions WHERE collection = ? AND key = ? AND \(half) AND number <= ?
                \(named.map { "AND \($0.sql)" } ?? "")
                ORDER BY number DESC LIMIT 1
                """,
                [.init(collection), .init(key)] + removed + [.init(lastNumber(of: asOf))]
                    + (named.map { [$0.value] } ?? []), map: version)
        }
        return found.max { $0.number < $1.number }
    }

    /// A page of the objects of a collection as of a TID, one row for each key, in the order of the keys.
    static func pastRows<T>(
        _ columns: String, _ collection: Int64, asOf: Int64, from place: ListPlace, prefix: String, limit: Int,
        in reader: Reader, map: (borrowing Row) throws -> T, key: (T) -> String
    ) throws -> [T] {
        let last = SQLValue(lastNumber(of: asOf))
        // Of a key's rows the one without a later one counts, be it in the other half; so a key comes but once.
        let later =
            "SELECT 1 FROM versions l WHERE l.collection = v.collection AND l.key = v.key AND l.number > v.number"
        let laterPast = "\(later) AND l.current IS NULL AND l.number <= ? AND (l.removed IS NULL OR l.removed > ?)"
        func half(_ condition: String, _ values: [SQLValue]) throws -> [T] {
            try reader.rows(
                """
                SELECT \(columns) FROM versions v WHERE v.collection = ? AND v.key \(place.comparison) ? AND v.key < ?
                AND v.number <= ? AND v.kind = 0 AND \(condition) AND NOT EXISTS (\(laterPast)) ORDER BY v.key LIMIT ?
                """,
                [.init(collection), .init(place.key), .init(ListPlace.end(of: prefix)), last] + values
                    + [last, .init(asOf), .init(limit)], map: map)
        }
        let current = try half("v.current = 1", [])
        let past = try half(
            """
            v.current IS NULL AND (v.removed IS NULL OR v.removed > ?)
            AND NOT EXISTS (\(later) AND l.current = 1 AND l.number <= ?)
            """, [.init(asOf), last])
        guard !past.isEmpty else { return current }
        return Array((current + past).sorted { key($0).utf8.lexicographicallyPrecedes(key($1).utf8) }.prefix(limit))
    }
}
