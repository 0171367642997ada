package import CQL2
import Database
import Journal
import Wire

/// What to look for among what was removed.
package struct DeletedQuery: Sendable {
    /// What removed items are sorted by.
    package enum Order: Sendable { case deletion, id, start }

    package static let limitMax = 1000

    /// Only these are looked at, and of their items those that somebody may see.
    package var visible: CollectionDirectory
    /// A condition on properties, and on what ``ItemDeletion`` names.
    package var filter: CQL2?
    package var order = Order.deletion
    package var isDescending = true
    /// 1 to ``limitMax``.
    package var limit = 20
    package var after: DeletedPlace?

    package init(visible: CollectionDirectory) { self.visible = visible }
}

/// Behind which item a page begins: its number, and what it is sorted by.
package struct DeletedPlace: Sendable, Hashable {
    var number: Int64
    var key: String

    init(number: Int64, key: String) { (self.number, self.key) = (number, key) }

    package var text: String { "\(number).\(key)" }

    /// Nil for what is no place.
    package init?(_ text: String) {
        guard let dot = text.firstIndex(of: "."), let number = Int64(text[..<dot]), !text.utf8.contains(0) else {
            return nil
        }
        self.number = number
        key = String(text[dot...].dropFirst())
    }
}

package struct DeletedPage: Sendable {
    package var items: [KnownItem]
    /// Where the next page begins; nil where there is none. A page may be short, or empty, and still have a next one.
    package var next: DeletedPlace?
}

extension Catalogue {
    /// Rows that a page, or a count, looks at; a page ends there.
    private static let examinedMax = 100_000
    private static let rowsAtOnce = 200
    /// Ids and numbers of a filter that are looked up.
    private static let lookedUpMax = 5000

    /// What was removed, found by its own indexes: by time, by collection and time, by id, by number.
    ///
    /// - Throws: ``CatalogueError`` `.invalidToken`.
    package func deleted(_ query: DeletedQuery) async throws -> DeletedPage {
        let limit = min(max(query.limit, 1), DeletedQuery.limitMax)
        return try await journal.read { reader in
            var page = DeletedPage(items: [])
            var bytes: Int64 = 0
            let end = try Self.walk(query, reader) { facts in
                bytes += Int64(facts.properties.count + (facts.geometry?.count ?? 0))
                page.items.append(facts)
                return page.items.count < limit && bytes < ItemPage.documentBytesMax
            }
            page.next = end
            return page
        }
    }

    /// How many removed items match. Where that takes too long to find out it is what was found by then.
    ///
    /// - Throws: as ``deleted(_:)``.
    package func deletedCount(_ query: DeletedQuery) async throws -> MatchedCount {
        try await journal.read { reader in
            var count: Int64 = 0
            let end = try Self.walk(query, reader) { _ in
                count += 1
                return true
            }
            return MatchedCount(count: count, isEstimate: end != nil)
        }
    }

    /// Hands what matches to `body`, in order, until that answers false.
    ///
    /// - Returns: where to go on; nil at the end.
    private static func walk(
        _ query: DeletedQuery, _ reader: Reader, _ body: (KnownItem) -> Bool
    ) throws -> DeletedPlace? {
        guard let rows = try DeletedRows(query, idsMax: lookedUpMax) else { return nil }
        var place = query.after
        var examined = 0
        while true {
            var count = 0
            var isEnough = false
            try reader.scan(rows.statement(after: place, limit: rowsAtOnce), rows.values(after: place)) { row in
                count += 1
                let facts = KnownItem(row, collection: rows.names[row.int(2)] ?? "")
                place = rows.place(of: facts)
                guard try rows.matches(facts) else { return true }
                isEnough = !body(facts)
                return !isEnough
            }
            examined += count
            if isEnough || examined >= examinedMax { return place }
            if count < rowsAtOnce { return nil }
        }
    }

    /// Keeps what is asked of removed items; the transaction removes this one.
    static func keepDeleted(_ item: Int64, in transaction: Transaction) throws {
        let stated = try transaction.first("SELECT properties FROM item_documents WHERE item = ?", .init(item)) {
            PropertyBytes($0.blob(0))[ItemDeletion.causeProperty]?.string
        }
        let cause = ItemDeletion.causes.first { $0 == stated ?? nil } ?? ItemDeletion.otherCause
        let columns = """
            number, collection, id, product, updated, datetime, start_time, end_time, west, south, east, north, size,
            geometry, properties
            """
        try transaction.run(
            """
            INSERT INTO deleted_items (deleted, cause, \(columns))
            SELECT CAST(? AS INTEGER), CAST(? AS TEXT), \(columns) FROM items JOIN item_documents ON item = number
            WHERE number = ?
            """,
            .init(Timestamp.now.microseconds), .init(cause), .init(item))
    }
}

