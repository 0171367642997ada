import Geometry
import Wire

extension CQL2 {
    /// Whether something fulfils the condition; nil where what it asks about is not there, or not comparable.
    ///
    /// - Parameter value: what a property has, `.null` for one that is not there.
    package func holds(_ value: (String) throws -> Value) rethrows -> Bool? {
        switch self {
        case .call(.and, let parts):
            var isUnknown = false
            for part in parts {
                switch try part.holds(value) {
                case false: return false
                case nil: isUnknown = true
                default: break
                }
            }
            return isUnknown ? nil : true
        case .call(.or, let parts):
            var isUnknown = false
            for part in parts {
                switch try part.holds(value) {
                case true: return true
                case nil: isUnknown = true
                default: break
                }
            }
            return isUnknown ? nil : false
        case .call(.not, let parts): return try parts[0].holds(value).map { !$0 }
        case .call(.isNull, let parts): return try parts[0].evaluated(value).isNull
        default:
            guard case .bool(let result) = try evaluated(value) else { return nil }
            return result
        }
    }

    private func evaluated(_ value: (String) throws -> Value) rethrows -> Value {
        switch self {
        case .property(let name): return try value(name)
        case .string(let text): return .string(text)
        case .number(let number): return .number(number)
        case .bool(let flag): return .bool(flag)
        case .date(let day): return .span(Span(day: day))
        case .timestamp(let moment): return .span(Span(moment))
        case .open: return .null
        case .geometry(let geometry): return .geometry(geometry)
        case .box(let box): return .geometry(box.geometry)
        case .array(let items): return .list(try items.map { try $0.evaluated(value) })
        case .interval(let from, let to):
            let low = from == .open ? Int64.min : try from.evaluated(value).span?.from
            let high = to == .open ? Int64.max : try to.evaluated(value).span?.to
            guard let low, let high, low <= high else { return .null }
            return .span(Span(from: low, to: high))
        case .call(let call, let parts):
            if call.group == .logical || call == .isNull { return try holds(value).map { .bool($0) } ?? .null }
            let arguments = try parts.map { try $0.evaluated(value) }
            return call.apply(arguments)
        }
    }
}

extension CQL2.Operator {
    fileprivate func apply(_ arguments: [CQL2.Value]) -> CQL2.Value {
        guard let first = arguments.first else { return .null }
        let second = arguments.count > 1 ? arguments[1] : .null
        let result: Bool?
        switch group {
        case .comparison: result = compare(first, second, arguments)
        case .spatial: result = relate(first, second)
        case .temporal: result = order(first.span, second.span)
        case .array: result = compare(lists: first, second)
        case .arithmetic: return compute(first, second)
        case .text, .function: return transform(first)
        case .logical: result = nil
        }
        return result.map { .bool($0) } ?? .null
    }

    private func compare(_ a: CQL2.Value, _ b: CQL2.Value, _ all: [CQL2.Value]) -> Bool? {
        switch self {
        case .equal: return a.isEqual(to: b)
        case .notEqual: return a.isEqual(to: b).map { !$0 }
        case .less: return a.isLess(than: b)
        case .greater: return b.isLess(than: a)
        case .lessOrEqual: return b.isLess(than: a).map { !$0 }
        case .greaterOrEqual: return a.isLess(than: b).map { !$0 }
        case .between:
            guard all.count == 3, let isBelow = a.isLess(than: b), let isAbove = all[2].isLess(than: a) else {
                return nil
            }
            return !isBelow && !isAbove
        case .isIn:
            guard !a.isNull, case .list(let items) = b else { return nil }
            return items.contains { a.isEqual(to: $0) == true }
        case .like:
            guard case .string(let text) = a, case .string(let pattern) = b else { return nil }
            return Pattern.matches(text, pattern)
        default: return nil
        }
    }

