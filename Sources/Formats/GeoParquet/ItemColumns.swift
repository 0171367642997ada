package import Parquet
package import Wire

/// The columns that STAC Items need in the form of stac-geoparquet (its specification, 1.1), found by looking at each
/// item once.
///
/// Members and properties become columns, objects become groups, lists become lists. What has no type in common in all
/// items is kept as JSON text in a column of Parquet's type JSON, and so is an object without members or with a great
/// number of different ones. What has no column at all is in the column ``rest``.
package struct ItemColumns: Sendable {
    /// A column of JSON objects, only there where an item needs it: what the specification has no place for. These are
    /// members of the item itself that STAC does not name, properties that are called like a member of the item, and
    /// values that are not what their column must hold. A reader puts them over the rest of the item.
    static let rest = "_rest"

    /// The members of an Item that are columns, in this order.
    static let members = [
        "id", "stac_version", "type", "stac_extensions", "collection", "geometry", "bbox", "links", "assets",
    ]
    /// Properties that are times: stac-geoparquet reads no others as such, and these in no other type.
    static let times: Set<String> = [
        "datetime", "start_datetime", "end_datetime", "created", "updated", "expires", "published", "unpublished",
    ]
    /// A property that is a geometry, of an item and of an asset.
    static let projectedGeometry = "proj:geometry"
    /// Different properties that have a column; the others are in ``rest``.
    static let propertiesMax = 1000

    private var kinds: [String: ValueKind] = [:]
    private(set) var properties = ValueKind.Members()
    private(set) var hasRest = false
    private(set) var boxHasAltitude = false
    private(set) var geometryTypes: Set<String> = []
    private var limits = ValueKind.Limits()

    package init() {}

    /// Looks at an item.
    package mutating func add(_ item: JSONValue) {
        for member in item.object?.members ?? [] where Self.members.contains(member.name) {
            switch member.name {
            case "geometry":
                if let type = WellKnownBinary.type(of: member.value) { geometryTypes.insert(type) }
            case "bbox": if member.value.array?.count == 6 { boxHasAltitude = true }
            default:
                kinds[member.name, default: .unknown].merge(
                    member.value, depth: 1, geometryAt: member.name == "assets" ? 2 : nil, &limits)
            }
        }
        for member in item["properties"]?.object?.members ?? [] where !Self.members.contains(member.name) {
            guard member.name != Self.rest, !Self.times.contains(member.name) else { continue }
            guard hasPlace(member.name) else { continue }
            properties.merge(
                member.name, member.value, depth: 1, isGeometry: member.name == Self.projectedGeometry, &limits)
        }
        for member in item["properties"]?.object?.members ?? [] where Self.times.contains(member.name) {
            properties.merge(member.name, .null, depth: 1, isGeometry: false, &limits)
        }
        if !hasRest { hasRest = rest(of: item) != nil }
        while limits.membersCount > ValueKind.Limits.membersMax, limits.depthMax > 1 {
            limits.depthMax -= 1
            limits.membersCount = properties.flatten(depth: 1, limits.depthMax)
            for name in kinds.keys { limits.membersCount += kinds[name]?.flatten(depth: 1, limits.depthMax) ?? 0 }
        }
    }

    private func hasPlace(_ property: String) -> Bool {
        properties[property] != nil
            || properties.count < Self.propertiesMax && property.utf8.count <= ValueKind.Limits.nameBytesMax
    }

    /// What of an item has no column, as an object of the same shape; nil where there is nothing.
    func rest(of item: JSONValue) -> JSONValue? {
        var rest = JSONObject()
        var restProperties = JSONObject()
        for member in item.object?.members ?? [] {
            switch member.name {
            case "geometry":
                if !member.value.isNull, WellKnownBinary.bytes(of: member.value)?.isWhole != true {
                    rest[member.name] = member.value
                }
            case "bbox":
                if !member.value.isNull, Self.box(member.value, hasAltitude: true) == nil {
                    rest[member.name] = member.value
                }
            case "properties":
                for property in member.value.object?.members ?? [] {
                    let name = property.name
                    let hasPlace =
                        Self.times.contains(name)
                        ? property.value.isNull || property.value.string.flatMap(Timestamp.init(rfc3339:)) != nil
                        : !Self.members.contains(name) && name != Self.rest && self.hasPlace(name)
                    if !hasPlace { restProperties[name] = property.value }
                }
            case let name where Self.members.contains(name): break
            default: rest[member.name] = member.value
            }
        }
        if !restProperties.members.isEmpty { rest["properties"] = .object(restProperties) }
        return rest.members.isEmpty ? nil : .object(rest)
    }

    /// The numbers of a `bbox` as the fields of its column; nil for what is none.
    static func box(_ value: JSONValue, hasAltitude: Bool) -> [ParquetValue]? {
        guard let items = value.array, items.count == 4 || items.count == 6 else { return nil }
        let numbers = items.compactMap(\.number)
        guard numbers.count == items.count else { return nil }
        let values = numbers.map { ParquetValue.double($0) }
        guard hasAltitude, values.count == 4 else { return values }
        return [values[0], values[1], .null, values[2], values[3], .null]
    }

    /// The columns, each with the kind of its values.
    var columns: [(field: ParquetField, kind: ValueKind)] {
        var out: [(field: ParquetField, kind: ValueKind)] = []
        for name in Self.members {
            let kind = kinds[name] ?? .unknown
            switch name {
            case "geometry": out.append((ParquetField(name, .binary), .geometry))
            case "bbox":
                let names =
                    boxHasAltitude
                    ? ["xmin", "ymin", "zmin", "xmax", "ymax", "zmax"] : ["xmin", "ymin", "xmax", "ymax"]
                out.append((ParquetField(name, .group(names.map { ParquetField($0, .double) })), .double))
            case "assets":
                // A group has a member; a reader knows that there are always assets.
                if case .object(let members) = kind, members.count == 0 { continue }
                if let type = kind.type { out.append((ParquetField(name, type), kind)) }
            case "links", "stac_extensions":
                var kind = kind
                if kind.type == nil { kind = .list(.text) }
                if case .list(.unknown) = kind { kind = .list(.text) }
                out.append((ParquetField(name, kind.type ?? .list(.text)), kind))
            default: out.append((ParquetField(name, kind.type ?? .text), kind.type == nil ? .text : kind))
            }
        }
        for (name, kind) in properties.all {
            if Self.times.contains(name) {
                out.append((ParquetField(name, .timestamp), .time))
            } else if let type = kind.type {
                out.append((ParquetField(name, type), kind))
            }
        }
        if hasRest { out.append((ParquetField(Self.rest, .json), .json)) }
        return out
    }
}
