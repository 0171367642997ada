package import CQL2
import Database
import Geometry
import Journal
import Wire

/// Which collections to find (STAC's collection search). Conditions that are nil do not restrict.
package struct CollectionQuery: Sendable {
    package static let limitMax = 1000

    /// Only these are looked at, whatever else is asked for.
    package var visible: CollectionDirectory
    package var ids: [String] = []
    package var area: SearchArea?
    package var interval: SearchInterval?
    /// A condition on the members of the Collection; `datetime` and `geometry` stand for its extent.
    package var filter: CQL2?
    /// Words in its id, title, description and keywords.
    package var words: FreeText?
    /// Members of the Collection; by id where none is named.
    package var order = SortOrder([])
    /// 1 to ``limitMax``.
    package var limit = 100
    package var token: PageToken?

    package init(visible: CollectionDirectory) { self.visible = visible }

    /// What is asked of each collection beyond its name.
    fileprivate var looksInside: Bool { area != nil || interval != nil || filter != nil || words != nil }
}

/// One page of collections.
package struct CollectionPage: Sendable {
    package var collections: [CatalogueCollection]
    package var next: PageToken?
    /// How many match in all; it is exact.
    package var matched: Int
}

extension Catalogue {
    /// Rows that one statement reads.
    private static let collectionsAtOnce = 250

    /// Finds collections. Without conditions it costs what it returns; with some, each visible collection is looked at.
    ///
    /// - Throws: ``CatalogueError`` `.invalidToken` for a token of another order.
    package func search(collections query: CollectionQuery) async throws -> CollectionPage {
        let order = query.order.fields.isEmpty ? SortOrder([.init("id", isDescending: false)]) : query.order
        var from: SortPosition?
        if let token = query.token {
            guard case .sorted(let position) = token.position, token.order == order.mark else {
                throw CatalogueError(.invalidToken, "the token belongs to a search that is sorted in another way")
            }
            from = position
        }
        let limit = min(max(query.limit, 1), CollectionQuery.limitMax)
        let entries = query.visible.entries
        var found: [(name: String, position: SortPosition)] = []
        var matched = entries.count
        if order.isByName, query.ids.isEmpty, !query.looksInside {
            let after = from?.keys.first.map { String(decoding: $0.dropFirst(), as: UTF8.self) }
            let rest = entries[(after.map { query.visible.index(after: $0) } ?? 0)...]
            found = rest.prefix(limit + 1).map {
                ($0.name, SortPosition(keys: [PropertyKey.name($0.name)], number: $0.id))
            }
        } else {
            let names = Set(query.ids)
            let asked = names.isEmpty ? entries : entries.filter { names.contains($0.name) }
            for start in stride(from: 0, to: asked.count, by: Self.collectionsAtOnce) {
                let part = asked[start..<min(start + Self.collectionsAtOnce, asked.count)]
                for collection in try await collections(names: part.map(\.name)) where try collection.matches(query) {
                    found.append((collection.name, collection.position(order)))
                }
            }
            matched = found.count
            if let from { found.removeAll { !order.precedes(from, $0.position) } }
            found.sort { order.precedes($0.position, $1.position) }
        }
        let page = found.prefix(limit)
        let shown = try await collections(names: page.map(\.name))
        let byName = Dictionary(shown.map { ($0.name, $0) }) { first, _ in first }
        let next = found.count > limit ? page.last : nil
        return CollectionPage(
            collections: page.compactMap { byName[$0.name] },
            next: next.map {
                PageToken(
                    .next, .sorted($0.position), order: order.mark,
                    MatchedCount(count: Int64(matched), isEstimate: false))
            }, matched: matched)
    }
}

extension SortOrder {
    fileprivate var isByName: Bool { fields == [.init("id", isDescending: false)] }
}

extension PropertyKey {
    /// The name of a collection, whatever it looks like: in the order of the directory.
    fileprivate static func name(_ name: String) -> [UInt8] { [Tag.text] + Array(name.utf8.prefix(textBytesMax)) }
}

extension CatalogueCollection {
    private static let always = SearchInterval(from: nil, to: nil)

    /// Where its items are; while there are none, where its document says, or everywhere.
    private var extents: [BoundingBox] {
        if let area { return area.splitAtAntimeridian }
        let said = document?["extent"]?["spatial"]?["bbox"]?.array?.first
        guard
            let box = try? said.map(BoundingBox.init(parsing:))
                ?? BoundingBox(west: -180, south: -90, east: 180, north: 90)
        else { return [] }
        return box.splitAtAntimeridian
    }

    private var interval: SearchInterval {
        if let times { return SearchInterval(from: times.lowerBound, to: times.upperBound) }
        guard let said = document?["extent"]?["temporal"]?["interval"]?.array?.first?.array, said.count == 2 else {
            return Self.always
        }
        let ends = said.map { $0.string.flatMap { Timestamp(rfc3339: $0) } }
        return SearchInterval(from: ends[0], to: ends[1])
    }

    fileprivate func matches(_ query: CollectionQuery) throws -> Bool {
        if let wanted = query.interval {
            let own = interval
            if let from = wanted.from, let end = own.to, end < from { return false }
            if let to = wanted.to, let start = own.from, start > to { return false }
        }
        if let area = query.area {
            let boxes = Footprint.boxes(of: area)
            let isNear = extents.contains { own in
                boxes.contains { $0.intersects(own) } && Footprint.meets(area, own.geometry, box: own)
            }
            guard isNear else { return false }
        }
        if let filter = query.filter, filter.holds(value) != true { return false }
        guard let words = query.words else { return true }
        let texts = ["title", "description"].compactMap { document?[$0]?.string }
        let keywords = document?["keywords"]?.array?.compactMap(\.string) ?? []
        return words.matches(([name] + texts + keywords).map(FreeText.folded))
    }

    private func value(_ property: String) -> CQL2.Value {
        switch property {
        case "id", "collection": return .string(name)
        case "datetime":
            let own = interval
            return .span(CQL2.Span(from: own.from?.microseconds ?? .min, to: own.to?.microseconds ?? .max))
        case "geometry": return area.map { .geometry($0.geometry) } ?? .null
        default: return member(property).map { CQL2.Value($0) } ?? .null
        }
    }

    /// A member of the document, or one within an object by a path with dots.
    private func member(_ path: String) -> JSONValue? {
        if let whole = document?[path] { return whole }
        let parts = path.split(separator: ".").map(String.init)
        guard parts.count > 1, parts.count <= 8 else { return nil }
        return parts.reduce(document) { $0?[$1] }
    }

    fileprivate func position(_ order: SortOrder) -> SortPosition {
        let own = interval
        let keys = order.fields.map { field in
            let key: [UInt8]? =
                switch field.property {
                case "id": PropertyKey.name(name)
                case "datetime", "start_datetime": own.from.map { PropertyKey.of(moment: $0.microseconds) }
                case "end_datetime": own.to.map { PropertyKey.of(moment: $0.microseconds) }
                default: PropertyKey.of(member(field.property))
                }
            // What has no value comes last, in both directions.
            return key ?? (field.isDescending ? PropertyKey.first : PropertyKey.last)
        }
        return SortPosition(keys: keys, number: id)
    }
}
