import Database
import Journal
import Synchronization
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
            var change = ItemsChange(collection: (collection, name), actor: actor, engine: engine)
            let (record, _) = try Self.store(item, &change, transaction, &events)
            try change.growth.write(collection: collection, in: transaction)
            try Self.note(unknown(item.propertyTypes, of: collection), of: collection, in: transaction)
            return (record, item.propertyTypes, collection)
        }
        remember(types, of: collection)
        return record
    }

    /// The documents of items in a body, as they stand there: one Item, or those of a FeatureCollection.
    ///
    /// - Throws: ``CatalogueError`` `.invalidItem`.
    package static func documents(in body: [UInt8]) throws -> [[UInt8]] {
        let members = try members(of: body)
        guard try members["type"].map({ try JSONValue(parsing: Array(body[$0])) }) == "FeatureCollection" else {
            return [body]
        }
        guard let list = members["features"], body[list.lowerBound] == UInt8(ascii: "[") else {
            throw ItemDocument.invalid("features", "features must be a list of items")
        }
        return JSONSpans.elements(body, at: list.lowerBound).map { Array(body[$0]) }
    }

    /// The documents of items in a body that has them in `items` by their ids, and what it says of its `method`.
    ///
    /// - Throws: ``CatalogueError`` `.invalidItem`.
    package static func bulk(in body: [UInt8]) throws -> (documents: [[UInt8]], method: JSONValue?) {
        let members = try members(of: body)
        guard let list = members["items"], body[list.lowerBound] == UInt8(ascii: "{") else {
            throw ItemDocument.invalid("items", "items must be an object with an item for each id")
        }
        let documents = try JSONSpans.members(body, at: list.lowerBound).map { member in
            let quoted = (member.name.lowerBound - 1)...member.name.upperBound
            let name = try JSONValue(parsing: Array(body[quoted])).string ?? ""
            let document = Array(body[member.value])
            let id = JSONSpans.object(document).flatMap { start in
                JSONSpans.members(document, at: start).last { document[$0.name].elementsEqual("id".utf8) }
            }
            guard try id.map({ try JSONValue(parsing: Array(document[$0.value])) })?.string == name else {
                throw ItemDocument.invalid("items", "the item at '\(name.prefix(256))' has another id than that")
            }
            return document
        }
        return (documents, try members["method"].map { try JSONValue(parsing: Array(body[$0])) })
    }

    /// Where the values of a body's members are; none where it is no object.
    private static func members(of body: [UInt8]) throws -> [String: Range<Int>] {
        do {
            try JSONValue.check(body)
        } catch {
            throw ItemDocument.invalid("", "the body is \(error)")
        }
        guard let start = JSONSpans.object(body) else { return [:] }
        let members = JSONSpans.members(body, at: start)
        return Dictionary(members.map { (String(decoding: body[$0.name], as: UTF8.self), $0.value) }) { $1 }
    }

    private static func check(_ id: String, is wanted: String?) throws {
        guard let wanted, id != wanted else { return }
        throw CatalogueError(.invalidItem, "id must be '\(wanted.prefix(256))', as in the address", member: "id")
    }

    /// - Parameter product: what the one item stands for, see ``put(item:collection:product:by:)``.
    func change(
        _ items: [ItemDocument], collection name: String, product: String? = nil, by actor: String,
        check: @escaping @Sendable (String, Int64?) throws -> Void = { _, _ in }
    ) async throws -> [(item: ItemRecord, isChanged: Bool)] {
        let engine = journal.database.engine
        // In one order, so that two that change the same items wait for each other only one way.
        let ids = items.map(\.id).sorted()
        let types = items.reduce(into: [String: PropertyType]()) { $0.merge($1.propertyTypes) { $0.union($1) } }
        let stored: [(item: ItemRecord, isChanged: Bool)]
        let collection: Int64
        do {
            (stored, collection) = try await journal.write { [self] transaction, events in
                for id in ids { try transaction.lock("item \(name)/\(id)") }
                let collection = try Self.collectionID(name, in: transaction)
                var change = ItemsChange(collection: (collection, name), actor: actor, engine: engine)
                let out = try items.map { item in
                    try Self.store(item, product: product, &change, transaction, &events) { try check(item.id, $0) }
                }
                try change.growth.write(collection: collection, in: transaction)
                try Self.note(unknown(types, of: collection), of: collection, in: transaction)
                return (out, collection)
            }
        } catch let error as DatabaseError where error.code == .constraint(.foreignKey) {
            throw CatalogueError.noSuchCollection(name)
        }
        remember(types, of: collection)
        // A new collection is found at once on the node that filled it.
        knownDirectory.withLock { if $0.lacks(name) { $0.forget() } }
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
