import CQL2
import Geometry
import Wire

/// What of a filter can be asked of columns and indexes beforehand. All of it must hold where the filter does; what is
/// not decided by it stays in `rest`, which is asked of each item that was found.
struct SearchNarrowing {
    var collections: Set<String>?
    var ids: Set<String>?
    /// Bounds of the column `datetime`.
    var datetimes = Int64.min...Int64.max
    /// Bounds of the items' time ranges.
    var times = Int64.min...Int64.max
    var area: SearchArea?
    /// Boxes that items must meet, where no area says so.
    var boxes: [BoundingBox]?
    var rest: [CQL2] = []
    /// Whether nothing can match.
    var isEmpty = false

    init(_ filter: CQL2, hasArea: Bool) {
        for condition in filter.conjuncts {
            if case .call(let call, let parts) = condition, take(call, parts, hasArea: hasArea) { continue }
            rest.append(condition)
        }
    }

    var filter: CQL2? { rest.isEmpty ? nil : rest.count == 1 ? rest[0] : .call(.and, rest) }

    /// - Returns: whether the condition is decided and need not be asked again.
    private mutating func take(_ call: CQL2.Operator, _ parts: [CQL2], hasArea: Bool) -> Bool {
        switch call.group {
        case .comparison: return compare(call, parts)
        case .spatial: return relate(call, parts, hasArea: hasArea)
        case .temporal:
            order(call, parts)
            return false
        default: return false
        }
    }

    private mutating func compare(_ call: CQL2.Operator, _ parts: [CQL2]) -> Bool {
        guard case .property(let name) = parts[0] else { return false }
        switch name {
        case "id", "collection":
            let texts: [String]
            switch (call, parts.count > 1 ? parts[1] : .open) {
            case (.equal, .string(let text)): texts = [text]
            case (.isIn, .array(let items)):
                texts = items.compactMap { if case .string(let text) = $0 { text } else { nil } }
                guard texts.count == items.count else { return false }
            default: return false
            }
            // A text that is a date may be equal to another that is written differently.
            guard texts.allSatisfy({ CQL2.Span($0) == nil }) else { return false }
            if name == "id" {
                ids = ids?.intersection(texts) ?? Set(texts)
            } else {
                collections = collections?.intersection(texts) ?? Set(texts)
            }
            return true
        case "datetime", "properties.datetime":
            let spans = parts.dropFirst().map(\.constantSpan)
            guard let first = spans.first ?? nil else { return false }
            let early = first.early
            switch call {
            case .equal: bound(early...first.to)
            case .less, .lessOrEqual: bound(Int64.min...first.to)
            case .greater, .greaterOrEqual: bound(early...Int64.max)
            case .between:
                guard let last = spans.last ?? nil, early <= last.to else { return false }
                bound(early...last.to)
            default: break
            }
            return false
        default: return false
        }
    }

    private mutating func bound(_ range: ClosedRange<Int64>) {
        guard range.overlaps(datetimes) else {
            isEmpty = true
            return
        }
        datetimes = range.clamped(to: datetimes)
    }

    private mutating func relate(_ call: CQL2.Operator, _ parts: [CQL2], hasArea: Bool) -> Bool {
        guard call != .spatialDisjoint, parts.contains(.property("geometry")),
            let other = parts.first(where: { $0 != .property("geometry") })
        else { return false }
        let wanted: SearchArea
        switch other {
        case .geometry(let geometry): wanted = .geometry(geometry)
        case .box(let box): wanted = .box(box)
        default: return false
        }
        if call == .spatialIntersects, !hasArea, area == nil {
            area = wanted
            return true
        }
        if boxes == nil { boxes = Footprint.boxes(of: wanted) }
        return false
    }

    /// Relations that leave no gap: the item's time range overlaps the interval.
    private mutating func order(_ call: CQL2.Operator, _ parts: [CQL2]) {
        let isDatetime = { (part: CQL2) in part == .property("datetime") || part == .property("properties.datetime") }
        guard isDatetime(parts[0]), let span = parts[1].constantSpan else { return }
        let range: ClosedRange<Int64>
        switch call {
        case .temporalAfter: range = span.to...Int64.max
        case .temporalBefore: range = Int64.min...span.from
        case .temporalDisjoint: return
        default: range = span.from...span.to
        }
        guard range.overlaps(times) else {
            isEmpty = true
            return
        }
        times = range.clamped(to: times)
    }
}

extension CQL2.Span {
    /// A day that a moment lies in begins before it.
    fileprivate var early: Int64 { from < .min + 86_400_000_000 ? .min : from - 86_400_000_000 }
}

