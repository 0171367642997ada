import Wire

/// Where a page of a search begins: behind one item, by what items are sorted by, so that items which come or go
/// meanwhile neither repeat nor hide others. Clients get it as an opaque text.
package struct PageToken: Sendable, Hashable {
    enum Direction: UInt8 { case next, previous }

    var direction: Direction
    var position: SortKey
    /// Counted once, for the first page.
    var matched: MatchedCount

    init(_ direction: Direction, _ position: SortKey, _ matched: MatchedCount) {
        (self.direction, self.position, self.matched) = (direction, position, matched)
    }

    private static let version: UInt8 = 1
    private static let headCount = 27

    package var text: String {
        var bytes: [UInt8] = [Self.version, direction.rawValue, matched.isEstimate ? 1 : 0]
        for number in [matched.count, position.datetime, position.collection] {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: number >> Int64(shift)))
            }
        }
        bytes += Array(position.id.utf8)
        bytes += Self.checksum(bytes)
        return Base64.encodeURL(bytes)
    }

    /// - Throws: ``CatalogueError`` `.invalidToken` for whatever is not a token of this version.
    package init(_ text: String) throws(CatalogueError) {
        let invalid = CatalogueError(
            .invalidToken,
            "the token is not one that a page of this catalogue gave: take it from a page's next or prev link")
        guard text.utf8.count <= 512, let bytes = Base64.decode(text), bytes.count >= Self.headCount + 4,
            bytes[0] == Self.version, let direction = Direction(rawValue: bytes[1]), bytes[2] <= 1,
            Self.checksum(Array(bytes.dropLast(4))) == Array(bytes.suffix(4))
        else { throw invalid }
        func number(_ at: Int) -> Int64 { bytes[at..<(at + 8)].reduce(0) { $0 << 8 | Int64($1) } }
        guard let id = String(validating: bytes[Self.headCount..<(bytes.count - 4)], as: UTF8.self),
            !id.utf8.contains(0), number(3) >= 0
        else { throw invalid }
        self.direction = direction
        matched = MatchedCount(count: number(3), isEstimate: bytes[2] == 1)
        position = SortKey(datetime: number(11), collection: number(19), id: id)
    }

    /// FNV-1a, 32 bits: against tokens that were cut or mistyped. A token gives no rights, so it needs no signature.
    private static func checksum(_ bytes: [UInt8]) -> [UInt8] {
        let sum = bytes.reduce(2_166_136_261 as UInt32) { ($0 ^ UInt32($1)) &* 16_777_619 }
        return (0..<4).map { UInt8(truncatingIfNeeded: sum >> (24 - 8 * $0)) }
    }
}

/// What items are sorted by, each descending.
struct SortKey: Sendable, Hashable, Comparable {
    var datetime: Int64
    /// The row id of the collection.
    var collection: Int64
    var id: String

    static func < (a: SortKey, b: SortKey) -> Bool {
        if a.datetime != b.datetime { return a.datetime < b.datetime }
        if a.collection != b.collection { return a.collection < b.collection }
        // As both engines sort text: by its UTF-8 bytes.
        return a.id.utf8.lexicographicallyPrecedes(b.id.utf8)
    }
}
