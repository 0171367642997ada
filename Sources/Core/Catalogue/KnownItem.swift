package import CQL2
import Database
package import IAMPolicy
import Journal
package import Wire

/// What is known of an item without its document: as it is, or as it was when it was removed.
package struct KnownItem: Sendable {
    package var collection: String
    package var product: String?
    package var updated: Timestamp
    /// Nil while the item is there.
    package var deletion: ItemDeletion?
    /// JSON objects as they were handed in; nil for an item without geometry.
    package var properties: [UInt8]
    package var geometry: [UInt8]?
    let candidate: SearchCandidate

    package var number: Int64 { candidate.number }
    package var id: String { candidate.key.id }

    /// Whether a filter holds for it. Besides the properties of items it may ask what is known of a removed one: see
    /// ``ItemDeletion``.
    package func fulfils(_ filter: CQL2?) throws -> Bool {
        guard let condition = ItemCondition(filter: filter, words: nil) else { return true }
        return try condition.holds(candidate, in: collection, PropertyBytes(properties), geometry) { name in
            switch name {
            case ItemDeletion.numberProperty: .string(ItemDeletion.text(of: number))
            case ItemDeletion.timeProperty: deletion.map { .span(CQL2.Span($0.time)) } ?? .null
            case ItemDeletion.causeProperty: deletion.map { .string($0.cause) } ?? .null
            default: nil
            }
        }
    }

    /// Whether it is one of those that somebody is shown.
    package func passes(_ test: ProductTest) throws -> Bool {
        if test.isAlways { return true }
        if test.isNever { return false }
        let values = try ItemProperties.values(of: JSONValue(parsing: properties))
        return test.holds { values[$0] ?? [] }
    }
}

/// When an item was removed, and why.
package struct ItemDeletion: Sendable, Hashable {
    package var time: Timestamp
    package var cause: String

    /// Why items are removed where they do not say so themselves, in their property ``causeProperty``.
    package static let otherCause = "Obsolete product or Other"
    package static let causes = ["Duplicated product", "Missing checksum", "Corrupted product", otherCause]

    /// What filters call these, and the item's number.
    package static let timeProperty = "martlet:deleted"
    package static let causeProperty = "martlet:deletion_cause"
    package static let numberProperty = "martlet:number"

    /// A number as filters compare it: a text, since numbers of JSON are not that exact.
    package static func text(of number: Int64) -> String { "n\(number)" }
}

extension KnownItem {
    /// Columns that items and removed items have, and what ``init(_:collection:)`` reads of them.
    static let columns = "\(SearchCandidate.columns), i.product, i.updated"

    init(_ row: borrowing Row, collection: String) {
        self.collection = collection
        candidate = SearchCandidate(row)
        product = row.textOrNil(11)
        updated = Timestamp(microseconds: row.int(12))
        geometry = row.blobOrNil(13)
        properties = row.blob(14)
        if let time = row.intOrNil(15) {
            deletion = ItemDeletion(time: Timestamp(microseconds: time), cause: row.text(16))
        }
    }
}

extension Catalogue {
    /// Numbers that one statement asks for.
    private static let numbersAtOnce = 100

    /// What is known of items by their numbers, of those that were removed too. What went with its collection is
    /// missing.
    package func facts(of numbers: [Int64]) async throws -> [Int64: KnownItem] {
        var found: [Int64: KnownItem] = [:]
        for start in stride(from: 0, to: numbers.count, by: Self.numbersAtOnce) {
            let part = numbers[start..<min(start + Self.numbersAtOnce, numbers.count)].map { SQLValue($0) }
            let marks = part.map { _ in "?" }.joined(separator: ", ")
            let rows = try await journal.read { reader in
                try reader.rows(
                    """
                    SELECT \(KnownItem.columns), d.geometry, d.properties, NULL, NULL, c.name FROM items i
                    JOIN item_documents d ON d.item = i.number JOIN collections c ON c.id = i.collection
                    WHERE i.number IN (\(marks))
                    """, part
                ) { KnownItem($0, collection: $0.text(17)) }
                    + reader.rows(
                        """
                        SELECT \(KnownItem.columns), i.geometry, i.properties, i.deleted, i.cause, c.name
                        FROM deleted_items i JOIN collections c ON c.id = i.collection WHERE i.number IN (\(marks))
                        """, part
                    ) { KnownItem($0, collection: $0.text(17)) }
            }
            for facts in rows { found[facts.number] = facts }
        }
        return found
    }

    /// The collections and ids of items by their numbers; those that are not there are missing.
    package func names(ofItems numbers: [Int64]) async throws -> [Int64: (collection: String, id: String)] {
        var found: [Int64: (collection: String, id: String)] = [:]
        for start in stride(from: 0, to: numbers.count, by: Self.numbersAtOnce) {
            let part = numbers[start..<min(start + Self.numbersAtOnce, numbers.count)].map { SQLValue($0) }
            let rows = try await journal.find { reader in
                try reader.rows(
                    """
                    SELECT i.number, c.name, i.id FROM items i JOIN collections c ON c.id = i.collection
                    WHERE i.number IN (\(part.map { _ in "?" }.joined(separator: ", ")))
                    """, part
                ) { (number: $0.int(0), collection: $0.text(1), id: $0.text(2)) }
            }
            for row in rows { found[row.number] = (row.collection, row.id) }
        }
        return found
    }
}
