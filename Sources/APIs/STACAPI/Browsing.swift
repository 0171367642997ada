import Catalogue
import HTTPSupport
import NIOHTTP1
import Wire

// STAC's class "browseable": each item can be reached from the landing page by links alone.
extension STACService {
    /// Items that one catalogue links to; a span of time with more is divided.
    private static let linkedMax = 1000

    /// `/collections/{c}/browse` and `…/browse/{span}`: a Catalog of the items of a span of time, by links to them
    /// where they are few, and by links to shorter spans where they are many.
    ///
    /// - Parameter span: a year, month, day, hour, minute or second, as the beginning of an RFC 3339 moment; nil for
    ///   all.
    func browse(_ name: String, _ span: String?, _ call: Call) async throws -> Response {
        var query = SearchQuery(visible: try await visibleItems(of: name, call))
        let node = span == nil ? nil : span.flatMap(BrowsedSpan.init)
        guard span == nil || node != nil else {
            throw Problem.notFound("'\(span?.prefix(40) ?? "")' is no span of time like 2026-11")
        }
        query.asOf = call.asOf
        query.needsDocuments = false
        query.limit = Self.linkedMax
        query.sortTimes = node?.range
        if let token = call.query["token"], !token.isEmpty { query.token = try PageToken(token) }
        let page = try await catalogue.search(query)
        let root = call.address.collection(name) + "/browse"
        let url = node.map { "\(root)/\($0.text)" } ?? root
        let up = node.map { $0.parent.map { "\(root)/\($0.text)" } ?? root } ?? call.address.collection(name)
        let own = query.token == nil ? url : "\(url)?\(call.query.encoded)"
        var links = [
            Link("self", own, MediaType.json, title: node?.text ?? name),
            Link("root", call.address.landing, MediaType.json, title: title),
            Link("parent", up, MediaType.json, title: "Up"),
        ]
        let parts = page.next == nil || query.token != nil ? nil : try await self.parts(of: node, query)
        if let parts {
            links += parts.map { Link("child", "\(root)/\($0.text)", MediaType.json, title: $0.text) }
        } else {
            links += page.items.map {
                Link("item", call.address.item(name, $0.id), MediaType.geoJSON, title: $0.id)
            }
            if let next = page.next {
                links.append(
                    Link("child", "\(url)?token=\(next.text)", MediaType.json, title: "\(node?.text ?? name), more"))
            }
        }
        var json = JSONWriter(capacity: 4096)
        json.object { json in
            json.member("type", "Catalog")
            json.member("stac_version", "1.1.0")
            json.member("id", node.map { "\(name)-\($0.text)" } ?? "\(name)-browse")
            json.member("title", node?.text ?? "Items of \(name) by time")
            json.member("description", "Items of the collection \(name)\(node.map { " of \($0.text)" } ?? "").")
            json.links(links)
        }
        return Response(.ok, type: MediaType.json, bytes: json.bytes)
    }

    /// The shorter spans that have items; nil where there are no shorter ones.
    private func parts(of node: BrowsedSpan?, _ query: SearchQuery) async throws -> [BrowsedSpan]? {
        var query = query
        query.limit = 1
        guard let node else { return try await years(query) }
        var out: [BrowsedSpan] = []
        for part in node.parts {
            query.sortTimes = part.range
            if try await !catalogue.search(query).items.isEmpty { out.append(part) }
        }
        return node.parts.isEmpty ? nil : out
    }

    /// Years that are looked at one by one; where items lie further apart, all items are counted.
    private static let yearsMax = 500

    private func years(_ query: SearchQuery) async throws -> [BrowsedSpan] {
        var query = query
        guard let name = query.visible.names.first, let times = try await catalogue.sortTimes(of: name) else {
            return []
        }
        let (first, last) = (times.lowerBound.parts.year, times.upperBound.parts.year)
        guard last - first < Self.yearsMax else {
            let counts = try await catalogue.aggregate(query, [.datetimes(.year)])
            guard case .buckets(let buckets, _) = counts.first else { return [] }
            return buckets.compactMap { bucket in
                guard case .moment(let moment) = bucket.key else { return nil }
                return BrowsedSpan([moment.parts.year])
            }
        }
        var out: [BrowsedSpan] = []
        for year in first...last {
            query.sortTimes = BrowsedSpan([year]).range
            if try await !catalogue.search(query).items.isEmpty { out.append(BrowsedSpan([year])) }
        }
        return out
    }
}

/// A year, or a month, day, hour, minute or second of one.
private struct BrowsedSpan {
    /// Year, month, day and so on, as many as there are.
    let numbers: [Int]

    private static let widths = [4, 2, 2, 2, 2, 2]
    private static let separators = ["", "-", "-", "T", ":", ":"]
    private static let least = [0, 1, 1, 0, 0, 0]
    private static let most = [9999, 12, 31, 23, 59, 59]

    init(_ numbers: [Int]) { self.numbers = numbers }

    /// Nil for what is no such span, or is written in another way.
    init?(_ text: String) {
        let parts = text.split(omittingEmptySubsequences: false) { "-T:".contains($0) }
        let numbers = parts.compactMap { Int($0) }
        guard !parts.isEmpty, parts.count <= Self.widths.count, numbers.count == parts.count else { return nil }
        self.init(numbers)
        guard self.text == text, start(numbers) != nil else { return nil }
    }

    var text: String {
        numbers.enumerated().map { index, number in
            let digits = String(number)
            let zeros = String(repeating: "0", count: max(0, Self.widths[index] - digits.count))
            return Self.separators[index] + zeros + digits
        }.joined()
    }

    var parent: BrowsedSpan? { numbers.count > 1 ? BrowsedSpan(numbers.dropLast()) : nil }

    /// None of a second.
    var parts: [BrowsedSpan] {
        guard numbers.count < Self.widths.count else { return [] }
        return (Self.least[numbers.count]...Self.most[numbers.count]).map { BrowsedSpan(numbers + [$0]) }
            .filter { start($0.numbers) != nil }
    }

    private func start(_ numbers: [Int]) -> Timestamp? {
        let p = numbers + Self.least.dropFirst(numbers.count)
        return Timestamp(year: p[0], month: p[1], day: p[2], hour: p[3], minute: p[4], second: p[5])
    }

    /// From its first to its last microsecond.
    var range: ClosedRange<Timestamp>? {
        let last = zip(Self.most.indices, Self.most).dropFirst(numbers.count).map(\.1)
        guard let from = start(numbers) else { return nil }
        // Months have different lengths: the last day of this one is the first that fits.
        for day in [0, 1, 2, 3] {
            var p = numbers + last
            if numbers.count < 3 { p[2] -= day }
            guard let end = start(p) else { continue }
            return from...Timestamp(microseconds: end.microseconds + 999_999)
        }
        return nil
    }
}
