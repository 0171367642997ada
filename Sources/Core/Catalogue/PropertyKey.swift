import CQL2
import Wire

/// Values of properties as bytes that stand in the order of the values: no value, false and true, numbers, dates and
/// times, other texts. Indexes and sorted pages compare these.
enum PropertyKey {
    /// What a text keeps: enough to tell texts apart that people sort by.
    static let textBytesMax = 120
    /// Stands before all values, and behind them: an item without the value has both in an index, so that it comes last
    /// whichever way the index is read.
    static let first: [UInt8] = [0]
    static let last: [UInt8] = [0xFF]

    enum Tag {
        static let bool: UInt8 = 1
        static let number: UInt8 = 2
        static let moment: UInt8 = 3
        static let text: UInt8 = 4
    }

    /// Nil for what has no order: nothing, lists and objects.
    static func of(_ value: JSONValue?) -> [UInt8]? {
        switch value {
        case .bool(let flag): [Tag.bool, flag ? 1 : 0]
        case .integer(let number): of(Double(number))
        case .double(let number): of(number)
        case .string(let string): of(string)
        case nil, .null, .array, .object: nil
        }
    }

    static func of(_ number: Double) -> [UInt8] {
        // Zero has two signs and one key.
        let bits = (number == 0 ? 0 : number).bitPattern
        return [Tag.number] + bytes(bits >> 63 == 1 ? ~bits : bits | 1 << 63)
    }

    static func of(_ text: String) -> [UInt8] {
        if let span = CQL2.Span(text) { return of(moment: span.from) }
        return Self.text(text)
    }

    /// Of a text as such, be it a date or not.
    static func text(_ text: String) -> [UInt8] { [Tag.text] + text.utf8.prefix(textBytesMax) }

    static func of(moment: Int64) -> [UInt8] { [Tag.moment] + bytes(UInt64(bitPattern: moment) ^ 1 << 63) }

    static var numbers: ClosedRange<Bytes> { Bytes([Tag.number])...Bytes([Tag.moment]) }
    static var moments: ClosedRange<Bytes> { Bytes([Tag.moment])...Bytes([Tag.text]) }
    static var texts: ClosedRange<Bytes> { Bytes([Tag.text])...Bytes([Tag.text + 1]) }

    private static func bytes(_ bits: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: bits >> UInt64(56 - 8 * $0)) }
    }

    /// Bytes that are compared as both engines do.
    struct Bytes: Hashable, Comparable, Sendable {
        var bytes: [UInt8]

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        static func < (a: Bytes, b: Bytes) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
    }
}

/// Types that the values of a property have, one or several.
package struct PropertyType: OptionSet, Sendable, Hashable {
    package let rawValue: Int64

    package init(rawValue: Int64) { self.rawValue = rawValue }

    package static let text = PropertyType(rawValue: 1)
    package static let integer = PropertyType(rawValue: 2)
    package static let number = PropertyType(rawValue: 4)
    package static let bool = PropertyType(rawValue: 8)
    package static let moment = PropertyType(rawValue: 16)
    package static let list = PropertyType(rawValue: 32)
    package static let object = PropertyType(rawValue: 64)

    init(_ value: JSONValue) {
        self =
            switch value {
            case .null: []
            case .bool: .bool
            case .integer: .integer
            case .double: .number
            case .string(let text): CQL2.Span(text) == nil ? .text : .moment
            case .array: .list
            case .object: .object
            }
    }

    /// Properties that are told of a collection at most, and bytes of a name.
    static let countMax = 1000
    static let nameBytesMax = 200

    static func found(in properties: JSONValue?) -> [String: PropertyType] {
        var out: [String: PropertyType] = [:]
        for member in properties?.object?.members.prefix(countMax) ?? [] where member.name.utf8.count <= nameBytesMax {
            let type = PropertyType(member.value)
            if !type.isEmpty { out[member.name] = type }
        }
        return out
    }
}
