package import Geometry
package import Wire

/// An expression of the Common Query Language (OGC 21-065r2): a filter, or a part of one.
///
/// Both encodings, text and JSON, are read into this tree and written from it. What a reader returns is checked: each
/// operator has as many arguments as it takes, of kinds that it can take.
package indirect enum CQL2: Hashable, Sendable {
    case property(String)
    case string(String)
    case number(Double)
    case bool(Bool)
    /// A day; the moment is its beginning in UTC.
    case date(Timestamp)
    case timestamp(Timestamp)
    /// From one end to the other, both included: dates, timestamps, properties or functions, or ``open``.
    case interval(CQL2, CQL2)
    /// The end `..` of an interval.
    case open
    case geometry(Geometry)
    case box(BoundingBox)
    case array([CQL2])
    case call(Operator, [CQL2])

    /// How deep expressions may stand within each other.
    package static let depthMax = 60
    /// Parts that an expression may have in all.
    package static let partsMax = 20_000
    /// Bytes of a text.
    package static let bytesMax = 1 << 20

    /// The names of all properties, each once, in the order in which they come.
    package var properties: [String] {
        var seen = Set<String>()
        var out: [String] = []
        forEach { if case .property(let name) = $0, seen.insert(name).inserted { out.append(name) } }
        return out
    }

    private func forEach(_ body: (CQL2) -> Void) {
        body(self)
        switch self {
        case .interval(let from, let to):
            from.forEach(body)
            to.forEach(body)
        case .array(let parts), .call(_, let parts): for part in parts { part.forEach(body) }
        default: break
        }
    }

    /// The conditions that must all hold: what AND joins at the top, or the whole.
    package var conjuncts: [CQL2] {
        guard case .call(.and, let parts) = self else { return [self] }
        return parts.flatMap(\.conjuncts)
    }
}

/// Why an expression is refused, and where: a byte of the text, or a path in the JSON.
package struct CQL2Error: Error, Hashable, Sendable, CustomStringConvertible {
    package var message: String
    /// Like `byte 12` or `args[1].args[0]`; empty for the whole.
    package var place: String

    package init(_ message: String, at place: String = "") {
        self.message = message
        self.place = place
    }

    package var description: String { place.isEmpty ? message : "at \(place): \(message)" }
}