/// Which rows of `deleted_items` a query looks at, and how.
private struct DeletedRows {
    let query: DeletedQuery
    /// Of the collections that are looked at, by row id.
    private(set) var names: [Int64: String] = [:]
    private var conditions: [String] = []
    private var bounds: [SQLValue] = []

    /// Collections that a statement names; of more, all rows are looked at.
    private static let collectionsMax = 100

    /// Nil where nothing can match.
    init?(_ query: DeletedQuery, idsMax: Int) throws {
        self.query = query
        var known = Dictionary(query.visible.entries.map { ($0.id, $0.name) }) { first, _ in first }
        if let filter = query.filter {
            let narrowing = SearchNarrowing(filter, hasArea: false)
            if narrowing.isEmpty { return nil }
            if let wanted = narrowing.collections { known = known.filter { wanted.contains($0.value) } }
            if let ids = narrowing.ids, ids.count <= idsMax { add("i.id", oneOf: ids.sorted().map { .init($0) }) }
            for case .call(let call, let parts) in filter.conjuncts { narrow(call, parts, idsMax: idsMax) }
        }
        names = known
        if known.isEmpty { return nil }
        if known.count <= Self.collectionsMax, !query.visible.isWhole || known.count < query.visible.count {
            add("i.collection", oneOf: known.keys.sorted().map { .init($0) })
        }
        if let after = query.after, query.order != .id, Int64(after.key) == nil {
            throw CatalogueError(.invalidToken, "the token belongs to a page that is sorted in another way")
        }
    }

    private mutating func add(_ column: String, oneOf values: [SQLValue]) {
        conditions.append(
            values.isEmpty ? "1 = 0" : "\(column) IN (\(values.map { _ in "?" }.joined(separator: ", ")))")
        bounds += values
    }

    private mutating func narrow(_ call: CQL2.Operator, _ parts: [CQL2], idsMax: Int) {
        guard parts.count == 2, case .property(let name) = parts[0] else { return }
        switch (name, call, parts[1]) {
        case (ItemDeletion.numberProperty, .equal, .string(let text)):
            add("i.number", oneOf: Int64(text.dropFirst()).map { [.init($0)] } ?? [])
        case (ItemDeletion.numberProperty, .isIn, .array(let list)) where list.count <= idsMax:
            add(
                "i.number",
                oneOf: list.compactMap {
                    guard case .string(let text) = $0 else { return nil }
                    return Int64(text.dropFirst()).map { .init($0) }
                })
        case (ItemDeletion.timeProperty, .greater, .timestamp(let moment)),
            (ItemDeletion.timeProperty, .greaterOrEqual, .timestamp(let moment)):
            conditions.append("i.deleted >= ?")
            bounds.append(.init(moment.microseconds))
        case (ItemDeletion.timeProperty, .less, .timestamp(let moment)),
            (ItemDeletion.timeProperty, .lessOrEqual, .timestamp(let moment)):
            conditions.append("i.deleted <= ?")
            bounds.append(.init(moment.microseconds))
        default: return
        }
    }

    private var column: String {
        switch query.order {
        case .deletion: "i.deleted"
        case .id: "i.id"
        case .start: "i.start_time"
        }
    }

    func statement(after place: DeletedPlace?, limit: Int) -> String {
        let (sign, word) = query.isDescending ? ("<", "DESC") : (">", "ASC")
        let all = conditions + (place == nil ? [] : ["(\(column), i.number) \(sign) (?, ?)"])
        return """
            SELECT \(KnownItem.columns), i.geometry, i.properties, i.deleted, i.cause FROM deleted_items i
            \(all.isEmpty ? "" : "WHERE " + all.joined(separator: " AND "))
            ORDER BY \(column) \(word), i.number \(word) LIMIT \(limit)
            """
    }

    func values(after place: DeletedPlace?) -> [SQLValue] {
        guard let place else { return bounds }
        let key = query.order == .id ? SQLValue(place.key) : SQLValue(Int64(place.key) ?? 0)
        return bounds + [key, .init(place.number)]
    }

    func place(of facts: KnownItem) -> DeletedPlace {
        switch query.order {
        case .deletion: DeletedPlace(number: facts.number, key: String(facts.deletion?.time.microseconds ?? 0))
        case .id: DeletedPlace(number: facts.number, key: facts.id)
        case .start: DeletedPlace(number: facts.number, key: String(facts.candidate.start))
        }
    }

    func matches(_ facts: KnownItem) throws -> Bool {
        guard names[facts.candidate.key.collection] != nil else { return false }
        if let test = query.visible.tests[facts.candidate.key.collection], try !facts.passes(test) { return false }
        return try facts.fulfils(query.filter)
    }
}
