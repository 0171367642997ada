import Database
import Geometry
package import Journal
import Wire

extension EventKind {
    package static let itemPut = EventKind("item.put")
    package static let itemDeleted = EventKind("item.deleted")
}

extension Catalogue {
    /// Stores a STAC Item, in place of the one with its id or of the one that stood for its product.
    ///
    /// The document stays as it was handed in, but for three things: its `collection` becomes this collection's name,
    /// a missing `links` is added, and links that hold for one node only (self, root, parent, collection) are dropped.
    /// The same document again changes nothing.
    ///
    /// - Parameter product: the folder or key that the item stands for; nil for an item put by hand, which leaves a
    ///   product as it was.
    /// - Returns: the stored item, and whether anything changed.
    /// - Throws: ``CatalogueError`` `.invalidItem`, `.tooLarge`, `.noSuchCollection`, `.idTaken`.
    @discardableResult
    package func put(
        item document: [UInt8], collection name: String, product: String? = nil, by actor: String
    ) async throws -> (item: ItemRecord, isChanged: Bool) {
        let item = try ItemDocument(parsing: document, collection: name)
        return try await change([item], collection: name, product: product, by: actor)[0]
    }

    /// Removes an item.
    ///
    /// - Parameter check: looks at the item's TID, and throws where it is not to be removed. It may run more than once.
    /// - Throws: ``CatalogueError`` `.noSuchCollection`, `.noSuchItem`, and what `check` throws.
    package func remove(
        collection name: String, id: String, by actor: String,
        check: @escaping @Sendable (_ tid: Int64) throws -> Void = { _ in }
    ) async throws {
        try await journal.write { transaction, events in
            try transaction.lock("item \(name)/\(id)")
            let collection = try Self.collectionID(name, in: transaction)
            guard
                let stored = try Self.stored(
                    "i.id = ? AND i.collection = ?", [.init(id), .init(collection)], transaction)
            else {
                throw CatalogueError.noSuchItem(id, in: name)
            }
            try check(stored.tid)
            try Self.delete(stored, in: (collection, name), by: actor, transaction, &events)
        }
    }

    /// Removes the item that stands for a product, if there is one.
    ///
    /// - Returns: whether there was one.
    /// - Throws: ``CatalogueError`` `.noSuchCollection`.
    @discardableResult
    package func remove(collection name: String, product: String, by actor: String) async throws -> Bool {
        try await journal.write { transaction, events in
            let collection = try Self.collectionID(name, in: transaction)
            guard let found = try Self.stored(product: product, collection, transaction) else { return false }
            try transaction.lock("item \(name)/\(found.id)")
            guard let stored = try Self.stored(product: product, collection, transaction) else { return false }
            try Self.delete(stored, in: (collection, name), by: actor, transaction, &events)
            return true
        }
    }

    /// - Parameter asOf: the TID whose state is read; nil for the present one.
    /// - Throws: ``CatalogueError`` `.noSuchCollection`, `.noSuchItem`; `PastError` for a state that cannot be read.
    package func item(collection name: String, id: String, asOf: Int64? = nil) async throws -> ItemRecord {
        guard let asOf else { return try await journal.find { try Self.item(id, in: name, .present, $0) } }
        let collection = try await self.collection(name).id
        return try await read(asOf: asOf, covers: { $0 == collection }) { reader in
            guard collection <= asOf else { throw CatalogueError.noSuchCollection(name) }
            return try Self.item(id, in: name, ItemTables(asOf: asOf), reader)
        }
    }

    private static func item(
        _ id: String, in name: String, _ tables: ItemTables, _ reader: Reader
    ) throws -> ItemRecord {
        let found = try reader.first(
            "\(itemSelect(tables)) WHERE i.id = ? AND i.collection = (SELECT id FROM collections WHERE name = ?)",
            .init(id), .init(name)
        ) { item($0, collection: name) }
        if let found { return found }
        _ = try collectionID(name, in: reader)
        throw CatalogueError.noSuchItem(id, in: name)
    }

    /// The item with a number, if it is still there.
    package func item(number: Int64) async throws -> ItemRecord? {
        try await journal.find { reader in
            let name = try reader.first(
                "SELECT c.name FROM items i JOIN collections c ON c.id = i.collection WHERE i.number = ?", .init(number)
            ) { $0.text(0) }
            guard let name else { return nil }
            return try reader.first("\(Self.itemSelect()) WHERE i.number = ?", .init(number)) {
                Self.item($0, collection: name)
            }
        }
    }

