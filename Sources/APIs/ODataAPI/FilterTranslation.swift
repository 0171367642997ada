import CQL2
import Catalogue
import HTTPSupport
import ODataFilter
import Wire

/// Turns a filter into the catalogue's own, so that there is one search and one meaning of conditions.
struct FilterTranslation {
    let directory: CollectionDirectory

    /// - Throws: `Problem` for what cannot be asked for.
    func condition(_ filter: ODataFilter) throws -> CQL2 {
        switch filter {
        case .and(let parts): return .call(.and, try parts.map(condition))
        case .or(let parts): return .call(.or, try parts.map(condition))
        case .not(let part): return .call(.not, [try condition(part)])
        case .intersects(let text): return try intersects(text)
        case .attribute(let type, let name, let condition): return try attribute(type, name, condition)
        case .compare(let path, let comparison, let literal): return try compare(path, comparison, literal)
        case .isIn(let path, let literals):
            return try any(try literals.map { try compare(path, .eq, $0) })
        case .text(let function, let path, let text):
            guard path == "Name" else { throw Problem.badRequest("$filter: \(function.rawValue) goes with Name") }
            return Self.like(.property("id"), function, function == .startswith ? text : Self.itemID(text))
        }
    }

    /// The names of the collections that a filter is for, if it says so; nil for all.
    static func collections(_ filter: ODataFilter?, in directory: CollectionDirectory) -> [String]? {
        for case .compare("Collection/Name", .eq, .string(let name)) in filter?.conjuncts ?? [] {
            return [own(name, in: directory)]
        }
        return nil
    }

    /// A name as the collection has it here: `SENTINEL-2` is `sentinel-2` where there is no other.
    static func own(_ name: String, in directory: CollectionDirectory) -> String {
        directory.contains(name) ? name : name.lowercased()
    }

    private func any(_ conditions: [CQL2]) throws -> CQL2 {
        conditions.count == 1 ? conditions[0] : .call(.or, conditions)
    }

    /// A product's name without what the name of its package ends with: that is not part of an item's id.
    private static func itemID(_ name: String) -> String {
        for ending in [".SAFE", ".SEN3", ".zarr"] where name.hasSuffix(ending) {
            return String(name.dropLast(ending.count))
        }
        return name
    }

    // MARK: Members of a product

    private func compare(
        _ path: String, _ comparison: ODataFilter.Comparison, _ literal: ODataFilter.Literal
    ) throws -> CQL2 {
        func wants(_ what: String) -> Problem { .badRequest("$filter: \(path) is compared with \(what)") }
        switch path {
        case "Name":
            guard case .string(let name) = literal else { throw wants("a text in quotes") }
            return .call(comparison.call, [.property("id"), .string(Self.itemID(name))])
        case "Collection/Name":
            guard case .string(let name) = literal, comparison == .eq || comparison == .ne else {
                throw wants("a text in quotes, by eq or ne")
            }
            return .call(comparison.call, [.property("collection"), .string(Self.own(name, in: directory))])
        case "Online":
            guard case .bool(let wanted) = literal, comparison == .eq || comparison == .ne else {
                throw wants("true or false, by eq or ne")
            }
            // All that is in the catalogue can be read at once.
            return .bool(wanted == (comparison == .eq))
        default: break
        }
        guard let property = Self.moments[path] else {
            throw Problem.badRequest(
                "$filter: '\(path.prefix(80))' is nothing that products can be found by; there are Name, Collection/Name, "
                    + "Online, \(Self.moments.keys.sorted().joined(separator: ", ")), OData.CSC.Intersects and Attributes"
            )
        }
        if case .null = literal { return try null(property, comparison) }
        guard case .moment(let moment) = literal else { throw wants("a date and time such as 2022-05-03T00:00:00Z") }
        return .call(comparison.call, [.property(property), .timestamp(moment)])
    }

    /// Where products have times, and which property of an item that is.
    static let moments = [
        "ContentDate/Start": "datetime", "ContentDate/End": "datetime", "PublicationDate": "created",
        "OriginDate": "created", "ModificationDate": "updated",
    ]

    private func null(_ property: String, _ comparison: ODataFilter.Comparison) throws -> CQL2 {
        switch comparison {
        case .eq: return .call(.isNull, [.property(property)])
        case .ne: return .call(.not, [.call(.isNull, [.property(property)])])
        default: throw Problem.badRequest("$filter: null is compared by eq or ne")
        }
    }

