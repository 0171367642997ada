import Catalogue
import Geometry
package import Wire

/// The filters of a collection's page, as they stand in its address and in its form.
package struct CollectionQuery: Sendable {
    /// First and last day, `2021-09-08`; empty for an open end.
    var from = ""
    var to = ""
    /// `west,south,east,north` in degrees; empty for everywhere.
    var area = ""
    var token = ""
    /// What could not be read of it, for the person who typed it.
    package private(set) var problems: [String] = []
    private(set) var interval: SearchInterval?
    private(set) var box: BoundingBox?
    private(set) var pageToken: PageToken?

    /// Items on a page.
    static let limit = 50

    package init(_ items: QueryItems) {
        func value(_ name: String) -> String { String((items[name] ?? "").prefix(512)) }
        from = value("from")
        to = value("to")
        area = value("bbox")
        token = value("token")
        let first = day(from, "from")
        // The last day counts as a whole.
        let last = day(to, "to").map { $0.adding(seconds: 86_400) }.map { Timestamp(microseconds: $0.microseconds - 1) }
        if first != nil || last != nil { interval = SearchInterval(from: first, to: last) }
        if let first, let last, first > last {
            problems.append("The first day, \(from), is after the last one, \(to).")
        }
        readArea()
        if !token.isEmpty {
            pageToken = try? PageToken(token)
            if pageToken == nil { problems.append("This page of the list does not exist; here is the first one.") }
        }
    }

    package var isFiltered: Bool { interval != nil || box != nil }

    /// The address of the page with these filters, from the given place in the list on.
    func link(_ collection: String, token: PageToken?) -> String {
        var items = QueryItems()
        for (name, value) in [("from", from), ("to", to), ("bbox", area), ("token", token?.text ?? "")]
        where !value.isEmpty {
            items.items.append((name, value))
        }
        let query = items.encoded
        return Link.collection(collection) + (query.isEmpty ? "" : "?" + query)
    }

    /// The same for pictures of what is found.
    var pictures: QueryItems {
        guard let interval else { return QueryItems() }
        return QueryItems([("datetime", "\(interval.from?.rfc3339 ?? "..")/\(interval.to?.rfc3339 ?? "..")")])
    }

    private mutating func day(_ text: String, _ name: String) -> Timestamp? {
        guard !text.isEmpty else { return nil }
        if text.utf8.count == 10, let time = Timestamp(rfc3339: text + "T00:00:00Z") { return time }
        problems.append("'\(text.prefix(40))' is no day for '\(name)': write it like 2021-09-08.")
        return nil
    }

    private mutating func readArea() {
        guard !area.isEmpty else { return }
        let numbers = area.split(separator: ",", omittingEmptySubsequences: false).map {
            Double($0.filter { $0 != " " })
        }
        do {
            guard numbers.count == 4, !numbers.contains(nil) else {
                throw GeometryError(
                    .malformed, "four numbers are needed: west, south, east, north, such as 10.5,45,12,46.5")
            }
            box = try BoundingBox(parsing: numbers.compactMap { $0 })
        } catch {
            problems.append("'\(area.prefix(60))' is no area: \(error)")
        }
    }
}