    /// Where the item is that stands for a product: the names of its collection and its own; nil where there is none.
    ///
    /// - Parameter collection: its row id.
    package func itemName(collection: Int64, product: String) async throws -> (collection: String, id: String)? {
        try await journal.find { reader in
            try reader.first(
                """
                SELECT c.name, i.id FROM items i JOIN collections c ON c.id = i.collection
                WHERE i.collection = ? AND i.product = ?
                """, .init(collection), .init(product)
            ) { ($0.text(0), $0.text(1)) }
        }
    }

    /// The product for which an item stands: its collection's row id and its path in it; nil where there is no such
    /// item, or it stands for none.
    package func product(collection name: String, id: String) async throws -> (collection: Int64, product: String)? {
        guard !name.utf8.contains(0), !id.utf8.contains(0) else { return nil }
        return try await journal.find { reader in
            try reader.first(
                """
                SELECT i.collection, i.product FROM items i
                WHERE i.id = ? AND i.collection = (SELECT id FROM collections WHERE name = ?) AND i.product IS NOT NULL
                """, .init(id), .init(name)
            ) { ($0.int(0), $0.text(1)) }
        }
    }

    /// The item that stands for a product.
    package func item(collection name: String, product: String) async throws -> ItemRecord? {
        try await journal.read { reader in
            try reader.first(
                "\(Self.itemSelect()) WHERE i.product = ? AND i.collection = (SELECT id FROM collections WHERE name = ?)",
                .init(product), .init(name)
            ) { Self.item($0, collection: name) }
        }
    }
}

extension Catalogue {
    static func itemSelect(_ tables: ItemTables = .present) -> String {
        """
        SELECT i.id, i.product, i.tid, i.updated, i.links_at, d.document, i.number FROM \(tables.items) i
        JOIN \(tables.documents) d ON d.item = i.number
        """
    }

    static func item(_ row: borrowing Row, collection: String) -> ItemRecord {
        ItemRecord(
            collection: collection, id: row.text(0), product: row.textOrNil(1), tid: row.int(2),
            updated: Timestamp(microseconds: row.int(3)), document: row.blob(5), linksAt: Int(row.int(4)),
            number: row.int(6))
    }

    static func collectionID(_ name: String, in reader: Reader) throws -> Int64 {
        guard let id = try reader.scalar("SELECT id FROM collections WHERE name = ?", .init(name)) else {
            throw CatalogueError.noSuchCollection(name)
        }
        return id
    }

    private struct Stored {
        var number: Int64
        var id: String
        var product: String?
        var tid: Int64
        var updated: Timestamp
    }

    private static func stored(_ condition: String, _ values: [SQLValue], _ reader: Reader) throws -> Stored? {
        try reader.first("SELECT number, id, product, tid, updated FROM items i WHERE \(condition)", values) { row in
            Stored(
                number: row.int(0), id: row.text(1), product: row.textOrNil(2), tid: row.int(3),
                updated: Timestamp(microseconds: row.int(4)))
        }
    }

    private static func stored(product: String, _ collection: Int64, _ reader: Reader) throws -> Stored? {
        try stored("i.collection = ? AND i.product = ?", [.init(collection), .init(product)], reader)
    }

