import Database
import Journal
package import Wire

// What clients change of items by hand, one at a time or many as one.
extension Catalogue {
    /// Stores a STAC Item by hand.
    ///
    /// - Parameters:
    ///   - id: the id that the document must have; nil for any.
    ///   - check: looks at the TID of what is there, nil for nothing, and throws where that is not to be replaced. It
    ///     may run more than once.
    /// - Throws: as ``put(item:collection:product:by:)``, and what `check` throws.
    package func put(
        item document: [UInt8], id: String? = nil, collection name: String, by actor: String,
        check: @escaping @Sendable (_ tid: Int64?) throws -> Void
    ) async throws -> (item: ItemRecord, isChanged: Bool) {
        let item = try ItemDocument(parsing: document, collection: name)
        try Self.check(item.id, is: id)
        return try await change([item], collection: name, by: actor) { _, tid in try check(tid) }[0]
    }

    /// Stores several items as one change, or none of them.
    ///
    /// - Parameter check: looks at the id of each item and the TID of what is there for it; see above.
    /// - Throws: as for one.
    package func put(
        _ batch: ItemBatch, by actor: String, check: @escaping @Sendable (_ id: String, _ tid: Int64?) throws -> Void
    ) async throws -> [(item: ItemRecord, isChanged: Bool)] {
        try await change(batch.items, collection: batch.collection, by: actor, check: check)
    }

    /// Changes the document of an item.
    ///
    /// - Parameters:
    ///   - check: looks at the TID of the item; see above.
    ///   - edit: makes the new document of the stored one. It may run more than once.
    /// - Throws: ``CatalogueError`` `.noSuchItem`, `.invalidItem` for what `edit` made; and what the two throw.
    package func edit(
        collection name: String, id: String, by actor: String,
        check: @escaping @Sendable (_ tid: Int64?) throws -> Void,
        _ edit: @escaping @Sendable (JSONValue) throws -> JSONValue
    ) async throws -> ItemRecord {
        let engine = journal.database.engine
        let now = Timestamp.now
        let (record, types, collection) = try await journal.write { [self] transaction, events in
            try transaction.lock("item \(name)/\(id)")
            let collection = try Self.collectionID(name, in: transaction)
            let stored = try transaction.first(
                "\(Self.itemSelect()) WHERE i.id = ? AND i.collection = ?", .init(id), .init(collection)
            ) { Self.item($0, collection: name) }
            guard let stored else { throw CatalogueError.noSuchItem(id, in: name) }
            try check(stored.tid)
            let item = try ItemDocument(
                parsing: edit(JSONValue(parsing: stored.document)).bytes, collection: name)
            try Self.check(item.id, is: id)
            let (record, _) = try Self.store(
                item, in: (collection, name), product: nil, at: now, by: actor, engine: engine, transaction, &events)
            try Self.note(unknown(item.propertyTypes, of: collection), of: collection, in: transaction)
            return (record, item.propertyTypes, collection)
        }
        remember(types, of: collection)
        return record
    }

    /// The documents of items in a body, as they stand there: one Item, or those of a FeatureCollection.
    ///
    /// - Parameter bulk: whether they are instead the members of `items`, whose names are their ids.
    /// - Throws: ``CatalogueError`` `.invalidItem`.
    package static func documents(in body: [UInt8], bulk: Bool = false) throws -> [[UInt8]] {
        let json: JSONValue
        do {
            json = try JSONValue(parsing: body)
        } catch {
            throw ItemDocument.invalid("", "the body is \(error)")
        }
        let name = bulk ? "items" : "features"
        guard bulk || json["type"]?.string == "FeatureCollection" else { return [body] }
        let isRight = bulk ? json["items"]?.object != nil : json["features"]?.array != nil
        // Behind a byte order mark or white space the object begins.
        guard isRight, let start = body.firstIndex(of: UInt8(ascii: "{")),
            let list = JSONSpans.members(body, at: start).last(where: { body[$0.name].elementsEqual(name.utf8) })?.value
        else {
            throw ItemDocument.invalid(
                name, bulk ? "items must be an object with an item for each id" : "features must be a list of items")
        }
        guard bulk else { return JSONSpans.elements(body, at: list.lowerBound).map { Array(body[$0]) } }
        for member in json["items"]?.object?.members ?? [] where member.value["id"]?.string != member.name {
            let id = member.name.prefix(256)
            throw ItemDocument.invalid("items", "the item at '\(id)' has another id than that")
        }
        return JSONSpans.members(body, at: list.lowerBound).map { Array(body[$0.value]) }
    }

    private static func check(_ id: String, is wanted: String?) throws {
        guard let wanted, id != wanted else { return }
        throw CatalogueError(.invalidItem, "id must be '\(wanted.prefix(256))', as in the address", member: "id")
    }

    private func change(
        _ items: [ItemDocument], collection name: String, by actor: String,
        check: @escaping @Sendable (String, Int64?) throws -> Void
    ) async throws -> [(item: ItemRecord, isChanged: Bool)] {
        let engine = journal.database.engine
        let now = Timestamp.now
        // In one order, so that two that change the same items wait for each other only one way.
        let ids = items.map(\.id).sorted()
        let types = items.reduce(into: [String: PropertyType]()) { $0.merge($1.propertyTypes) { $0.union($1) } }
        let stored: [(item: ItemRecord, isChanged: Bool)]
        let collection: Int64
        do {
            (stored, collection) = try await journal.write { [self] transaction, events in
                for id in ids { try transaction.lock("item \(name)/\(id)") }
                let collection = try Self.collectionID(name, in: transaction)
                var out: [(item: ItemRecord, isChanged: Bool)] = []
                for item in items {
                    let tid = try transaction.scalar(
                        "SELECT tid FROM items WHERE id = ? AND collection = ?", .init(item.id), .init(collection))
                    try check(item.id, tid)
                    out.append(
                        try Self.store(
                            item, in: (collection, name), product: nil, at: now, by: actor, engine: engine, transaction,
                            &events))
                }
                try Self.note(unknown(types, of: collection), of: collection, in: transaction)
                return (out, collection)
            }
        } catch let error as DatabaseError where error.code == .constraint(.foreignKey) {
            throw CatalogueError.noSuchCollection(name)
        }
        remember(types, of: collection)
        if directories[""]?.contains(name) == false { directories.clear() }
        return stored
    }
}

/// Several items of one collection, read and checked, to be stored as one change.
package struct ItemBatch: Sendable {
    /// Items that one transaction stores at most.
    package static let countMax = 2000

    let items: [ItemDocument]
    let collection: String

    /// - Throws: ``CatalogueError`` `.invalidItem` with the place of the item among the others, `.tooLarge` for more
    ///   than ``countMax``.
    package init(_ documents: [[UInt8]], collection: String) throws {
        guard documents.count <= Self.countMax else {
            throw CatalogueError(
                .tooLarge, "at most \(Self.countMax) items can be put at once, these are \(documents.count)")
        }
        self.collection = collection
        items = try documents.enumerated().map { index, document in
            do {
                return try ItemDocument(parsing: document, collection: collection)
            } catch var error as CatalogueError where documents.count > 1 {
                error.message = "item \(index + 1): \(error.message)"
                throw error
            }
        }
        guard Set(items.map(\.id)).count == items.count else {
            throw CatalogueError(.invalidItem, "two of the items have the same id", member: "id")
        }
    }

    package var ids: [String] { items.map(\.id) }
}
