import Catalogue
import Geometry
import HTTPSupport
import NIOHTTP1
import Wire

/// The parameters of a search, from a query or from a JSON body.
enum SearchParameters {
    /// They could mean nothing here: everything is in longitude and latitude. A client that sends one would take the
    /// answer for what it asked.
    private static let unsupported: Set<String> = ["crs", "bbox-crs"]
    static let collectionsMax = 1000

    /// Reads the query of a GET.
    ///
    /// - Parameter refusesOthers: whether an unknown name is an error: OGC API Features, part 1, requirement 24.
    /// - Throws: `Problem` with the name of the parameter.
    static func read(
        _ items: QueryItems, refusesOthers: Bool = false, into query: inout SearchQuery
    ) throws -> FieldSelection? {
        var seen = Set<String>()
        var filters = FilterParameters()
        for item in items.items {
            let (name, text) = (item.name, item.value ?? "")
            if unsupported.contains(name) { throw notSupported(name) }
            guard known.contains(name) || FilterParameters.names.contains(name) else {
                guard refusesOthers else { continue }
                throw Problem.badRequest(
                    "\(name.prefix(80)): there is no such parameter; there are \(known.union(FilterParameters.names).sorted().joined(separator: ", "))"
                )
            }
            guard seen.insert(name).inserted else { throw Problem.badRequest("\(name): the parameter is given twice") }
            switch name {
            case "bbox": if !text.isEmpty { try set(.box(box(numbers(text))), in: &query) }
            case "intersects":
                do {
                    try set(.geometry(Geometry(parsing: JSONValue(parsing: text))), in: &query)
                } catch let error as JSONError {
                    throw Problem.badRequest("intersects: \(error)")
                } catch let error as GeometryError {
                    throw Problem.badRequest("intersects: \(error.message)")
                }
            case "datetime": query.interval = try interval(text)
            case "ids": query.ids = try list(text, name, max: SearchQuery.idsMax)
            case "collections": query.collections = try list(text, name, max: collectionsMax)
            case "limit": query.limit = try limit(Int64(text), text)
            case "f": break
            case _ where FilterParameters.names.contains(name): try filters.take(name, text)
            default: if !text.isEmpty { query.token = try PageToken(text) }
            }
        }
        return try apply(filters, to: &query)
    }

    private static func apply(_ filters: FilterParameters, to query: inout SearchQuery) throws -> FieldSelection? {
        query.filter = try filters.condition()
        query.words = filters.words
        query.order = filters.order
        return filters.fields
    }

    private static let known: Set<String> = [
        "bbox", "intersects", "datetime", "ids", "collections", "limit", "token", "f",
    ]

    /// Reads the body of a POST. Members that are null do not count.
    static func read(_ body: JSONValue, into query: inout SearchQuery) throws -> FieldSelection? {
        guard let object = body.object else { throw Problem.badRequest("the body must be a JSON object") }
        var filters = FilterParameters()
        for member in object.members {
            let (name, value) = (member.name, member.value)
            if FilterParameters.names.contains(name) { try filters.take(name, value) }
            guard !value.isNull else { continue }
            if unsupported.contains(name) { throw notSupported(name) }
            switch name {
            case "bbox":
                guard let items = value.array, items.allSatisfy({ $0.number != nil }) else {
                    throw Problem.badRequest("bbox: a list of 4 or 6 numbers is needed")
                }
                if !items.isEmpty { try set(.box(box(items.compactMap(\.number))), in: &query) }
            case "intersects":
                do {
                    try set(.geometry(Geometry(parsing: value)), in: &query)
                } catch let error as GeometryError {
                    throw Problem.badRequest("intersects: \(error.message)")
                }
            case "datetime":
                guard let text = value.string else { throw Problem.badRequest("datetime: a string is needed") }
                query.interval = try interval(text)
            case "ids": query.ids = try list(value, name, max: SearchQuery.idsMax)
            case "collections": query.collections = try list(value, name, max: collectionsMax)
            case "limit": query.limit = try limit(value.integer, value.text)
            case "token":
                guard let text = value.string else { throw Problem.badRequest("token: a string is needed") }
                query.token = try PageToken(text)
            default: break
            }
        }
        return try apply(filters, to: &query)
    }

