import CQL2
import Geometry
import Wire

/// What an item must fulfil beyond place, time, id and collection: a filter, and words in its texts.
struct ItemCondition: Sendable {
    let filter: CQL2?
    let words: FreeText?
    let needsGeometry: Bool

    init?(filter: CQL2?, words: FreeText?) {
        guard filter != nil || words != nil else { return nil }
        self.filter = filter
        self.words = words
        needsGeometry = filter?.properties.contains("geometry") ?? false
    }

    /// - Parameter known: what is known of the item besides, asked first.
    func holds(
        _ candidate: SearchCandidate, in collection: String, _ properties: PropertyBytes, _ geometry: [UInt8]?,
        known: (String) -> CQL2.Value? = { _ in nil }
    ) throws -> Bool {
        if let filter {
            var shape: Geometry?
            let result = try filter.holds { name in
                if let value = known(name) { return value }
                switch name {
                case "id": return .string(candidate.key.id)
                case "collection": return .string(collection)
                case "geometry":
                    guard let geometry, let box = candidate.box else { return .null }
                    let known =
                        try shape ?? Footprint.unwrapped(Geometry(parsing: JSONValue(parsing: geometry)), box: box)
                    shape = known
                    return .geometry(known)
                case "datetime", "properties.datetime":
                    // An item of a time range has no moment: it is then all of the range.
                    let value = properties["datetime"]
                    if let value, !value.isNull { return CQL2.Value(value) }
                    return .span(CQL2.Span(from: candidate.start, to: candidate.end))
                default: return properties[name].map(CQL2.Value.init) ?? .null
                }
            }
            guard result == true else { return false }
        }
        guard let words else { return true }
        return words.matches([FreeText.folded(candidate.key.id), FreeText.folded(collection)] + properties.texts)
    }
}

extension PropertyBytes {
    var texts: [String] { (try? JSONValue(parsing: bytes)).map { FreeText.texts(in: $0) } ?? [] }
}
