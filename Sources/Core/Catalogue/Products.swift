package import Database
package import Journal
package import Wire

extension EventKind {
    /// Everything of a product has come: it is an Item now, and gets its trace.
    package static let productCompleted = EventKind("product.completed")
    package static let productRemoved = EventKind("product.removed")
}

/// A product that changed and is not yet described anew.
package struct PendingProduct: Sendable, Hashable {
    package var collection: Int64
    package var path: ProductPath
    /// When its last change was seen.
    package var changed: Timestamp
    /// Names this state of the product: rises with each change.
    package var changedTID: Int64
}

/// Which products there are, and which of them changed since they were last described.
///
/// A product waits here from its first object until it is complete, so a crash or a restart forgets none.
package final class Products: Sendable {
    package static let migrations = [
        Migration(
            module: "products", number: 1,
            [
                """
                CREATE TABLE products (
                    collection INTEGER NOT NULL, path TEXT NOT NULL, changed_tid INTEGER NOT NULL,
                    changed_at INTEGER NOT NULL, completed_tid INTEGER NOT NULL, PRIMARY KEY (collection, path)) WITHOUT ROWID
                """,
                // Only those that wait: described ones have completed_tid = changed_tid.
                "CREATE INDEX products_pending ON products (changed_at) WHERE completed_tid < changed_tid",
                // One row: the address with which the items' assets begin.
                "CREATE TABLE product_address (one INTEGER PRIMARY KEY, address TEXT NOT NULL)",
            ])
    ]

    private let journal: Journal

    package init(journal: Journal) { self.journal = journal }

    /// Notes that objects of a product came or went.
    ///
    /// - Parameter changes: the product, the TID of its last change, and when that was.
    package func note(_ changes: [(collection: Int64, path: ProductPath, tid: Int64, time: Timestamp)]) async throws {
        guard !changes.isEmpty else { return }
        try await journal.database.write { transaction in
            for change in changes {
                try transaction.run(
                    """
                    INSERT INTO products (collection, path, changed_tid, changed_at, completed_tid) VALUES (?, ?, ?, ?, 0)
                    ON CONFLICT (collection, path) DO UPDATE
                    SET changed_tid = excluded.changed_tid, changed_at = excluded.changed_at
                    WHERE excluded.changed_tid > products.changed_tid
                    """,
                    .init(change.collection), .init(change.path.text), .init(change.tid),
                    .init(change.time.microseconds))
            }
        }
    }

    /// Products whose last change was seen before `moment`, the oldest first.
    package func pending(changedBefore moment: Timestamp, limit: Int = 100) async throws -> [PendingProduct] {
        try await journal.read { reader in
            try reader.rows(
                """
                SELECT collection, path, changed_at, changed_tid FROM products
                WHERE completed_tid < changed_tid AND changed_at <= ? ORDER BY changed_at LIMIT ?
                """,
                .init(moment.microseconds), .init(limit)
            ) { row in
                PendingProduct(
                    collection: row.int(0), path: ProductPath(stored: row.text(1)),
                    changed: Timestamp(microseconds: row.int(2)), changedTID: row.int(3))
            }
        }
    }

    /// Whether a product waits, and since when.
    package func pending(collection: Int64, path: ProductPath) async throws -> PendingProduct? {
        try await journal.read { reader in
            try reader.first(
                """
                SELECT changed_at, changed_tid FROM products WHERE collection = ? AND path = ? AND completed_tid < changed_tid
                """,
                .init(collection), .init(path.text)
            ) { row in
                PendingProduct(
                    collection: collection, path: path, changed: Timestamp(microseconds: row.int(0)),
                    changedTID: row.int(1))
            }
        }
    }

    /// How many products wait.
    package func pendingCount() async throws -> Int64 {
        try await journal.read { try $0.scalar("SELECT count(*) FROM products WHERE completed_tid < changed_tid") ?? 0 }
    }

    /// Notes that a product is described as it was at its last change. If it changed again meanwhile, it goes on
    /// waiting.
    package func complete(_ product: PendingProduct, collection name: String, by actor: String, isRemoved: Bool)
        async throws
    {
        try await journal.write { transaction, events in
            let changed = try transaction.execute(
                "UPDATE products SET completed_tid = ? WHERE collection = ? AND path = ? AND completed_tid < ?",
                .init(product.changedTID), .init(product.collection), .init(product.path.text),
                .init(product.changedTID))
            guard changed > 0 else { return }
            if isRemoved {
                try transaction.run(
                    "DELETE FROM products WHERE collection = ? AND path = ? AND changed_tid = ?",
                    .init(product.collection),
                    .init(product.path.text), .init(product.changedTID))
            }
            events.record(
                isRemoved ? .productRemoved : .productCompleted, by: actor, on: "\(name)/\(product.path.text)",
                collection: product.collection
            ) { $0.member("product", product.path.text) }
        }
    }

    /// Tells under which address clients reach objects. If it is another one than before, every product is described
    /// anew, since items hold the addresses of their assets.
    package func setAddress(_ address: String) async throws {
        let changed = try await journal.database.write { transaction in
            try transaction.lock("product address")
            let known = try transaction.first("SELECT address FROM product_address WHERE one = 1") { $0.text(0) }
            guard known != address else { return false }
            try transaction.run(
                """
                INSERT INTO product_address (one, address) VALUES (1, ?)
                ON CONFLICT (one) DO UPDATE SET address = excluded.address
                """,
                .init(address))
            try transaction.run("UPDATE products SET completed_tid = 0")
            return known != nil
        }
        if changed { journal.wake() }
    }
}