    /// - Parameter check: looks at the TID of what is there, and throws where that is not to be replaced.
    static func store(
        _ item: ItemDocument, product: String? = nil, _ change: inout ItemsChange, _ transaction: Transaction,
        _ events: inout EventRecorder, check: (_ tid: Int64?) throws -> Void = { _ in }
    ) throws -> (ItemRecord, Bool) {
        let (collection, actor, engine) = (change.collection, change.actor, change.engine)
        let old = try stored("i.id = ? AND i.collection = ?", [.init(item.id), .init(collection.id)], transaction)
        try check(old?.tid)
        if let product {
            if let other = old?.product, other != product {
                throw CatalogueError(
                    .idTaken,
                    "the id '\(item.id)' stands for the product '\(other)' already: give '\(product)' another id",
                    member: "id")
            }
            // The product's item had another id before.
            if let former = try stored(product: product, collection.id, transaction), former.id != item.id {
                try delete(former, in: collection, by: actor, transaction, &events)
            }
        }
        let kept = product ?? old?.product
        var record = ItemRecord(
            collection: collection.name, id: item.id, product: kept, tid: 0, updated: change.now, document: item.bytes,
            linksAt: item.linksAt)
        if let old, old.product == kept {
            let isSame = try transaction.first("SELECT document FROM item_documents WHERE item = ?", .init(old.number))
            { row in
                row.withBytes(0) { $0.elementsEqual(item.bytes) }
            }
            if isSame == true {
                (record.tid, record.updated, record.number) = (old.tid, old.updated, old.number)
                return (record, false)
            }
        }
        record.tid = try transaction.tid
        // Several items may come in one transaction.
        let number = old?.number ?? (record.tid << 16 | transaction.nextOrdinal())
        record.number = number
        if old != nil { try keepPast(of: number, in: transaction) }
        try write(item, number: number, isNew: old == nil, record, collection: collection.id, transaction)
        if old != nil { try SpatialIndex.remove(item: number, engine: engine, in: transaction) }
        if let box = item.box {
            try SpatialIndex.add(
                item: number, box: box, datetime: item.datetime.microseconds, engine: engine, in: transaction)
        }
        try ItemWords.set(
            item.words, of: number, in: collection.id, isNew: old == nil, engine: engine, transaction)
        change.growth.add(item, isNew: old == nil)
        try index(item, number: number, isNew: old == nil, &change, in: transaction)
        events.record(.itemPut, by: actor, on: "\(collection.name)/\(item.id)", collection: collection.id) { json in
            if let kept { json.member("product", kept) }
            json.member("replaced", old != nil)
            json.member("number", number)
        }
        return (record, true)
    }

    static let itemColumns = [
        "number", "collection", "id", "product", "tid", "updated", "datetime", "start_time", "end_time", "west",
        "south",
        "east", "north", "links_at", "size",
    ]
    private static let upsert = """
        INSERT INTO items (\(itemColumns.joined(separator: ", ")))
        VALUES (\(itemColumns.map { _ in "?" }.joined(separator: ", "))) ON CONFLICT (number) DO UPDATE SET
        \(itemColumns.dropFirst().map { "\($0) = excluded.\($0)" }.joined(separator: ", "))
        """

    private static func write(
        _ item: ItemDocument, number: Int64, isNew: Bool, _ record: ItemRecord, collection: Int64,
        _ transaction: Transaction
    ) throws {
        try transaction.run(
            upsert,
            .init(number), .init(collection), .init(item.id), .init(record.product), .init(record.tid),
            .init(record.updated.microseconds), .init(item.datetime.microseconds),
            .init(item.times.lowerBound.microseconds), .init(item.times.upperBound.microseconds), .init(item.box?.west),
            .init(item.box?.south), .init(item.box?.east), .init(item.box?.north), .init(item.linksAt),
            .init(item.bytes.count))
        try transaction.run(
            isNew
                ? "INSERT INTO item_documents (geometry, properties, document, item) VALUES (?, ?, ?, ?)"
                : "UPDATE item_documents SET geometry = ?, properties = ?, document = ? WHERE item = ?",
            .init(item.geometry.map { Array(item.bytes[$0]) }), .init(Array(item.bytes[item.properties])),
            .init(item.bytes), .init(number))
        if !isNew { try transaction.run("DELETE FROM item_assets WHERE item = ?", .init(number)) }
        guard record.product == nil else { return }
        for key in item.assetKeys {
            try transaction.run(
                "INSERT INTO item_assets (collection, key, item) VALUES (?, ?, ?)", .init(collection), .init(key),
                .init(number))
        }
    }

    private static func delete(
        _ stored: Stored, in collection: (id: Int64, name: String), by actor: String, _ transaction: Transaction,
        _ events: inout EventRecorder
    ) throws {
        try keepPast(of: stored.number, in: transaction)
        try keepDeleted(stored.number, in: transaction)
        // Its document and areas go with it.
        guard try transaction.execute("DELETE FROM items WHERE number = ?", .init(stored.number)) == 1 else { return }
        try Extents.remove(1, collection: collection.id, in: transaction)
        events.record(.itemDeleted, by: actor, on: "\(collection.name)/\(stored.id)", collection: collection.id) {
            json in
            if let product = stored.product { json.member("product", product) }
            json.member("number", stored.number)
        }
    }
}

/// What the items that one transaction stores in a collection have in common: it is looked up and written once.
struct ItemsChange {
    let collection: (id: Int64, name: String)
    let actor: String
    let engine: Engine
    let now = Timestamp.now
    var growth = Extents.Growth()
    /// Read when the transaction has its TID: whoever makes an index waits for those that had one before.
    var indexes: [(id: Int64, property: String)]?
}
