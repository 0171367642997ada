import Database
import Journal
package import TraceFormat
import Wire

/// What the traces last said of one of the node's own products.
package struct TracedProduct: Sendable, Hashable {
    package var name: String
    /// In bytes.
    package var size: Int64
    /// BLAKE3 in lower-case hexadecimal digits.
    package var hash: String
    /// Whether a trace says that it is not recommended any more.
    package var isObsolete: Bool

    package init(name: String, size: Int64, hash: String, isObsolete: Bool) {
        (self.name, self.size, self.hash, self.isObsolete) = (name, size, hash, isObsolete)
    }
}

extension Ledger {
    /// Where the node's own products are: the log itself says what happened, not where.
    static let tracedProducts = Migration(
        module: "traced products", number: 1,
        [
            """
            CREATE TABLE traced_products (
                collection INTEGER NOT NULL, product TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL,
                hash BLOB NOT NULL, is_obsolete INTEGER NOT NULL, PRIMARY KEY (collection, product))
            """,
            "CREATE INDEX traced_products_by_hash ON traced_products (hash, name)",
        ])

    /// What the traces last said of a product; nil where they say nothing, or that it was removed.
    ///
    /// - Parameters:
    ///   - collection: its row id.
    ///   - product: its path in it.
    package func tracedProduct(collection: Int64, product: String) async throws -> TracedProduct? {
        try await journal.read { reader in
            try reader.first(
                "SELECT name, size, hash, is_obsolete FROM traced_products WHERE collection = ? AND product = ?",
                .init(collection), .init(product)
            ) {
                TracedProduct(
                    name: $0.text(0), size: $0.int(1), hash: Hex.encode($0.blob(2)), isObsolete: $0.int(3) != 0)
            }
        }
    }

    /// Places that are told of one trace.
    private static let placesMax = 10

    /// Where on this node the product of a trace is now: in which collections, by their row ids, under which paths.
    package func places(of id: TraceID) async throws -> [(collection: Int64, product: String)] {
        try await journal.find { reader in
            try reader.rows(
                """
                SELECT p.collection, p.product FROM traces t
                JOIN traced_products p ON p.hash = t.hash AND p.name = t.name
                WHERE t.id = ? ORDER BY p.collection, p.product LIMIT ?
                """,
                .init(id.bytes), .init(Self.placesMax)
            ) { ($0.int(0), $0.text(1)) }
        }
    }

    /// The traces of one of the node's own products as it is now, at most ``lookupMax``, the latest first.
    ///
    /// - Parameters:
    ///   - collection: its row id.
    ///   - product: its path in it.
    package func ids(collection: Int64, product: String) async throws -> [TraceID] {
        try await journal.read { reader in
            try reader.rows(
                """
                SELECT t.id FROM traced_products p JOIN traces t ON t.name = p.name AND t.hash = p.hash
                WHERE p.collection = ? AND p.product = ? ORDER BY t.leaf DESC LIMIT ?
                """,
                .init(collection), .init(product), .init(Self.lookupMax)
            ) { $0.blob(0) }
        }.compactMap { TraceID($0) }
    }

    /// Whether somebody who is trusted has said that a product of this name and hash was made.
    ///
    /// - Parameter hash: 64 hexadecimal digits.
    package func isCreated(name: String, hash: String) async throws -> Bool {
        guard let hash = Hex.decode(hash), !name.utf8.contains(0) else { return false }
        return try await journal.read { reader in
            try reader.scalar(
                """
                SELECT 1 FROM traces WHERE name = ? AND hash = ? AND event = 'CREATE' AND \(Self.counts) LIMIT 1
                """,
                .init(name), .init(hash)) != nil
        }
    }

    /// Keeps what a trace of the node's own says of where its product is.
    static func note(_ item: PreparedTrace, in transaction: Transaction) throws {
        guard let collection = item.collection, let product = item.place else { return }
        switch item.event {
        case .create, .copy:
            try transaction.run(
                """
                INSERT INTO traced_products (collection, product, name, size, hash, is_obsolete)
                VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (collection, product) DO UPDATE SET
                    name = excluded.name, size = excluded.size, hash = excluded.hash, is_obsolete = 0
                """,
                .init(collection), .init(product), .init(item.product.name), .init(item.product.size),
                .init(item.hash))
        case .delete:
            try transaction.run(
                "DELETE FROM traced_products WHERE collection = ? AND product = ?", .init(collection), .init(product))
        case .obsolete:
            try transaction.run(
                "UPDATE traced_products SET is_obsolete = 1 WHERE collection = ? AND product = ?", .init(collection),
                .init(product))
        }
    }
}