    private static func like(_ property: CQL2, _ function: ODataFilter.TextFunction, _ text: String) -> CQL2 {
        var pattern = text.reduce(into: "") { out, c in out += "%_\\".contains(c) ? "\\\(c)" : String(c) }
        if function != .startswith { pattern = "%" + pattern }
        if function != .endswith { pattern += "%" }
        return .call(.like, [property, .string(pattern)])
    }

    private func intersects(_ text: String) throws -> CQL2 {
        let call: CQL2
        do {
            call = try CQL2(parsing: "S_INTERSECTS(geometry, \(text))")
        } catch {
            throw Problem.badRequest(
                "$filter: OData.CSC.Intersects: '\(text.prefix(80))' is no place: \(error.message)")
        }
        guard case .call(.spatialIntersects, let parts) = call, parts.count == 2, case .geometry = parts[1] else {
            throw Problem.badRequest("$filter: OData.CSC.Intersects takes one geometry as well-known text")
        }
        return call
    }

    // MARK: Attributes

    private func attribute(
        _ type: ODataFilter.AttributeType, _ name: String, _ condition: ODataFilter?
    ) throws -> CQL2 {
        let known = KnownAttribute.named[name] ?? KnownAttribute(name: name, type: type, properties: [name])
        return try any(
            try known.properties.map { property in
                guard let condition else { return .call(.not, [.call(.isNull, [.property(property)])]) }
                return try value(of: property, known.form, type, condition)
            })
    }

    /// A condition on the value of an attribute.
    private func value(
        of property: String, _ form: KnownAttribute.Form, _ type: ODataFilter.AttributeType, _ filter: ODataFilter
    ) throws -> CQL2 {
        func again(_ part: ODataFilter) throws -> CQL2 { try value(of: property, form, type, part) }
        switch filter {
        case .and(let parts): return .call(.and, try parts.map(again))
        case .or(let parts): return .call(.or, try parts.map(again))
        case .not(let part): return .call(.not, [try again(part)])
        case .isIn(let path, let literals): return try any(try literals.map { try again(.compare(path, .eq, $0)) })
        case .compare(_, let comparison, .null): return try null(property, comparison)
        case .compare(_, let comparison, let literal):
            return try compare(property, form, comparison, try Self.literal(literal, type))
        case .text(let function, _, let text):
            switch form {
            case .capitals: return Self.like(.call(.casei, [.property(property)]), function, text.lowercased())
            case .tile: return Self.like(.property(property), function, text)
            default: return Self.like(.property(property), function, text)
            }
        case .attribute, .intersects: throw Problem.badRequest("$filter: an attribute has no attributes")
        }
    }

    private func compare(
        _ property: String, _ form: KnownAttribute.Form, _ comparison: ODataFilter.Comparison, _ literal: CQL2
    ) throws -> CQL2 {
        func negated(_ condition: CQL2) throws -> CQL2 {
            switch comparison {
            case .eq: return condition
            case .ne: return .call(.not, [condition])
            default: throw Problem.badRequest("$filter: a list is compared by eq or ne")
            }
        }
        switch (form, literal) {
        case (.capitals, .string):
            return .call(comparison.call, [.call(.casei, [.property(property)]), .call(.casei, [literal])])
        case (.firstOfList, .string(let text)):
            return try negated(.call(.arrayContains, [.property(property), .array([.string(text.lowercased())])]))
        case (.list, .string(let text)):
            let parts = text.split(separator: "&").map { CQL2.string(String($0)) }
            return try negated(.call(.arrayContains, [.property(property), .array(parts)]))
        case (.tile, .string(let text)):
            let tile = text.hasPrefix("T") ? String(text.dropFirst()) : text
            return .call(comparison.call, [.property(property), .string("MGRS-" + tile)])
        default: return .call(comparison.call, [.property(property), literal])
        }
    }

    private static func literal(
        _ literal: ODataFilter.Literal, _ type: ODataFilter.AttributeType
    ) throws -> CQL2 {
        switch (type, literal) {
        case (.string, .string(let text)): return .string(text)
        case (.string, .guid(let text)): return .string(text)
        case (.integer, .number(let number)), (.double, .number(let number)): return .number(number)
        case (.boolean, .bool(let flag)): return .bool(flag)
        case (.dateTime, .moment(let moment)): return .timestamp(moment)
        default: throw Problem.badRequest("$filter: the value of a \(type.rawValue) is of another type")
        }
    }
}

extension ODataFilter.Comparison {
    fileprivate var call: CQL2.Operator {
        switch self {
        case .eq: .equal
        case .ne: .notEqual
        case .gt: .greater
        case .ge: .greaterOrEqual
        case .lt: .less
        case .le: .lessOrEqual
        }
    }
}
