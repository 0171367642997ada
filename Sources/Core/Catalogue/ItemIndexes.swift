import CQL2
import Database
package import Journal
import Wire

extension EventKind {
    package static let itemIndexMade = EventKind("item-index.made")
    package static let itemIndexRemoved = EventKind("item-index.removed")
}

/// An index over one property of a collection's items.
package struct ItemIndex: Sendable, Hashable {
    package var property: String
    /// Whether it holds all items, so that searches use it.
    package var isReady: Bool

    package init(property: String, isReady: Bool) {
        self.property = property
        self.isReady = isReady
    }
}

extension Catalogue {
    /// Indexes that a collection can have: each makes every change of an item dearer.
    package static let indexesMax = 16
    /// Items that one transaction adds to a new index.
    private static let indexedAtOnce = 100

    /// - Throws: ``CatalogueError`` `.noSuchCollection`.
    package func indexes(of name: String) async throws -> [ItemIndex] {
        try await journal.read { reader in
            let collection = try Self.collectionID(name, in: reader)
            return try reader.rows(
                "SELECT property, ready FROM item_indexes WHERE collection = ? ORDER BY property", .init(collection)
            ) { ItemIndex(property: $0.text(0), isReady: $0.bool(1)) }
        }
    }

    /// Makes an index, and returns when it holds all items. To make one that is there already finishes what another
    /// call may have left undone.
    ///
    /// - Parameter property: with or without `properties.` before it.
    /// - Throws: ``CatalogueError`` `.noSuchCollection`, `.invalidQuery` for a name that cannot be indexed or one index
    ///   too many.
    package func makeIndex(of name: String, property: String, by actor: String) async throws {
        let property = PropertyBytes.name(property)
        guard !property.isEmpty, property.utf8.count <= PropertyType.nameBytesMax, !property.utf8.contains(0),
            !["id", "collection", "datetime", "geometry"].contains(property)
        else {
            throw CatalogueError(
                .invalidQuery,
                "'\(property.prefix(80))' needs no index: give the name of a property of 1 to \(PropertyType.nameBytesMax) bytes"
            )
        }
        let (collection, index, tid) = try await journal.write { transaction, events in
            try transaction.lock("item indexes of \(name)")
            let collection = try Self.collectionID(name, in: transaction)
            let there = try transaction.scalar(
                "SELECT id FROM item_indexes WHERE collection = ? AND property = ?", .init(collection), .init(property))
            let tid = try transaction.tid
            if let there { return (collection, there, tid) }
            let count = try transaction.scalar(
                "SELECT count(*) FROM item_indexes WHERE collection = ?", .init(collection))
            guard count ?? 0 < Self.indexesMax else {
                throw CatalogueError(
                    .invalidQuery, "'\(name)' has \(Self.indexesMax) indexes, the most that it can have")
            }
            try transaction.run(
                "INSERT INTO item_indexes (id, collection, property, ready) VALUES (?, ?, ?, 0)", .init(tid),
                .init(collection), .init(property))
            events.record(.itemIndexMade, by: actor, on: name, collection: collection) {
                $0.member("property", property)
            }
            return (collection, tid, tid)
        }
        // Whoever writes items without knowing of the index began before it: they are waited for.
        _ = try await journal.read(asOf: tid) { _ in true }
        var last = Int64.min
        while let reached = try await fill(index, property: property, of: name, collection: collection, after: last) {
            last = reached
        }
        try await journal.database.write { transaction in
            try transaction.run("UPDATE item_indexes SET ready = 1 WHERE id = ?", .init(index))
        }
    }

    /// Adds a few items to an index.
    ///
    /// - Returns: the number of the last one; nil when there are no more.
    private func fill(
        _ index: Int64, property: String, of name: String, collection: Int64, after last: Int64
    ) async throws -> Int64? {
        let batch = try await journal.read { reader in
            try reader.rows(
                "SELECT number, id FROM items WHERE collection = ? AND number > ? ORDER BY number LIMIT ?",
                .init(collection), .init(last), .init(Self.indexedAtOnce)
            ) { (number: $0.int(0), id: $0.text(1)) }
        }
        guard let reached = batch.last?.number else { return nil }
        try await journal.database.write { transaction in
            // As whoever changes one of them does, and in one order.
            for id in batch.map(\.id).sorted() { try transaction.lock("item \(name)/\(id)") }
            for item in batch {
                let properties = try transaction.first(
                    "SELECT properties FROM item_documents WHERE item = ?", .init(item.number)
                ) { PropertyBytes($0.blob(0)) }
                guard let properties else { continue }
                try Self.add(item.number, properties[property], to: index, in: transaction)
            }
        }
        return reached
    }

