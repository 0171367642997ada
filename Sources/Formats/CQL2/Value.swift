package import Geometry
package import Wire

extension CQL2 {
    /// What an expression has for one item.
    package enum Value: Hashable, Sendable {
        /// Not there: a comparison with it is neither true nor false.
        case null
        case bool(Bool)
        case number(Double)
        case string(String)
        case span(Span)
        case geometry(Geometry)
        case list([Value])
        /// A JSON object, which only can be looked at for being there.
        case object

        package init(_ json: JSONValue) {
            switch json {
            case .null: self = .null
            case .bool(let value): self = .bool(value)
            case .integer(let value): self = .number(Double(value))
            case .double(let value): self = .number(value)
            case .string(let text): self = .string(text)
            case .array(let items): self = .list(items.map(Value.init))
            case .object: self = .object
            }
        }
    }

    /// A moment, a day or an interval, in microseconds, both ends included.
    package struct Span: Hashable, Sendable {
        package var from: Int64
        package var to: Int64

        package init(from: Int64, to: Int64) {
            self.from = from
            self.to = to
        }

        package init(_ moment: Timestamp) { self.init(from: moment.microseconds, to: moment.microseconds) }

        /// A whole day, by its beginning.
        package init(day: Timestamp) { self.init(from: day.microseconds, to: day.microseconds &+ 86_400_000_000 - 1) }

        /// A text that is a date and time, or a date.
        package init?(_ text: String) {
            // Most texts are neither: the hyphen tells quickly.
            guard text.utf8.count >= 10, text.utf8.dropFirst(4).first == UInt8(ascii: "-") else { return nil }
            if let moment = Timestamp(rfc3339: text) {
                self.init(moment)
            } else if let day = Instant.day(text) {
                self.init(day: day)
            } else {
                return nil
            }
        }
    }
}

extension CQL2.Value {
    /// As a moment or interval, also where it is written as a text.
    var span: CQL2.Span? {
        switch self {
        case .span(let span): span
        case .string(let text): CQL2.Span(text)
        default: nil
        }
    }

    var isNull: Bool { self == .null }

    /// Whether two values are equal; nil where they cannot be compared.
    func isEqual(to other: CQL2.Value) -> Bool? {
        switch (self, other) {
        case (.null, _), (_, .null): nil
        case (.bool(let a), .bool(let b)): a == b
        case (.number(let a), .number(let b)): a == b
        case (.string(let a), .string(let b)):
            if let a = CQL2.Span(a), let b = CQL2.Span(b) { a == b } else { a == b }
        case (.list(let a), .list(let b)): a.count == b.count && zip(a, b).allSatisfy { $0.isEqual(to: $1) == true }
        case (.geometry(let a), .geometry(let b)): GeometryRelation(a, b).isEqual
        default:
            // A moment is equal to the day in which it lies.
            if let a = span, let b = other.span {
                a.from >= b.from && a.to <= b.to || b.from >= a.from && b.to <= a.to
            } else {
                nil
            }
        }
    }

    /// Whether a value comes before another; nil where they cannot be compared.
    ///
    /// Texts are compared by their bytes, as both engines do; texts that are dates and times by the moment.
    func isLess(than other: CQL2.Value) -> Bool? {
        switch (self, other) {
        case (.number(let a), .number(let b)): a < b
        case (.bool(let a), .bool(let b)): !a && b
        case (.string(let a), .string(let b)):
            if let a = CQL2.Span(a), let b = CQL2.Span(b) {
                a.to < b.from
            } else {
                a.utf8.lexicographicallyPrecedes(b.utf8)
            }
        default: if let a = span, let b = other.span { a.to < b.from } else { nil }
        }
    }
}
