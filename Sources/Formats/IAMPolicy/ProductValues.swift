import Wire

/// Values of which a product must have one, for a condition on its property to hold.
package enum ProductValues: Sendable, Hashable {
    /// A text that begins so; `isWhole`: that is nothing else.
    case text(String, isWhole: Bool)
    /// A number, or a text that is one; both bounds count.
    case number(ClosedRange<Double>)
    case bool(Bool)
    /// A moment in microseconds since 1970, also where it is written in another way; both bounds count.
    case moment(ClosedRange<Int64>)
}

extension ProductProperty {
    /// Where the condition holds, one of these is among the property's values; the other way it need not be. Nil where
    /// no such values can be told, since it also holds without them.
    package var values: [ProductValues]? { condition.values }
}

extension Condition {
    fileprivate var values: [ProductValues]? {
        guard !isNegated, !ifExists, quantifier != .forAllValues else { return nil }
        switch test {
        case .text(let patterns, ignoringCase: false):
            return patterns.map { pattern in
                .text(String(decoding: pattern.literalStart, as: UTF8.self), isWhole: pattern.isFixed)
            }
        case .number(let order, let wanted):
            let most = Double.greatestFiniteMagnitude
            guard wanted.allSatisfy(\.isFinite) else { return nil }
            return wanted.map { .number(order.range(of: $0, in: -most...most)) }
        case .date(let order, let wanted):
            return wanted.map { .moment(order.range(of: $0.microseconds, in: .min ... .max)) }
        case .bool(let wanted): return wanted.map { .bool($0) }
        case .text, .arn, .binary, .address, .null: return nil
        }
    }
}

extension Condition.Order {
    /// What compares so with a bound, and the bound.
    fileprivate func range<T: Comparable>(of bound: T, in whole: ClosedRange<T>) -> ClosedRange<T> {
        switch self {
        case .equal: bound...bound
        case .less, .lessOrEqual: whole.lowerBound...bound
        case .greater, .greaterOrEqual: bound...whole.upperBound
        }
    }
}
