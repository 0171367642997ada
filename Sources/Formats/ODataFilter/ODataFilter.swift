package import Wire

/// The value of `$filter` (OData 4.01, part 2, §5.1.1), as the catalogue of the Copernicus Data Space takes it.
package indirect enum ODataFilter: Sendable, Hashable {
    case and([ODataFilter])
    case or([ODataFilter])
    case not(ODataFilter)
    /// A path such as `ContentDate/Start`, and what it is compared with.
    case compare(String, Comparison, Literal)
    case isIn(String, [Literal])
    case text(TextFunction, String, String)
    /// `Attributes/OData.CSC.StringAttribute/any(…)`: an attribute by its name, and the condition on its `Value`; nil
    /// where it only has to be there.
    case attribute(AttributeType, name: String, ODataFilter?)
    /// `OData.CSC.Intersects(area=geography'SRID=4326;…')`: well-known text.
    case intersects(String)

    package enum Comparison: String, Sendable, Hashable, CaseIterable { case eq, ne, gt, ge, lt, le }

    package enum TextFunction: String, Sendable, Hashable, CaseIterable { case contains, startswith, endswith }

    package enum AttributeType: String, Sendable, Hashable, CaseIterable {
        case string = "StringAttribute"
        case integer = "IntegerAttribute"
        case double = "DoubleAttribute"
        case dateTime = "DateTimeOffsetAttribute"
        case boolean = "BooleanAttribute"
    }

    package enum Literal: Sendable, Hashable {
        case string(String)
        case number(Double)
        case bool(Bool)
        case moment(Timestamp)
        /// A product's id, in lower case.
        case guid(String)
        case null

        /// An id, also one that stands in quotes.
        package var id: String? {
            switch self {
            case .guid(let text): text
            case .string(let text): text.lowercased()
            case .number, .bool, .moment, .null: nil
            }
        }
    }

    /// How deep conditions may stand within each other.
    package static let depthMax = 50
    /// Conditions that a filter may have in all.
    package static let partsMax = 5000
    /// Bytes of a text.
    package static let bytesMax = 1 << 18

    /// The conditions that must all hold: what `and` joins at the top, or the whole.
    package var conjuncts: [ODataFilter] {
        guard case .and(let parts) = self else { return [self] }
        return parts.flatMap(\.conjuncts)
    }

    /// The ids that `Id` is compared with, wherever in the filter.
    package var ids: [String] {
        switch self {
        case .and(let parts), .or(let parts): parts.flatMap(\.ids)
        case .not(let part): part.ids
        case .compare("Id", _, let literal): [literal].compactMap(\.id)
        case .isIn("Id", let literals): literals.compactMap(\.id)
        case .compare, .isIn, .text, .attribute, .intersects: []
        }
    }
}

/// Why a filter is refused, and at which of its bytes.
package struct ODataError: Error, Hashable, Sendable, CustomStringConvertible {
    package var message: String
    package var offset: Int

    package init(_ message: String, at offset: Int) {
        self.message = message
        self.offset = offset
    }

    package var description: String { "at byte \(offset): \(message)" }
}
