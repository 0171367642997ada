import Database
import IAMPolicy

// What policy shows of collections of which it asks for properties: somebody who sees one item of ten thousand finds it
// through the indexes of these properties, and what is shown is counted.
extension SearchScan {
    /// The items that policy may show, of which each is still asked.
    ///
    /// - Returns: their numbers; nil for more than `limit`, and where no index tells.
    func probeShown(limit: Int) throws -> [Int64]? {
        let tests = filter.directory.tests
        let collections = filter.collections ?? filter.directory.entries.map(\.id)
        guard collections.count <= Self.indexedCollectionsMax, collections.contains(where: { tests[$0] != nil }) else {
            return nil
        }
        var shown = Set<Int64>()
        for collection in collections {
            let part: Set<Int64>?
            if let test = tests[collection] {
                part = try items(that: test, indexes: propertyIndexes(of: collection), limit: limit)
            } else {
                part = try found(
                    "SELECT number FROM items WHERE collection = ? LIMIT ?", .init(collection), limit: limit)
            }
            guard let part else { return nil }
            shown.formUnion(part)
            guard shown.count <= limit else { return nil }
        }
        return Array(shown)
    }

    /// - Returns: nil for more than `limit`, and where no index tells.
    private func items(that test: ProductTest, indexes: [String: [Int64?]]?, limit: Int) throws -> Set<Int64>? {
        switch test {
        case .never: return []
        case .always, .not: return nil
        case .all(let tests):
            var best: Set<Int64>?
            for test in tests {
                best = try items(that: test, indexes: indexes, limit: best?.count ?? limit) ?? best
            }
            return best
        case .any(let tests):
            var all = Set<Int64>()
            for test in tests {
                guard let part = try items(that: test, indexes: indexes, limit: limit) else { return nil }
                all.formUnion(part)
            }
            return all.count <= limit ? all : nil
        case .property(let property):
            guard let indexes, property.name.utf8.count <= PropertyType.nameBytesMax / 2, let values = property.values
            else { return nil }
            var all = Set<Int64>()
            for index in indexes[property.name] ?? [] {
                guard let index else { return nil }
                // Lists have no place of their own in an index, and stand with what has no value.
                let none = PropertyKey.Bytes(PropertyKey.first)
                for range in [none...none] + values.flatMap(\.ranges) {
                    let part = try found(
                        "SELECT item FROM item_values WHERE property = ? AND value >= ? AND value <= ? LIMIT ?",
                        .init(index), .init(range.lowerBound.bytes), .init(range.upperBound.bytes), limit: limit)
                    guard let part else { return nil }
                    all.formUnion(part)
                }
            }
            return all.count <= limit ? all : nil
        }
    }

    /// The indexes of all properties that a collection's items have or had, by their names in lower case, as policies
    /// ask for them; nil among them for one without an index. Nil where there may be more than are known.
    private func propertyIndexes(of collection: Int64) throws -> [String: [Int64?]]? {
        var out: [String: [Int64?]] = [:]
        var count = 0
        try reader.query(
            """
            SELECT p.name, x.id FROM item_properties p LEFT JOIN item_indexes x
            ON x.collection = p.collection AND x.property = p.name AND x.ready = 1 WHERE p.collection = ?
            """, .init(collection)
        ) { row in
            out[row.text(0).lowercased(), default: []].append(row.intOrNil(1))
            count += 1
        }
        return count < PropertyType.countMax ? out : nil
    }

    private func found(_ sql: String, _ values: SQLValue..., limit: Int) throws -> Set<Int64>? {
        let rows = try reader.rows(sql, values + [.init(limit + 1)]) { $0.int(0) }
        return rows.count > limit ? nil : Set(rows)
    }
}

extension ProductValues {
    private static let microsecondsPerDay: Int64 = 86_400_000_000

    /// Where in an index such values stand, with others between them. What policies take for a number, a moment or a
    /// truth value may be written as a text.
    var ranges: [ClosedRange<PropertyKey.Bytes>] {
        func at(_ key: [UInt8]) -> ClosedRange<PropertyKey.Bytes> { PropertyKey.Bytes(key)...PropertyKey.Bytes(key) }
        func bool(_ flag: Bool) -> [UInt8] { [PropertyKey.Tag.bool, flag ? 1 : 0] }
        switch self {
        case .text(let text, isWhole: true):
            var out = [at(PropertyKey.of(text)), at(PropertyKey.text(text))]
            if let number = Double(text), number.isFinite { out.append(at(PropertyKey.of(number))) }
            if text == "true" || text == "false" { out.append(at(bool(text == "true"))) }
            return out
        case .text(let start, isWhole: false):
            let first = PropertyKey.text(start)
            return [
                PropertyKey.Bytes([PropertyKey.Tag.bool])...PropertyKey.texts.lowerBound,
                PropertyKey.Bytes(first)...PropertyKey.Bytes(first + [0xFF]),
            ]
        case .number(let range):
            let (low, high) = (PropertyKey.of(range.lowerBound), PropertyKey.of(range.upperBound))
            return [PropertyKey.Bytes(low)...PropertyKey.Bytes(high), PropertyKey.texts]
        case .bool(let flag): return [at(bool(flag)), PropertyKey.texts]
        case .moment(let range):
            // A day stands at its beginning.
            let low = range.lowerBound.subtractingReportingOverflow(Self.microsecondsPerDay)
            let high = range.upperBound.addingReportingOverflow(Self.microsecondsPerDay)
            let bounds = (
                PropertyKey.of(moment: low.overflow ? .min : low.partialValue),
                PropertyKey.of(moment: high.overflow ? .max : high.partialValue)
            )
            return [PropertyKey.Bytes(bounds.0)...PropertyKey.Bytes(bounds.1), PropertyKey.numbers, PropertyKey.texts]
        }
    }
}
