import Database
import Geometry
package import IAMPolicy
import Journal

/// The names of all collections, or of those that somebody may see, with what is needed to plan a search.
///
/// It is read once a second at most: a collection made on another node is seen that late.
package final class CollectionDirectory: Sendable {
    struct Entry: Sendable {
        var id: Int64
        var name: String
        var items: Int64
        var area: BoundingBox?
    }

    /// Sorted by name.
    let entries: [Entry]
    /// Whether nothing is left out.
    let isWhole: Bool
    /// What the items of some collections have to be to be shown, by row id; of all others every item is.
    let tests: [Int64: ProductTest]
    let ids: Set<Int64>
    let itemCount: Int64

    init(_ entries: [Entry], isWhole: Bool, tests: [Int64: ProductTest] = [:]) {
        self.entries = entries
        self.isWhole = isWhole
        self.tests = tests
        ids = Set(entries.map(\.id))
        itemCount = entries.reduce(0) { $0 + $1.items }
    }

    package var names: [String] { entries.map(\.name) }
    package var count: Int { entries.count }
    package var isEmpty: Bool { entries.isEmpty }

    /// The part that somebody may see: the collections that have a test, and of each the items that pass it.
    package func filtered(to tests: [String: ProductTest]) -> CollectionDirectory {
        let kept = entries.filter { tests[$0.name].map { !$0.isNever } ?? false }
        let conditions = kept.compactMap { entry in
            tests[entry.name].flatMap { $0.isAlways ? nil : (entry.id, $0) }
        }
        return CollectionDirectory(
            kept, isWhole: isWhole && kept.count == entries.count,
            tests: Dictionary(conditions, uniquingKeysWith: { first, _ in first }))
    }

    /// The part with the given names, with all items.
    package func filtered(to names: Set<String>) -> CollectionDirectory {
        filtered(to: Dictionary(names.map { ($0, .always) }) { first, _ in first })
    }

    /// The part that was there as of a TID: a collection's id is the TID that made it.
    package func made(upTo tid: Int64) -> CollectionDirectory {
        let kept = entries.filter { $0.id <= tid }
        return CollectionDirectory(kept, isWhole: isWhole && kept.count == entries.count, tests: tests)
    }

    package func contains(_ name: String) -> Bool { entry(name) != nil }

    func entry(_ name: String) -> Entry? {
        let index = index(after: name, inclusive: true)
        return index < entries.count && entries[index].name == name ? entries[index] : nil
    }

    /// The first entry behind a name.
    func index(after name: String, inclusive: Bool = false) -> Int {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            let isBefore = entries[middle].name.utf8.lexicographicallyPrecedes(name.utf8)
            if isBefore || (!inclusive && entries[middle].name == name) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension Catalogue {
    /// All collections.
    package func directory() async throws -> CollectionDirectory {
        if let known = directories[""] { return known }
        let entries = try await journal.read { reader in
            try reader.rows(
                """
                SELECT c.id, c.name, k.items, \(Extents.areaColumns) FROM collections c
                LEFT JOIN catalogue_collections k ON k.collection = c.id ORDER BY c.name
                """
            ) { row in
                CollectionDirectory.Entry(
                    id: row.int(0), name: row.text(1), items: row.int(2), area: Extents.area(row, from: 3))
            }
        }
        let directory = CollectionDirectory(entries, isWhole: true)
        directories[""] = directory
        return directory
    }
}
