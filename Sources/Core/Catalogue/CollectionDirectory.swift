import Database
import Geometry
package import IAMPolicy
import Journal
import Synchronization
import Wire

/// The names of all collections, or of those that somebody may see, with what is needed to plan a search.
///
/// It is read once a second at most, and for no more than a twentieth of the time: a collection made on another node is
/// seen that late.
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
        if tests.count == entries.count, tests.values.allSatisfy(\.isAlways) { return self }
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
    /// All collections. While one caller reads them anew, the others see what was read before.
    package func directory() async throws -> CollectionDirectory {
        let begin = Timestamp.now.microseconds
        let (known, age) = knownDirectory.withLock { $0.seen(at: begin) }
        if let known { return known }
        defer { knownDirectory.withLock { $0.isBeingRead = false } }
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
        knownDirectory.withLock { $0.set(directory, age, readFrom: begin, to: Timestamp.now.microseconds) }
        return directory
    }
}

/// The directory as it was read last.
struct KnownDirectory {
    private var directory: CollectionDirectory?
    /// Rises each time that what was read is forgotten.
    private var age = 0
    /// In microseconds.
    private var readAgain: Int64 = 0
    var isBeingRead = false

    private static let pauseMin: Int64 = 1_000_000
    private static let pausesOfReading: Int64 = 20

    /// What may be used at a moment; nil says that the caller reads it.
    mutating func seen(at now: Int64) -> (CollectionDirectory?, age: Int) {
        if let directory, now < readAgain || isBeingRead { return (directory, age) }
        isBeingRead = true
        return (nil, age)
    }

    mutating func set(_ read: CollectionDirectory, _ age: Int, readFrom begin: Int64, to end: Int64) {
        guard age == self.age else { return }
        directory = read
        readAgain = begin + max(Self.pauseMin, Self.pausesOfReading * (end - begin))
    }

    /// Where a collection has come or gone.
    mutating func forget() {
        directory = nil
        age += 1
    }

    func lacks(_ name: String) -> Bool { directory?.contains(name) == false }
}
