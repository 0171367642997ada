package import ODataFilter
package import Wire

/// The system query options of a request (OData 4.01, part 2, §5), for every face that answers as OData.
package struct ODataOptions: Sendable {
    package static let topMax = 1000
    package static let skipMax = 10_000

    package var filter: ODataFilter?
    /// What is asked for by `$orderby`; empty where nothing is.
    package var order: [Ordering] = []
    package var top = 20
    package var skip = 0
    /// Where a page begins, as the page before it said.
    package var token: String?
    package var counts = false
    package var expand: Set<String> = []
    /// The members that are asked for; nil for all.
    package var select: Set<String>?

    package struct Ordering: Sendable, Hashable {
        package var name: String
        package var isDescending: Bool
    }

    /// - Parameter expansions: what `$expand` can name.
    /// - Throws: `Problem` with the name of the option; `ODataError` for the filter.
    package init(_ query: QueryItems, expansions: [String] = []) throws {
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
            case "$expand" where !expansions.isEmpty:
                for part in Self.names(text) {
                    guard expansions.contains(part) else {
                        throw Problem.badRequest(
                            "$expand is one of \(expansions.joined(separator: ", ")), not '\(part.prefix(40))'")
                    }
                    expand.insert(part)
                }
            case "$select":
                let names = Self.names(text)
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
    package func wants(_ name: String) -> Bool { select?.contains(name) ?? true }

    private static func names(_ text: String) -> [String] {
        text.split(separator: ",").map { $0.split(separator: " ").joined(separator: " ") }
    }

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
}
