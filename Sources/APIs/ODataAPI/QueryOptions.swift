import Catalogue
import HTTPSupport
import ODataFilter
import Wire

/// The system query options of a request for products (OData 4.01, part 2, §5).
struct QueryOptions {
    static let topMax = 1000
    static let skipMax = 10_000

    var filter: ODataFilter?
    /// What is asked for by `$orderby`; empty where nothing is.
    var order: [Ordering] = []
    var top = 20
    var skip = 0
    /// Where a page begins, as the page before it said.
    var token: String?
    var counts = false
    var expand: Set<Expansion> = []
    /// The members that are asked for; nil for all.
    var select: Set<String>?

    struct Ordering {
        var name: String
        var isDescending: Bool
    }

    enum Expansion: String, CaseIterable { case attributes = "Attributes", assets = "Assets", locations = "Locations" }

    /// - Throws: `Problem` with the name of the option; `ODataError` for the filter.
    init(_ query: QueryItems) throws {
        var seen: Set<String> = []
        for item in query.items where item.name.hasPrefix("$") {
            let (name, text) = (item.name, item.value ?? "")
            guard name == "$expand" || seen.insert(name).inserted else {
                throw Problem.badRequest("\(name.prefix(40)) is given twice")
            }
            switch name {
            case "$filter": filter = try ODataFilter(parsing: text)
            case "$orderby":
                order = try Self.order(text)
                guard !order.isEmpty else { throw Problem.badRequest("$orderby has no name") }
            case "$top": top = try Self.number(text, name, max: Self.topMax)
            case "$skip": skip = try Self.number(text, name, max: Self.skipMax)
            case "$skiptoken": token = text
            case "$count":
                guard ["true", "True", "1", "false", "False", "0"].contains(text) else {
                    throw Problem.badRequest("$count is true or false, not '\(text.prefix(40))'")
                }
                counts = ["true", "True", "1"].contains(text)
            case "$expand":
                for part in text.split(separator: ",") {
                    guard let expansion = Expansion(rawValue: String(part.trimmingSpaces)) else {
                        throw Problem.badRequest("$expand is Attributes, Assets or Locations, not '\(part.prefix(40))'")
                    }
                    expand.insert(expansion)
                }
            case "$select":
                let names = text.split(separator: ",").map { String($0.trimmingSpaces) }
                if !names.contains("*") { select = Set(names + ["Id"]) }
            case "$format":
                guard text == "json" || text.hasPrefix("application/json") else {
                    throw Problem.badRequest("$format is json, not '\(text.prefix(40))'")
                }
            default: throw Problem.badRequest("'\(name.prefix(40))' is no option that is known here")
            }
        }
    }

    /// Whether a member is asked for.
    func wants(_ name: String) -> Bool { select?.contains(name) ?? true }

    private static func number(_ text: String, _ name: String, max: Int) throws -> Int {
        guard let number = Int(text), (0...max).contains(number) else {
            throw Problem.badRequest("\(name) is a whole number from 0 to \(max), not '\(text.prefix(40))'")
        }
        return number
    }

    private static func order(_ text: String) throws -> [Ordering] {
        try text.split(separator: ",").map { part in
            let words = part.split(separator: " ")
            guard let name = words.first, words.count <= 2, words.count == 1 || ["asc", "desc"].contains(words[1])
            else {
                throw Problem.badRequest("$orderby is names with asc or desc, not '\(part.prefix(80))'")
            }
            return Ordering(name: String(name), isDescending: words.last == "desc")
        }
    }

    /// Products come newest first where nothing else is asked for.
    func sortOrder() throws -> SortOrder {
        guard order.count <= SortOrder.fieldsMax else {
            throw Problem.badRequest("$orderby takes 1 to \(SortOrder.fieldsMax) names")
        }
        return SortOrder(
            try order.map { part in
                guard let property = part.name == "Name" ? "id" : FilterTranslation.moments[part.name] else {
                    throw Self.unknown(part, ["Name"] + FilterTranslation.moments.keys.sorted())
                }
                return SortOrder.Field(property, isDescending: part.isDescending)
            })
    }

    /// Deleted products come by the time when they were removed, the latest first, where nothing else is asked for.
    func deletedOrder() throws -> (DeletedQuery.Order, isDescending: Bool) {
        guard order.count <= 1 else { throw Problem.badRequest("$orderby takes one name for deleted products") }
        guard let part = order.first else { return (.deletion, true) }
        switch part.name {
        case "DeletionDate": return (.deletion, part.isDescending)
        case "Name": return (.id, part.isDescending)
        case "ContentDate/Start": return (.start, part.isDescending)
        default: throw Self.unknown(part, ["DeletionDate", "Name", "ContentDate/Start"])
        }
    }

    private static func unknown(_ part: Ordering, _ names: [String]) -> Problem {
        .badRequest("$orderby is one of \(names.joined(separator: ", ")), not '\(part.name.prefix(80))'")
    }
}
