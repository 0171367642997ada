import Database
import Journal
import Wire

/// Where a search and a look-up read: what is there, or what was as of a TID.
struct ItemTables: Sendable {
    /// Tables, or selections in their place, with the columns of `items` and `item_documents`.
    let items: String
    let documents: String
    let asOf: Int64?

    static let present = ItemTables(items: "items", documents: "item_documents", asOf: nil)

    private init(items: String, documents: String, asOf: Int64?) {
        self.items = items
        self.documents = documents
        self.asOf = asOf
    }

    /// As of a TID each item has one row: that of today if it is so old, or one that ended later.
    init(asOf tid: Int64?) {
        guard let tid else {
            self = .present
            return
        }
        let columns = Catalogue.itemColumns.joined(separator: ", ")
        let wasThen = "past_items WHERE tid <= \(tid) AND ended > \(tid)"
        items = "(SELECT \(columns) FROM items WHERE tid <= \(tid) UNION ALL SELECT \(columns) FROM \(wasThen))"
        documents = """
            (SELECT d.item, d.geometry, d.properties, d.document FROM item_documents d JOIN items t ON t.number = d.item
            WHERE t.tid <= \(tid) UNION ALL SELECT number AS item, geometry, properties, document FROM \(wasThen))
            """
        asOf = tid
    }
}

extension Catalogue {
    /// Keeps what an item is now for readers of the past; the transaction replaces or removes it.
    static func keepPast(of item: Int64, in transaction: Transaction) throws {
        let columns = itemColumns.joined(separator: ", ")
        try transaction.run(
            """
            INSERT INTO past_items (ended, ended_at, \(columns), geometry, properties, document)
            SELECT CAST(? AS INTEGER), CAST(? AS INTEGER), \(columns), geometry, properties, document FROM items
            JOIN item_documents ON item = number WHERE number = ?
            """,
            .init(transaction.tid), .init(Timestamp.now.microseconds), .init(item))
    }

    /// Runs `body` on a snapshot that holds the items as of a TID, or on the present one for nil.
    ///
    /// - Parameter covers: whether a collection, by its row id, is looked at.
    /// - Throws: `PastError` `.notYet`, `.unsettled`, or `.notKept` with the name of a collection.
    func read<T: Sendable>(
        asOf tid: Int64?, covers: @escaping @Sendable (Int64) -> Bool,
        _ body: @escaping @Sendable (Reader) throws -> T
    ) async throws -> T {
        guard let tid else { return try await journal.read(body) }
        return try await journal.read(asOf: tid) { reader in
            // A collection's id is the TID that made it: those made later hold nothing of then.
            try reader.query(
                """
                SELECT c.id, c.name, h.tid FROM horizons h JOIN collections c ON c.id = h.collection
                WHERE h.tid > ? AND c.id <= ?
                """,
                .init(tid), .init(tid)
            ) { row in
                guard covers(row.int(0)) else { return }
                throw PastError.notKept(tid, in: row.text(1), horizon: row.int(2))
            }
            return try body(reader)
        }
    }

    /// Removes what items were, where it ended long enough ago. From then on it cannot be told any more what there was
    /// before.
    ///
    /// - Returns: how many rows, at most `limit`.
    package func purgePast(olderThan seconds: Int64, limit: Int = 500) async throws -> Int {
        let before = Timestamp.now.adding(seconds: -seconds).microseconds
        return try await journal.database.write { transaction in
            let rows = try transaction.rows(
                """
                SELECT number, tid, collection, ended FROM past_items WHERE ended_at <= ? ORDER BY ended_at LIMIT ?
                """,
                .init(before), .init(limit)
            ) { (number: $0.int(0), tid: $0.int(1), collection: $0.int(2), ended: $0.int(3)) }
            for row in rows {
                try transaction.run(
                    "DELETE FROM past_items WHERE number = ? AND tid = ?", .init(row.number), .init(row.tid))
            }
            for (collection, ended) in Dictionary(rows.map { ($0.collection, $0.ended) }, uniquingKeysWith: max)
                .sorted(by: { $0.key < $1.key })
            {
                try transaction.run(
                    """
                    INSERT INTO horizons (collection, tid) SELECT id, CAST(? AS INTEGER) FROM collections WHERE id = ?
                    ON CONFLICT (collection) DO UPDATE SET tid = excluded.tid WHERE horizons.tid < excluded.tid
                    """,
                    .init(ended), .init(collection))
            }
            return rows.count
        }
    }
}