    /// - Throws: ``CatalogueError`` `.noSuchCollection`, `.invalidQuery` where there is no such index.
    package func removeIndex(of name: String, property: String, by actor: String) async throws {
        let property = PropertyBytes.name(property)
        try await journal.write { transaction, events in
            try transaction.lock("item indexes of \(name)")
            let collection = try Self.collectionID(name, in: transaction)
            let removed = try transaction.execute(
                "DELETE FROM item_indexes WHERE collection = ? AND property = ?", .init(collection), .init(property))
            guard removed > 0 else {
                throw CatalogueError(.invalidQuery, "'\(name)' has no index of '\(property.prefix(80))'")
            }
            events.record(.itemIndexRemoved, by: actor, on: name, collection: collection) {
                $0.member("property", property)
            }
        }
    }

    // MARK: Items

    /// Brings an item's values in the indexes of its collection up to date.
    static func index(
        _ item: ItemDocument, number: Int64, isNew: Bool, _ change: inout ItemsChange, in transaction: Transaction
    ) throws {
        let indexes =
            try change.indexes
            ?? transaction.rows(
                "SELECT id, property FROM item_indexes WHERE collection = ?", .init(change.collection.id)
            ) { (id: $0.int(0), property: $0.text(1)) }
        change.indexes = indexes
        guard !indexes.isEmpty else { return }
        if !isNew { try transaction.run("DELETE FROM item_values WHERE item = ?", .init(number)) }
        let properties = PropertyBytes(Array(item.bytes[item.properties]))
        for index in indexes { try add(number, properties[index.property], to: index.id, in: transaction) }
    }

    private static func add(_ item: Int64, _ value: JSONValue?, to index: Int64, in transaction: Transaction) throws {
        let keys = PropertyKey.of(value).map { [$0] } ?? [PropertyKey.first, PropertyKey.last]
        for key in keys {
            try transaction.run(
                "INSERT INTO item_values (property, value, item) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", .init(index),
                .init(key), .init(item))
        }
    }
}

extension SearchScan {
    /// Collections up to which a search asks for their indexes.
    static let indexedCollectionsMax = 16

    /// The indexes of a property in all collections that are searched; nil where one has none.
    func indexes(of property: String) throws -> [Int64]? {
        let collections = filter.collections ?? filter.directory.entries.map(\.id)
        guard tables.asOf == nil, !collections.isEmpty, collections.count <= Self.indexedCollectionsMax else {
            return nil
        }
        let marks = collections.map { _ in "?" }.joined(separator: ", ")
        let found = try reader.rows(
            "SELECT id FROM item_indexes WHERE property = ? AND ready = 1 AND collection IN (\(marks))",
            [.init(property)] + collections.map { .init($0) }
        ) { $0.int(0) }
        return found.count == collections.count ? found : nil
    }

    /// The items that an index shows for one of the filter's conditions, for the words that are looked for, or for what
    /// policy asks of properties, where these are few.
    ///
    /// - Returns: their numbers; nil where no index helps.
    func probe(limit: Int) throws -> [Int64]? {
        var best: [Int64]?
        if let words = filter.condition?.words {
            best = try ItemWords.find(words, in: filter.collections, limit: limit, engine: engine, reader)
        }
        for condition in filter.condition?.filter?.conjuncts ?? [] {
            guard let indexed = IndexedCondition(condition), let indexes = try indexes(of: indexed.property) else {
                continue
            }
            var found = Set<Int64>()
            let most = best?.count ?? limit
            for index in indexes {
                for range in indexed.ranges where found.count <= most {
                    try reader.query(
                        "SELECT item FROM item_values WHERE property = ? AND value >= ? AND value <= ? LIMIT ?",
                        .init(index), .init(range.lowerBound.bytes), .init(range.upperBound.bytes),
                        .init(most + 1 - found.count)
                    ) { found.insert($0.int(0)) }
                }
            }
            if found.count <= most { best = Array(found) }
        }
        return try probeShown(limit: best?.count ?? limit) ?? best
    }
}
