import CQL2
import Catalogue
import Geometry
import HTTPSupport
import NIOHTTP1
import Wire

/// The parameters of the extensions of a search, as they were given: what they mean together is known when all are
/// there.
struct FilterParameters {
    /// The one coordinate reference system that there is: longitude and latitude in degrees.
    static let crs = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
    static let names: Set<String> = ["filter", "filter-lang", "filter-crs", "sortby", "fields", "query", "q"]

    private var filter: JSONValue?
    private var language: String?
    private var query: JSONValue?
    private(set) var fields: FieldSelection?
    private(set) var order = SortOrder.newestFirst
    private(set) var words: FreeText?

    /// Takes a parameter of a GET.
    mutating func take(_ name: String, _ text: String) throws {
        switch name {
        case "filter": filter = text.isEmpty ? nil : .string(text)
        case "filter-lang": language = try Self.checked(language: text)
        case "filter-crs": try Self.check(crs: text)
        case "sortby": order = try Self.order(text)
        case "fields": fields = try Self.fields(text)
        case "query":
            do {
                query = text.isEmpty ? nil : try JSONValue(parsing: text)
            } catch {
                throw Problem.badRequest("query: \(error)")
            }
        default: words = text.isEmpty ? nil : try FreeText(parsing: text)
        }
    }

    /// Takes a member of a POST's body.
    mutating func take(_ name: String, _ value: JSONValue) throws {
        // A null is no value, but for the one that a client surely means.
        if value.isNull {
            guard name == "fields" else { return }
            throw Problem.badRequest("fields: an object with include and exclude is needed")
        }
        switch name {
        case "filter": filter = value
        case "filter-lang", "filter-crs":
            guard let text = value.string else { throw Problem.badRequest("\(name): a string is needed") }
            if name == "filter-lang" { language = try Self.checked(language: text) } else { try Self.check(crs: text) }
        case "sortby": order = try Self.order(value)
        case "fields": fields = try Self.fields(value)
        case "query": query = value
        default:
            if let text = value.string {
                words = try FreeText(parsing: text)
            } else if let items = value.array, items.allSatisfy({ $0.string != nil }) {
                words = try FreeText(terms: items.compactMap(\.string))
            } else {
                throw Problem.badRequest("q: a string or a list of strings is needed")
            }
        }
    }

    /// The filter and the query, which both must hold.
    func condition() throws -> CQL2? {
        let parts = try [parsedFilter(), query.flatMap(QueryExtension.condition)].compactMap { $0 }
        return parts.count < 2 ? parts.first : .call(.and, parts)
    }

    private func parsedFilter() throws -> CQL2? {
        guard let filter else { return nil }
        do {
            switch language ?? (filter.string == nil ? "cql2-json" : "cql2-text") {
            case "cql2-text":
                guard let text = filter.string else { throw Problem.badRequest("filter: cql2-text is a string") }
                return try CQL2(parsing: text)
            default:
                guard let text = filter.string else { return try CQL2(parsing: filter) }
                return try CQL2(parsing: JSONValue(parsing: text, maximumDepth: 4 * CQL2.depthMax))
            }
        } catch let error as CQL2Error {
            throw Problem.badRequest("filter: \(error)")
        } catch let error as JSONError {
            throw Problem.badRequest("filter: \(error)")
        }
    }

    private static func checked(language: String) throws -> String {
        guard ["cql2-text", "cql2-json"].contains(language) else {
            throw Problem.badRequest("filter-lang: '\(language.prefix(40))' is neither cql2-text nor cql2-json")
        }
        return language
    }

    private static func check(crs: String) throws {
        guard crs.isEmpty || crs == Self.crs || crs == "http://www.opengis.net/def/crs/OGC/0/CRS84" else {
            throw Problem.badRequest("filter-crs: '\(crs.prefix(100))' is not served; there is \(Self.crs)")
        }
    }

    // MARK: Order

    /// `+datetime,-properties.eo:cloud_cover`; no sign means ascending. A plus sign in a query reads as a space.
    private static func order(_ text: String) throws -> SortOrder {
        let fields = try text.split(separator: ",").map { part in
            let part = part.trimmingSpaces
            let name = part.hasPrefix("-") || part.hasPrefix("+") ? part.dropFirst() : part
            return try field(String(name), isDescending: part.hasPrefix("-"))
        }
        return try checked(fields)
    }

    private static func order(_ value: JSONValue) throws -> SortOrder {
        guard let items = value.array else {
            throw Problem.badRequest("sortby: a list of objects with field and direction is needed")
        }
        return try checked(
            items.map { item in
                guard let name = item["field"]?.string else {
                    throw Problem.badRequest("sortby: each of the list needs a field, a string")
                }
                switch item["direction"]?.string ?? "asc" {
                case "asc": return try field(name, isDescending: false)
                case "desc": return try field(name, isDescending: true)
                default: throw Problem.badRequest("sortby: a direction is asc or desc")
                }
            })
    }

