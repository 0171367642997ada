import CQL2
import Catalogue
import ODataFilter
import Wire

/// An attribute that the Copernicus Data Space calls otherwise than STAC does.
struct KnownAttribute {
    enum Form {
        case plain
        /// In capitals there, in small letters here.
        case capitals
        /// The first of a list, in capitals there.
        case firstOfList
        /// A list, with `&` between.
        case list
        /// `T33UVP` there, `MGRS-33UVP` here.
        case tile
    }

    var name: String
    var type: ODataFilter.AttributeType
    /// The properties of items that it may be.
    var properties: [String]
    var form = Form.plain

    static let all: [KnownAttribute] = [
        KnownAttribute(name: "cloudCover", type: .double, properties: ["eo:cloud_cover"]),
        KnownAttribute(
            name: "productType", type: .string,
            properties: ["s2:product_type", "s3:product_type", "sar:product_type", "product:type"]),
        KnownAttribute(name: "processingLevel", type: .string, properties: ["processing:level"]),
        KnownAttribute(name: "processorVersion", type: .string, properties: ["s2:processing_baseline"]),
        KnownAttribute(name: "platformShortName", type: .string, properties: ["constellation"], form: .capitals),
        KnownAttribute(name: "instrumentShortName", type: .string, properties: ["instruments"], form: .firstOfList),
        KnownAttribute(name: "orbitNumber", type: .integer, properties: ["sat:absolute_orbit"]),
        KnownAttribute(name: "relativeOrbitNumber", type: .integer, properties: ["sat:relative_orbit"]),
        KnownAttribute(name: "orbitDirection", type: .string, properties: ["sat:orbit_state"], form: .capitals),
        KnownAttribute(name: "operationalMode", type: .string, properties: ["sar:instrument_mode"]),
        KnownAttribute(name: "polarisationChannels", type: .string, properties: ["sar:polarizations"], form: .list),
        KnownAttribute(name: "tileId", type: .string, properties: ["grid:code"], form: .tile),
        KnownAttribute(name: "beginningDateTime", type: .dateTime, properties: ["start_datetime", "datetime"]),
        KnownAttribute(name: "endingDateTime", type: .dateTime, properties: ["end_datetime", "datetime"]),
    ]

    static let named = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// What it is for an item with these properties; nil where it has none.
    func value(in item: JSONValue) -> JSONValue? {
        guard let value = properties.lazy.compactMap({ item[$0] }).first(where: { !$0.isNull }) else { return nil }
        switch form {
        case .plain: return value.array == nil && value.object == nil ? value : nil
        case .capitals: return value.string.map { .string($0.uppercased()) }
        case .firstOfList: return value.array?.first?.string.map { .string($0.uppercased()) }
        case .list: return value.array.map { .string($0.compactMap(\.string).joined(separator: "&")) }
        case .tile:
            return value.string.flatMap { $0.hasPrefix("MGRS-") ? .string("T" + $0.dropFirst("MGRS-".count)) : nil }
        }
    }
}

/// An attribute of a product, as it is told.
struct ProductAttribute {
    var name: String
    var type: ODataFilter.AttributeType
    var value: JSONValue

    /// Those of an item: by the names of the Copernicus Data Space first, then all properties by their own.
    static func all(of properties: JSONValue) -> [ProductAttribute] {
        let known = KnownAttribute.all.compactMap { attribute in
            attribute.value(in: properties).map {
                ProductAttribute(name: attribute.name, type: attribute.type, value: $0)
            }
        }
        let own = (properties.object?.members ?? []).compactMap { member -> ProductAttribute? in
            type(of: member.value).map { ProductAttribute(name: member.name, type: $0, value: member.value) }
        }
        return known + own
    }

    private static func type(of value: JSONValue) -> ODataFilter.AttributeType? {
        switch value {
        case .string(let text): CQL2.Span(text) != nil && text.contains("T") ? .dateTime : .string
        case .integer: .integer
        case .double: .double
        case .bool: .boolean
        case .null, .array, .object: nil
        }
    }

    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("@odata.type", "#OData.CSC.\(type.rawValue)")
            $0.member("Name", name)
            $0.member("Value", value)
            $0.member("ValueType", type.valueType)
        }
    }
}

extension ODataFilter.AttributeType {
    var valueType: String { String(rawValue.dropLast("Attribute".count)) }

    /// Of a property whose values have these types.
    init(_ types: PropertyType) {
        switch types {
        case .integer: self = .integer
        case .number, [.integer, .number]: self = .double
        case .bool: self = .boolean
        case .moment: self = .dateTime
        default: self = .string
        }
    }
}
