import Database
import Journal
import Synchronization
import Wire

/// A property that the items of a collection have or had, and the types of its values.
package struct Queryable: Sendable, Hashable {
    package var name: String
    package var types: PropertyType
    /// Whether each collection that was asked about has an index of it.
    package var isIndexed: Bool
}

extension Catalogue {
    /// Properties that are told of all collections together.
    private static let queryablesMax = 2000
    private static let collectionsMax = 500

    /// The properties of the items in some collections, by name. They are those of all items that ever came: what the
    /// last item with a property takes with it is not noticed.
    package func queryables(_ collections: CollectionDirectory) async throws -> [Queryable] {
        let ids = collections.isWhole ? nil : collections.entries.prefix(Self.collectionsMax).map(\.id)
        if let ids, ids.isEmpty { return [] }
        let marks = (ids ?? []).map { _ in "?" }.joined(separator: ", ")
        let condition = ids == nil ? "" : " WHERE p.collection IN (\(marks))"
        let values = (ids ?? []).map { SQLValue($0) }
        let count = Int64(collections.count)
        return try await journal.read { reader in
            var found: [String: Queryable] = [:]
            var counts: [String: Int64] = [:]
            try reader.query(
                """
                SELECT p.name, p.types, x.ready FROM item_properties p
                LEFT JOIN item_indexes x ON x.collection = p.collection AND x.property = p.name\(condition)
                """, values
            ) { row in
                let name = row.text(0)
                guard found[name] != nil || found.count < Self.queryablesMax else { return }
                found[name, default: Queryable(name: name, types: [], isIndexed: false)].types
                    .insert(PropertyType(rawValue: row.int(1)))
                if row.bool(2) { counts[name, default: 0] += 1 }
            }
            for (name, indexed) in counts where indexed == count { found[name]?.isIndexed = true }
            return found.values.sorted { $0.name < $1.name }
        }
    }

    // MARK: Of an item that is put

    /// Collections whose properties are kept in mind.
    private static let knownMax = 1000

    /// The types that no item of the collection had before, as far as this node knows.
    func unknown(_ types: [String: PropertyType], of collection: Int64) -> [(name: String, types: PropertyType)] {
        let known = knownProperties.withLock { $0[collection] } ?? [:]
        return types.filter { !(known[$0.key] ?? []).isSuperset(of: $0.value) }.map { ($0.key, $0.value) }
            .sorted { $0.name < $1.name }
    }

    /// Called once they are stored.
    func remember(_ types: [String: PropertyType], of collection: Int64) {
        knownProperties.withLock { known in
            if known[collection] == nil, known.count >= Self.knownMax { known = [:] }
            known[collection, default: [:]].merge(types) { $0.union($1) }
        }
    }

    static func note(
        _ types: [(name: String, types: PropertyType)], of collection: Int64, in transaction: Transaction
    ) throws {
        for (name, types) in types {
            try transaction.run(
                """
                INSERT INTO item_properties (collection, name, types) VALUES (?, ?, ?)
                ON CONFLICT (collection, name) DO UPDATE SET types = item_properties.types | excluded.types
                """,
                .init(collection), .init(name), .init(types.rawValue))
        }
    }
}