    private func transform(_ a: CQL2.Value) -> CQL2.Value {
        switch (self, a) {
        case (.casei, .string(let text)): return .string(TextFolding.caseless(text))
        case (.accenti, .string(let text)): return .string(TextFolding.accentless(text))
        case (.casei, .list(let items)), (.accenti, .list(let items)): return .list(items.map(transform))
        case (.lower, .string(let text)): return .string(text.lowercased())
        case (.upper, .string(let text)): return .string(text.uppercased())
        case (.length, .string(let text)): return .number(Double(text.count))
        case (.abs, .number(let number)): return .number(Swift.abs(number))
        case (.ceil, .number(let number)): return .number(number.rounded(.up))
        case (.floor, .number(let number)): return .number(number.rounded(.down))
        case (.round, .number(let number)): return .number(number.rounded())
        case (.sqrt, .number(let number)): return number >= 0 ? .number(number.squareRoot()) : .null
        case (.year, _), (.month, _), (.day, _):
            guard let span = a.span, span.from > .min else { return .null }
            let parts = Timestamp(microseconds: span.from).parts
            return .number(Double(self == .year ? parts.year : self == .month ? parts.month : parts.day))
        default: return .null
        }
    }

    private func compute(_ a: CQL2.Value, _ b: CQL2.Value) -> CQL2.Value {
        guard case .number(let x) = a, case .number(let y) = b else { return .null }
        let result =
            switch self {
            case .add: x + y
            case .subtract: x - y
            case .multiply: x * y
            case .divide: x / y
            case .integerDivide: (x / y).rounded(.towardZero)
            case .remainder: x.truncatingRemainder(dividingBy: y)
            default: Self.power(x, y)
            }
        return result.isFinite ? .number(result) : .null
    }

    /// Allen's relations, of intervals with both ends included.
    private func order(_ a: CQL2.Span?, _ b: CQL2.Span?) -> Bool? {
        guard let a, let b else { return nil }
        return switch self {
        case .temporalAfter: a.from > b.to
        case .temporalBefore: a.to < b.from
        case .temporalContains: a.from < b.from && a.to > b.to
        case .temporalDisjoint: a.from > b.to || a.to < b.from
        case .temporalDuring: a.from > b.from && a.to < b.to
        case .temporalEquals: a == b
        case .temporalFinishedBy: a.from < b.from && a.to == b.to
        case .temporalFinishes: a.from > b.from && a.to == b.to
        case .temporalIntersects: a.from <= b.to && a.to >= b.from
        case .temporalMeets: a.to == b.from
        case .temporalMetBy: a.from == b.to
        case .temporalOverlappedBy: a.from > b.from && a.from < b.to && a.to > b.to
        case .temporalOverlaps: a.from < b.from && a.to > b.from && a.to < b.to
        case .temporalStartedBy: a.from == b.from && a.to > b.to
        case .temporalStarts: a.from == b.from && a.to < b.to
        default: nil
        }
    }

    private func compare(lists first: CQL2.Value, _ second: CQL2.Value) -> Bool? {
        guard case .list(let a) = first, case .list(let b) = second else { return nil }
        func isIn(_ value: CQL2.Value, _ list: [CQL2.Value]) -> Bool { list.contains { $0.isEqual(to: value) == true } }
        return switch self {
        case .arrayContains: b.allSatisfy { isIn($0, a) }
        case .arrayContainedBy: a.allSatisfy { isIn($0, b) }
        case .arrayEquals: a.allSatisfy { isIn($0, b) } && b.allSatisfy { isIn($0, a) }
        case .arrayOverlaps: a.contains { isIn($0, b) }
        default: nil
        }
    }

    private func relate(_ first: CQL2.Value, _ second: CQL2.Value) -> Bool? {
        guard case .geometry(let one) = first, case .geometry(let other) = second else { return nil }
        // One that was drawn across the antimeridian, on a plane from 0 to 360, takes the other along.
        let a = other.boundingBox.east > 180 ? one.inEasternLongitudes : one
        let b = one.boundingBox.east > 180 ? other.inEasternLongitudes : other
        if self == .spatialIntersects { return a.intersects(b) }
        if self == .spatialDisjoint { return !a.intersects(b) }
        let relation = GeometryRelation(a, b)
        return switch self {
        case .spatialContains: relation.contains
        case .spatialCrosses: relation.crosses
        case .spatialEquals: relation.isEqual
        case .spatialOverlaps: relation.overlaps
        case .spatialTouches: relation.touches
        case .spatialWithin: relation.isWithin
        default: nil
        }
    }
}
