import Wire

/// Where a page of a search begins: behind one item, by what items are sorted by, so that items which come or go
/// meanwhile neither repeat nor hide others. Clients get it as an opaque text.
package struct PageToken: Sendable, Hashable {
    enum Direction: UInt8 { case next, previous }

    enum Position: Sendable, Hashable {
        case time(SortKey)
        case sorted(SortPosition)
    }

    var direction: Direction
    var position: Position
    /// Of the order that the page belongs to: see `SortOrder.mark`.
    var order: UInt32
    /// Counted once, for the first page.
    var matched: MatchedCount

    init(_ direction: Direction, _ position: Position, order: UInt32, _ matched: MatchedCount) {
        (self.direction, self.position, self.order, self.matched) = (direction, position, order, matched)
    }

    private static let version: UInt8 = 2
    private static let textBytesMax = 4096

    package var text: String {
        var bytes: [UInt8] = [Self.version, direction.rawValue, matched.isEstimate ? 1 : 0]
        func add(_ number: Int64) {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: number >> Int64(shift)))
            }
        }
        add(matched.count)
        add(Int64(order))
        switch position {
        case .time(let key):
            bytes.append(0)
            add(key.datetime)
            add(key.collection)
            bytes += Array(key.id.utf8)
        case .sorted(let position):
            bytes.append(UInt8(position.keys.count))
            add(position.number)
            for key in position.keys {
                bytes.append(UInt8(key.count))
                bytes += key
            }
        }
        let sum = Self.checksum(bytes)
        bytes += (0..<4).map { UInt8(truncatingIfNeeded: sum >> (24 - 8 * $0)) }
        return Base64.encodeURL(bytes)
    }

    /// - Throws: ``CatalogueError`` `.invalidToken` for whatever is not a token of this version.
    package init(_ text: String) throws(CatalogueError) {
        let invalid = CatalogueError(
            .invalidToken,
            "the token is not one that a page of this catalogue gave: take it from a page's next or prev link")
        guard text.utf8.count <= Self.textBytesMax, let bytes = Base64.decode(text), bytes.count >= 32,
            bytes[0] == Self.version, let direction = Direction(rawValue: bytes[1]), bytes[2] <= 1
        else { throw invalid }
        let sum = bytes.suffix(4).reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
        guard Self.checksum(Array(bytes.dropLast(4))) == sum else { throw invalid }
        func number(_ at: Int) -> Int64 { bytes[at..<(at + 8)].reduce(0) { $0 << 8 | Int64($1) } }
        guard number(3) >= 0, let order = UInt32(exactly: number(11)) else { throw invalid }
        self.direction = direction
        self.order = order
        matched = MatchedCount(count: number(3), isEstimate: bytes[2] == 1)
        let count = Int(bytes[19])
        if count == 0 {
            guard bytes.count > 40, let id = String(validating: bytes[36..<(bytes.count - 4)], as: UTF8.self),
                !id.utf8.contains(0)
            else {
                throw invalid
            }
            position = .time(SortKey(datetime: number(20), collection: number(28), id: id))
            return
        }
        var rest = bytes[28..<(bytes.count - 4)]
        var keys: [[UInt8]] = []
        for _ in 0..<count {
            guard let length = rest.popFirst(), rest.count >= Int(length) else { throw invalid }
            keys.append(Array(rest.prefix(Int(length))))
            rest = rest.dropFirst(Int(length))
        }
        guard rest.isEmpty, count <= SortOrder.fieldsMax else { throw invalid }
        position = .sorted(SortPosition(keys: keys, number: number(20)))
    }

    /// FNV-1a, 32 bits: against tokens that were cut or mistyped. A token gives no rights, so it needs no signature.
    static func checksum(_ bytes: [UInt8]) -> UInt32 {
        bytes.reduce(2_166_136_261 as UInt32) { ($0 ^ UInt32($1)) &* 16_777_619 }
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