    private static func field(_ name: String, isDescending: Bool) throws -> SortOrder.Field {
        guard !name.isEmpty, name.utf8.count <= 200, !name.utf8.contains(0) else {
            throw Problem.badRequest("sortby: '\(name.prefix(40))' is no name of a property")
        }
        return SortOrder.Field(name, isDescending: isDescending)
    }

    private static func checked(_ fields: [SortOrder.Field]) throws -> SortOrder {
        guard fields.count <= SortOrder.fieldsMax else {
            throw Problem.badRequest("sortby: at most \(SortOrder.fieldsMax) fields can be given")
        }
        return SortOrder(fields)
    }

    // MARK: Fields

    private static func fields(_ text: String) throws -> FieldSelection {
        var include: [String] = []
        var exclude: [String] = []
        for part in text.split(separator: ",") {
            let part = part.trimmingSpaces
            if part.hasPrefix("-") {
                exclude.append(String(part.dropFirst()))
            } else {
                include.append(String(part.hasPrefix("+") ? part.dropFirst() : part))
            }
        }
        return try selection(include.isEmpty && !exclude.isEmpty ? nil : include, exclude)
    }

    private static func fields(_ value: JSONValue) throws -> FieldSelection {
        guard let object = value.object else {
            throw Problem.badRequest("fields: an object with include and exclude is needed")
        }
        func paths(_ name: String) throws -> [String] {
            guard let value = object[name], !value.isNull else { return [] }
            guard let items = value.array, items.allSatisfy({ $0.string != nil }) else {
                throw Problem.badRequest("fields: \(name) is a list of strings")
            }
            return items.compactMap(\.string)
        }
        let exclude = try paths("exclude")
        return try selection(object["include"] == nil && !exclude.isEmpty ? nil : paths("include"), exclude)
    }

    private static func selection(_ include: [String]?, _ exclude: [String]) throws -> FieldSelection {
        guard (include?.count ?? 0) + exclude.count <= FieldSelection.pathsMax else {
            throw Problem.badRequest("fields: at most \(FieldSelection.pathsMax) can be given")
        }
        return FieldSelection(include: include, exclude: exclude)
    }
}

/// The query extension, an older form of conditions: `{"eo:cloud_cover": {"lt": 10}}`.
enum QueryExtension {
    static func condition(_ query: JSONValue) throws -> CQL2? {
        guard let object = query.object else {
            throw Problem.badRequest("query: an object is needed, like {\"eo:cloud_cover\": {\"lt\": 10}}")
        }
        var parts: [CQL2] = []
        for member in object.members {
            guard !member.name.utf8.contains(0), let operations = member.value.object else {
                throw Problem.badRequest(
                    "query: '\(member.name.prefix(60))' needs an object with operators, like {\"lt\": 10}")
            }
            for operation in operations.members {
                parts.append(try self.operation(operation.name, .property(member.name), operation.value))
            }
        }
        return parts.isEmpty ? nil : parts.count == 1 ? parts[0] : .call(.and, parts)
    }

    private static let comparisons: [String: CQL2.Operator] = [
        "eq": .equal, "neq": .notEqual, "lt": .less, "lte": .lessOrEqual, "gt": .greater, "gte": .greaterOrEqual,
    ]

    private static func operation(_ name: String, _ property: CQL2, _ value: JSONValue) throws -> CQL2 {
        if let comparison = comparisons[name] {
            let compared = CQL2.call(comparison, [property, try literal(value)])
            // Clients that read a value from a command line send a number as a text.
            guard let number = value.string.flatMap(Double.init), number.isFinite else { return compared }
            return .call(.or, [compared, .call(comparison, [property, .number(number)])])
        }
        switch name {
        case "startsWith": return .call(.like, [property, .string(try pattern(value) + "%")])
        case "endsWith": return .call(.like, [property, .string("%" + (try pattern(value)))])
        case "contains": return .call(.like, [property, .string("%" + (try pattern(value)) + "%")])
        case "in":
            guard let items = value.array, items.count <= CQL2.partsMax else {
                throw Problem.badRequest("query: in needs a list of values")
            }
            let values = CQL2.array(try items.map(literal))
            // Of a list one element has to be among the values.
            return .call(.or, [.call(.isIn, [property, values]), .call(.arrayOverlaps, [property, values])])
        default:
            throw Problem.badRequest(
                "query: there is no operator '\(name.prefix(40))'; there are eq, neq, lt, lte, gt, gte, startsWith, endsWith, contains and in"
            )
        }
    }

    private static func literal(_ value: JSONValue) throws -> CQL2 {
        switch value {
        case .bool(let flag): return .bool(flag)
        case .string(let text) where !text.utf8.contains(0): return .string(text)
        case .integer, .double: return .number(value.number ?? 0)
        default: throw Problem.badRequest("query: a value is a string, a number, true or false")
        }
    }

    /// A text as the pattern of LIKE that stands for itself.
    private static func pattern(_ value: JSONValue) throws -> String {
        guard let text = value.string, !text.utf8.contains(0) else {
            throw Problem.badRequest("query: the operator needs a string")
        }
        return text.reduce(into: "") { $0 += "%_\\".contains($1) ? "\\\($1)" : String($1) }
    }
}
