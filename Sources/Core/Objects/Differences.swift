import Database
import Journal

/// How a key of a collection differs from what it was.
package struct Difference: Sendable {
    package var key: String
    /// What it was; nil where there was no object.
    package var past: ObjectVersion?
    /// What it is; nil where there is no object.
    package var present: ObjectVersion?

    /// The same content and headers are no difference, whichever version they are of.
    fileprivate var isReal: Bool {
        guard let past, let present else { return (past == nil) != (present == nil) }
        return past.number != present.number
            && (past.etag != present.etag || past.size != present.size || past.contentType != present.contentType
                || past.headers != present.headers)
    }
}

extension Objects {
    /// Compares what there was as of a TID with what there is, key by key in their order.
    ///
    /// - Parameters:
    ///   - target: the collection whose present state is looked at; the same one for nil. Of another one only those
    ///     keys count that there were in `name`.
    ///   - after: begins behind this key.
    ///   - limit: keys that are looked at on each side, at most 1,000.
    /// - Returns: the keys that differ, how many were looked at, and where the next page begins.
    /// - Throws: ``ObjectsError`` `.noSuchCollection`; `PastError` for a state that cannot be read.
    package func differences(
        collection name: String, prefix: String = "", asOf: Int64, from target: String? = nil, after: String = "",
        limit: Int = 500
    ) async throws -> (differences: [Difference], looked: Int, next: String?) {
        let source = try await collection(name)
        let present = try await collection(target ?? name)
        let isOther = source.id != present.id
        return try await past(asOf, of: source) { reader in
            let place =
                after.utf8.lexicographicallyPrecedes(prefix.utf8)
                ? ListPlace(key: prefix, isInclusive: true) : ListPlace(key: after, isInclusive: false)
            var was = try Self.pastRows(
                Self.columns, source.id, asOf: asOf, from: place, prefix: prefix, limit: limit, in: reader,
                map: Self.version, key: \.key)
            var now: [ObjectVersion] = try reader.rows(
                """
                SELECT \(Self.columns) FROM versions
                WHERE collection = ? AND current = 1 AND kind = 0 AND key \(place.comparison) ? AND key < ?
                ORDER BY key LIMIT ?
                """,
                .init(present.id), .init(place.key), .init(ListPlace.end(of: prefix)), .init(limit), map: Self.version)
            // Both sides are known up to the first of their two ends.
            let ends = [was, now].filter { $0.count == limit }.compactMap(\.last?.key)
            let end = ends.min { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            if let end {
                was.removeAll { end.utf8.lexicographicallyPrecedes($0.key.utf8) }
                now.removeAll { end.utf8.lexicographicallyPrecedes($0.key.utf8) }
            }
            var byKey = Dictionary(was.map { ($0.key, Difference(key: $0.key, past: $0)) }) { first, _ in first }
            for version in now where !isOther || byKey[version.key] != nil {
                byKey[version.key, default: Difference(key: version.key)].present = version
            }
            let found = byKey.values.filter { $0.isReal && !$0.key.hasPrefix(Self.systemPrefix) }
            return (
                found.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }, byKey.count, end
            )
        }
    }

    /// Brings keys back to what they were, within a transaction: copies that share the stored bytes, and deletions of
    /// what was not there.
    ///
    /// A copy is a new version of the key; locks and ACLs are not restored.
    ///
    /// - Parameters:
    ///   - differences: as ``differences(collection:prefix:asOf:from:after:limit:)`` gave them.
    ///   - target: the collection that is written.
    /// - Throws: as ``copy`` and ``delete``.
    package func restore(
        _ differences: [Difference], of name: String, asOf: Int64, to target: String, in transaction: TransactionID,
        by actor: String
    ) async throws {
        for difference in differences where difference.past != nil {
            _ = try await copy(
                from: name, key: difference.key, asOf: asOf, to: target, key: difference.key, replacing: nil, by: actor,
                in: transaction)
        }
        let gone = differences.filter { $0.past == nil }.map { (key: $0.key, version: String?.none) }
        try await delete(collection: target, gone, by: actor, in: transaction)
    }

    /// The first TID whose state of a collection can still be read.
    package func horizon(of name: String) async throws -> Int64 {
        let collection = try await collection(name)
        let horizon = try await journal.find { try Self.horizon(of: collection.id, in: $0) }
        return max(horizon ?? 0, collection.id)
    }
}
