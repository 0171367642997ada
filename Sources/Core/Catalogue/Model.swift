package import CQL2
package import Geometry
package import Wire

/// One item as it is stored.
package struct ItemRecord: Sendable {
    package var collection: String
    package var id: String
    /// The folder or key that the item stands for; nil for an item put by hand.
    package var product: String?
    /// The transaction that last changed it.
    package var tid: Int64
    package var updated: Timestamp
    /// The stored JSON. It holds no links of another node: no self, root, parent or collection.
    package var document: [UInt8]
    /// Where in the document further links are put in: right behind the `[` of its links.
    package var linksAt: Int
    /// Names it among all items of the node for as long as it is there, whatever it is called.
    package var number: Int64 = 0

    /// Appends the document with further links put in.
    ///
    /// - Parameters:
    ///   - links: JSON objects with commas between them, without brackets.
    ///   - fields: what is asked for; nil for all.
    package func write(to out: inout [UInt8], links: [UInt8], fields: FieldSelection? = nil) {
        if let fields {
            fields.write(document, links: links, to: &out)
            return
        }
        out.append(contentsOf: document[..<linksAt])
        out.append(contentsOf: links)
        let rest = document[linksAt...]
        let next = rest.first { !JSONSpans.isSpace($0) }
        if !links.isEmpty, next != UInt8(ascii: "]") { out.append(UInt8(ascii: ",")) }
        out.append(contentsOf: rest)
    }
}

/// A collection as the catalogue knows it.
package struct CatalogueCollection: Sendable {
    package var id: Int64
    package var name: String
    package var owner: String
    package var created: Timestamp
    package var itemCount: Int64
    /// What its items cover. After items were removed it may be larger than what is left, until none is left.
    package var area: BoundingBox?
    package var times: ClosedRange<Timestamp>?
    /// The STAC Collection that was put by hand, if any, and the transaction that did so.
    package var document: JSONValue?
    package var documentTID: Int64
}

/// Where a search looks.
package enum SearchArea: Sendable, Hashable {
    case box(BoundingBox)
    case geometry(Geometry)
}

/// From one moment to another, both included; nil for an open end.
package struct SearchInterval: Sendable, Hashable {
    package var from: Timestamp?
    package var to: Timestamp?

    package init(from: Timestamp?, to: Timestamp?) {
        self.from = from
        self.to = to
    }
}

/// What to look for. Conditions that are nil or empty do not restrict.
package struct SearchQuery: Sendable {
    package static let limitMax = 10_000
    package static let idsMax = 10_000

    /// Only these are looked at, whatever else is asked for.
    package var visible: CollectionDirectory
    package var collections: [String] = []
    package var ids: [String] = []
    package var area: SearchArea?
    /// Items with a time range match where it overlaps.
    package var interval: SearchInterval?
    /// Bounds, both included, of the moment by which items are sorted; an item with a time range has one too.
    package var sortTimes: ClosedRange<Timestamp>?
    /// A condition on properties: those of the item, and `id`, `collection`, `geometry` and `datetime`.
    package var filter: CQL2?
    /// Words that must be in the item's id or in a text among its properties.
    package var words: FreeText?
    package var order = SortOrder.newestFirst
    /// 1 to ``limitMax``.
    package var limit = 10
    package var token: PageToken?
    /// The TID whose state is searched; nil for the present one.
    package var asOf: Int64?
    /// Whether the items' documents are read; without them ``ItemRecord/document`` is empty.
    package var needsDocuments = true

    package init(visible: CollectionDirectory) { self.visible = visible }
}

/// One page of a search.
package struct ItemPage: Sendable {
    /// At most `limit`, and fewer where their documents are large: see ``documentBytesMax``.
    package var items: [ItemRecord]
    package var next: PageToken?
    package var previous: PageToken?
    /// How many items match in all.
    package var matched: MatchedCount

    /// Bytes of documents that a page may hold; it ends earlier then, and has a next one.
    package static let documentBytesMax: Int64 = 16 << 20
}

package struct MatchedCount: Sendable, Hashable {
    package var count: Int64
    package var isEstimate: Bool

    package init(count: Int64, isEstimate: Bool) {
        self.count = count
        self.isEstimate = isEstimate
    }
}