extension CQL2 {
    /// The span of a literal; nil for whatever depends on the item.
    fileprivate var constantSpan: Span? {
        switch self {
        case .string(let text): return Span(text)
        case .date(let day): return Span(day: day)
        case .timestamp(let moment): return Span(moment)
        case .interval(let from, let to):
            let low = from == .open ? Int64.min : from.constantSpan?.from
            let high = to == .open ? Int64.max : to.constantSpan?.to
            guard let low, let high, low <= high else { return nil }
            return Span(from: low, to: high)
        default: return nil
        }
    }

    fileprivate var isText: Bool { if case .string = self { true } else { false } }
}

/// Values of one property that items must have, as ranges of an index.
struct IndexedCondition {
    var property: String
    var ranges: [ClosedRange<PropertyKey.Bytes>]

    /// Nil for a condition that an index cannot narrow down.
    init?(_ condition: CQL2) {
        guard case .call(let call, let parts) = condition, call.group == .comparison,
            case .property(let name) = parts[0], !["id", "collection", "geometry", "datetime"].contains(name)
        else { return nil }
        property = PropertyBytes.name(name)
        ranges = []
        switch (call, parts.count) {
        case (.equal, 2):
            guard let range = Self.equal(to: parts[1]) else { return nil }
            ranges = [range]
        case (.isIn, 2):
            guard case .array(let items) = parts[1], items.count <= 100 else { return nil }
            for item in items {
                guard let range = Self.equal(to: item) else { return nil }
                if !ranges.contains(range) { ranges.append(range) }
            }
        case (.less, 2), (.lessOrEqual, 2), (.greater, 2), (.greaterOrEqual, 2):
            let isBelow = call == .less || call == .lessOrEqual
            guard let found = Self.ranges(from: isBelow ? nil : parts[1], to: isBelow ? parts[1] : nil) else {
                return nil
            }
            ranges = found
        case (.between, 3):
            guard let found = Self.ranges(from: parts[1], to: parts[2]) else { return nil }
            ranges = found
        default: return nil
        }
    }

    private static func equal(to value: CQL2) -> ClosedRange<PropertyKey.Bytes>? {
        switch value {
        case .number(let number):
            let key = PropertyKey.Bytes(PropertyKey.of(number))
            return key...key
        case .bool(let flag):
            guard let key = PropertyKey.of(.bool(flag)) else { return nil }
            return PropertyKey.Bytes(key)...PropertyKey.Bytes(key)
        case .string(let text) where CQL2.Span(text) == nil:
            let key = PropertyKey.Bytes(PropertyKey.of(text))
            return key...key
        default: return range(from: value, to: value)
        }
    }

    /// What lies between two literals. A text that is a date is compared with texts that are none by its letters.
    private static func ranges(from low: CQL2?, to high: CQL2?) -> [ClosedRange<PropertyKey.Bytes>]? {
        guard let range = range(from: low, to: high) else { return nil }
        func key(_ bound: CQL2?) -> PropertyKey.Bytes? {
            guard case .string(let text) = bound else { return nil }
            return PropertyKey.Bytes(PropertyKey.text(text))
        }
        guard [low, high].allSatisfy({ $0?.isText != false }) else { return [range] }
        let (least, most) = (key(low) ?? PropertyKey.texts.lowerBound, key(high) ?? PropertyKey.texts.upperBound)
        return least <= most ? [range, least...most] : [range]
    }

    /// Numbers or moments between two literals; texts have another order than these, so they are left out.
    private static func range(from low: CQL2?, to high: CQL2?) -> ClosedRange<PropertyKey.Bytes>? {
        let given = [low, high].compactMap { $0 }
        let whole: ClosedRange<PropertyKey.Bytes>
        let keys: (CQL2) -> (PropertyKey.Bytes, PropertyKey.Bytes)?
        if given.allSatisfy({ if case .number = $0 { true } else { false } }) {
            whole = PropertyKey.numbers
            keys = { value in
                guard case .number(let number) = value else { return nil }
                let key = PropertyKey.Bytes(PropertyKey.of(number))
                return (key, key)
            }
        } else {
            whole = PropertyKey.moments
            keys = { value in
                guard let span = value.constantSpan else { return nil }
                return (
                    PropertyKey.Bytes(PropertyKey.of(moment: span.early)),
                    PropertyKey.Bytes(PropertyKey.of(moment: span.to))
                )
            }
        }
        var bounds = whole
        if let low {
            guard let key = keys(low)?.0, key <= bounds.upperBound else { return nil }
            bounds = key...bounds.upperBound
        }
        if let high {
            guard let key = keys(high)?.1, bounds.lowerBound <= key else { return nil }
            bounds = bounds.lowerBound...key
        }
        return bounds
    }
}