    private static func notSupported(_ name: String) -> Problem {
        Problem(
            .badRequest, "not-supported",
            "\(name): this server does not support the parameter yet; /conformance says what it supports")
    }

    // MARK: Values

    private static func set(_ area: SearchArea, in query: inout SearchQuery) throws {
        guard query.area == nil else { throw Problem.badRequest("bbox, intersects: only one of them can be given") }
        query.area = area
    }

    private static func numbers(_ text: String) throws -> [Double] {
        let parts = text.split(separator: ",", maxSplits: 7, omittingEmptySubsequences: false)
        return try parts.map { part in
            let part = part.trimmingSpaces
            // Double also reads hexadecimal numbers, "inf" and "nan".
            let isPlain = part.utf8.allSatisfy { $0 < 0x3A || $0 == UInt8(ascii: "e") || $0 == UInt8(ascii: "E") }
            guard isPlain, let number = Double(part) else {
                throw Problem.badRequest(
                    "bbox: '\(part.prefix(40))' is not a number; 4 or 6 are needed, with commas between them")
            }
            return number
        }
    }

    private static func box(_ numbers: [Double]) throws -> BoundingBox {
        do {
            return try BoundingBox(parsing: numbers)
        } catch {
            throw Problem.badRequest(error.message.hasPrefix("bbox") ? error.message : "bbox: \(error.message)")
        }
    }

    /// One moment, or two with a slash between them, of which one may be open: `..` or nothing (OGC API Features
    /// §7.15.4).
    static func interval(_ text: String) throws -> SearchInterval? {
        guard !text.isEmpty else { return nil }
        let ends = text.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard ends.count <= 2 else { throw invalidInterval(text) }
        func moment(_ end: Substring) throws -> Timestamp {
            guard let moment = Timestamp(rfc3339: end) else { throw invalidInterval(text) }
            return moment
        }
        guard ends.count == 2 else {
            let moment = try moment(ends[0])
            return SearchInterval(from: moment, to: moment)
        }
        let from = ends[0].isEmpty || ends[0] == ".." ? nil : try moment(ends[0])
        let to = ends[1].isEmpty || ends[1] == ".." ? nil : try moment(ends[1])
        guard from != nil || to != nil else { throw invalidInterval(text) }
        if let from, let to, from > to {
            throw Problem.badRequest("datetime: the interval '\(text.prefix(80))' ends before it begins")
        }
        return SearchInterval(from: from, to: to)
    }

    private static func invalidInterval(_ text: String) -> Problem {
        .badRequest(
            "datetime: '\(text.prefix(80))' is no RFC 3339 date and time like 2026-11-21T00:00:00Z, nor two with '/' between them of which one may be '..'"
        )
    }

    private static func list(_ text: String, _ name: String, max: Int) throws -> [String] {
        let values = text.split(separator: ",").map(String.init)
        guard values.count <= max else { throw Problem.badRequest("\(name): at most \(max) values can be given") }
        return try checked(values, name)
    }

    /// A list of strings; also one string, as in a GET.
    private static func list(_ value: JSONValue, _ name: String, max: Int) throws -> [String] {
        if let text = value.string { return try list(text, name, max: max) }
        guard let items = value.array, items.count <= max, items.allSatisfy({ $0.string != nil }) else {
            throw Problem.badRequest("\(name): a list of at most \(max) strings is needed")
        }
        return try checked(items.compactMap(\.string), name)
    }

    private static func checked(_ values: [String], _ name: String) throws -> [String] {
        guard !values.contains(where: { $0.utf8.contains(0) }) else {
            throw Problem.badRequest("\(name): a value may not contain a NUL character")
        }
        return values
    }

    /// More than the most counts as the most (OGC API Features, permission 7 of part 1).
    static func limit(_ number: Int64?, _ text: String, max: Int = SearchQuery.limitMax) throws -> Int {
        guard let number, number >= 1 else {
            throw Problem.badRequest("limit: '\(text.prefix(40))' is not a whole number of 1 or more")
        }
        return Int(min(number, Int64(max)))
    }
}
