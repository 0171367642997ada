import Wire

/// In which order items come.
package struct SortOrder: Sendable, Hashable {
    package struct Field: Sendable, Hashable {
        /// `datetime`, `id`, `collection`, or the name of a property.
        package var property: String
        package var isDescending: Bool

        /// - Parameter property: also with `properties.` before it.
        package init(_ property: String, isDescending: Bool) {
            self.property = PropertyBytes.name(property)
            self.isDescending = isDescending
        }
    }

    package static let fieldsMax = 8

    /// Nothing for the order that there is without being asked for: the newest first.
    package private(set) var fields: [Field]

    package static let newestFirst = SortOrder([])

    /// - Parameter fields: at most ``fieldsMax``; later ones say what comes first among those that are equal by the
    ///   earlier ones.
    package init(_ fields: [Field]) {
        var seen = Set<String>()
        self.fields = fields.prefix(Self.fieldsMax).filter { seen.insert($0.property).inserted }
    }

    /// The direction of an order by `datetime` alone, which needs no sorting; nil for every other.
    var timeIsDescending: Bool? {
        guard let first = fields.first else { return true }
        return first.property == "datetime" && fields.count == 1 ? first.isDescending : nil
    }

    var needsProperties: Bool { fields.contains { !["datetime", "id", "collection"].contains($0.property) } }

    /// Items that are equal by all fields follow the order of their numbers, in the direction of the first field.
    var isDescending: Bool { fields.first?.isDescending ?? true }

    /// Tells the tokens of one order from those of another.
    var mark: UInt32 {
        let text = fields.map { ($0.isDescending ? "-" : "+") + $0.property }.joined(separator: ",")
        return PageToken.checksum(Array(text.utf8))
    }

    /// What an item is sorted by, field by field.
    func keys(_ candidate: SearchCandidate, in collection: String, _ properties: PropertyBytes?) -> [[UInt8]] {
        fields.map { field in
            let key: [UInt8]? =
                switch field.property {
                case "datetime": PropertyKey.of(moment: candidate.key.datetime)
                case "id": PropertyKey.of(.string(candidate.key.id))
                case "collection": PropertyKey.of(.string(collection))
                default: PropertyKey.of(properties?[field.property])
                }
            // What has no value comes last, in both directions.
            return key ?? (field.isDescending ? PropertyKey.first : PropertyKey.last)
        }
    }

    /// Whether one item comes before another.
    func precedes(_ a: SortPosition, _ b: SortPosition) -> Bool {
        for (index, field) in fields.enumerated() where a.keys[index] != b.keys[index] {
            return a.keys[index].lexicographicallyPrecedes(b.keys[index]) != field.isDescending
        }
        return isDescending ? a.number > b.number : a.number < b.number
    }
}

/// A place in a sorted result: that of one item.
struct SortPosition: Sendable, Hashable {
    var keys: [[UInt8]]
    var number: Int64
}
