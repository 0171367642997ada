import CQL2
import Catalogue
import HTTPSupport
import ODataFilter
import Wire

/// Turns a filter into the catalogue's own, so that there is one search and one meaning of conditions.
struct FilterTranslation {
    /// What is looked for.
    enum Entities {
        /// Products, with the names of those whose ids the filter has.
        case products([Int64: (collection: String, id: String)])
        case deletedProducts
        /// Products that somebody is told of, there or not.
        case notices
    }

    let directory: CollectionDirectory
    var entities = Entities.products([:])

    private var isDeleted: Bool { if case .deletedProducts = entities { true } else { false } }

    /// - Throws: `Problem` for what cannot be asked for.
    func condition(_ filter: ODataFilter) throws -> CQL2 {
        switch filter {
        case .and(let parts): return .call(.and, try parts.map(condition))
        case .or(let parts): return .call(.or, try parts.map(condition))
        case .not(let part): return .call(.not, [try condition(part)])
        case .intersects(let text): return try intersects(text)
        case .attribute(let type, let name, let condition): return try attribute(type, name, condition)
        case .compare(let path, let comparison, let literal): return try compare(path, comparison, literal)
        case .isIn("Id", let literals): return try ids(literals)
        case .isIn("Name", let literals):
            // As one condition, which is looked up.
            return .call(.isIn, [.property("id"), .array(try literals.map { .string(try Self.name($0)) })])
        case .isIn("Collection/Name", let literals):
            let names = try literals.map { CQL2.string(Self.own(try Self.text($0, "Collection/Name"), in: directory)) }
            return .call(.isIn, [.property("collection"), .array(names)])
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

    private static func name(_ literal: ODataFilter.Literal) throws -> String { itemID(try text(literal, "Name")) }

    private static func text(_ literal: ODataFilter.Literal, _ path: String) throws -> String {
        guard case .string(let text) = literal else {
            throw Problem.badRequest("$filter: \(path) is compared with a text in quotes")
        }
        // Neither engine can compare one.
        guard !text.utf8.contains(0) else { throw Problem.badRequest("a name has no NUL character") }
        return text
    }

    /// Products by their ids, which hold the numbers of items.
    private func ids(_ literals: [ODataFilter.Literal]) throws -> CQL2 {
        let numbers = try literals.compactMap { literal -> Int64? in
            guard let text = literal.id else { throw Problem.badRequest("$filter: Id is compared with a product's id") }
            return ProductID(product: text)?.number
        }
        switch entities {
        case .deletedProducts, .notices:
            return .call(
                .isIn,
                [
                    .property(ItemDeletion.numberProperty),
                    .array(numbers.map { .string(ItemDeletion.text(of: $0)) }),
                ])
        case .products(let names):
            let found = Set(numbers).compactMap { names[$0] }.sorted { ($0.id, $0.collection) < ($1.id, $1.collection) }
            // Of no items: so that none is looked at.
            guard !found.isEmpty else { return .call(.isIn, [.property("id"), .array([])]) }
            let each = found.map { name -> CQL2 in
                .call(
                    .and,
                    [
                        .call(.equal, [.property("id"), .string(name.id)]),
                        .call(.equal, [.property("collection"), .string(name.collection)]),
                    ])
            }
            guard found.count > 1 else { return each[0] }
            // The first part is what is looked up.
            return .call(
                .and, [.call(.isIn, [.property("id"), .array(found.map { .string($0.id) })]), .call(.or, each)])
        }
    }

    // MARK: Members of a product

    private func compare(
        _ path: String, _ comparison: ODataFilter.Comparison, _ literal: ODataFilter.Literal
    ) throws -> CQL2 {
        func wants(_ what: String) -> Problem { .badRequest("$filter: \(path) is compared with \(what)") }
        switch path {
        case "Name": return .call(comparison.call, [.property("id"), .string(try Self.name(literal))])
        case "Id":
            guard comparison == .eq || comparison == .ne else { throw wants("an id, by eq or ne") }
            let same = try ids([literal])
            return comparison == .eq ? same : .call(.not, [same])
        case "DeletionCause" where isDeleted:
            guard case .string(let cause) = literal, comparison == .eq || comparison == .ne else {
                throw wants("a text in quotes, by eq or ne")
            }
            return .call(comparison.call, [.property(ItemDeletion.causeProperty), .string(cause)])
        case "Collection/Name":
            guard case .string(let name) = literal, comparison == .eq || comparison == .ne else {
                throw wants("a text in quotes, by eq or ne")
            }
            return .call(comparison.call, [.property("collection"), .string(Self.own(name, in: directory))])
        case "Online":
            guard case .bool(let wanted) = literal, comparison == .eq || comparison == .ne else {
                throw wants("true or false, by eq or ne")
            }
            // All that is in the catalogue can be read at once, and nothing of what was removed.
            return .bool((wanted == !isDeleted) == (comparison == .eq))
        default: break
        }
        let property = Self.moments[path] ?? (isDeleted && path == "DeletionDate" ? ItemDeletion.timeProperty : nil)
        guard let property else {
            let times = Self.moments.keys.sorted().joined(separator: ", ")
            throw Problem.badRequest(
                "$filter: '\(path.prefix(80))' is nothing that products can be found by; there are Id, Name, "
                    + "Collection/Name, Online, \(times), OData.CSC.Intersects and Attributes"
                    + (isDeleted ? ", DeletionDate and DeletionCause" : ""))
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
        case .isIn(_, let literals) where form == .plain && !literals.contains(.null):
            return .call(.isIn, [.property(property), .array(try literals.map { try Self.literal($0, type) })])
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
