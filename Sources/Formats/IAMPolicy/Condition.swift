import Wire

/// One line of a statement's `Condition`: an operator, a context key and the values to compare with.
struct Condition: Sendable {
    /// How the values of a key with several of them are joined.
    enum Quantifier: Sendable { case none, forAllValues, forAnyValue }

    enum Order: Sendable { case equal, less, lessOrEqual, greater, greaterOrEqual }

    /// What to compare with, parsed once.
    enum Test: Sendable {
        case text([Pattern], ignoringCase: Bool)
        case arn([ARNPattern])
        case number(Order, [Double])
        case date(Order, [Timestamp])
        case bool([Bool])
        case binary([[UInt8]])
        case address([IPNetwork])
        case null([Bool])
    }

    /// In lower case.
    let key: String
    let quantifier: Quantifier
    let isNegated: Bool
    let ifExists: Bool
    let test: Test

    /// - Parameter unknown: what a negated comparison with a variable that has no value gives: true in a Deny, false
    ///   in an Allow, so that a missing value never opens anything.
    func holds(_ context: PolicyContext, unknown: Bool) -> Bool {
        holds(context[key], context, unknown: unknown)
    }

    /// The same for values of the key that are given.
    func holds(_ values: [String], _ context: PolicyContext, unknown: Bool) -> Bool {
        if case .null(let wanted) = test { return wanted.contains(values.isEmpty) }
        if values.isEmpty {
            if ifExists { return true }
            switch quantifier {
            case .none: return isNegated
            case .forAllValues: return true
            case .forAnyValue: return false
            }
        }
        func passes(_ value: String) -> Bool {
            switch outcome(value, context) {
            case .matches: !isNegated
            case .differs: isNegated
            case .variableWithoutValue: isNegated && unknown
            }
        }
        switch quantifier {
        case .forAllValues: return values.allSatisfy(passes)
        case .forAnyValue: return values.contains(where: passes)
        // A key with several values and no quantifier: one of them has to match, or none may where the operator is
        // negated.
        case .none: return isNegated ? values.allSatisfy(passes) : values.contains(where: passes)
        }
    }

    private func outcome(_ value: String, _ context: PolicyContext) -> Pattern.Outcome {
        switch test {
        case .text(let patterns, let ignoringCase):
            let bytes = Array((ignoringCase ? value.lowercased() : value).utf8)
            return Self.best(patterns.lazy.map { $0.outcome(bytes, context) })
        case .arn(let patterns):
            let bytes = Array(value.utf8)
            return Self.best(patterns.lazy.map { $0.outcome(bytes, context) })
        case .number(let order, let wanted):
            guard let number = Double(value) else { return .differs }
            return wanted.contains { Self.compare(number, order, $0) } ? .matches : .differs
        case .date(let order, let wanted):
            guard let date = Timestamp(policyDate: value) else { return .differs }
            return wanted.contains { Self.compare(date, order, $0) } ? .matches : .differs
        case .bool(let wanted):
            let bool: Bool? =
                switch value.lowercased() {
                case "true": true
                case "false": false
                default: nil
                }
            return wanted.contains { $0 == bool } ? .matches : .differs
        case .binary(let wanted):
            guard let bytes = Base64.decode(value) else { return .differs }
            return wanted.contains(bytes) ? .matches : .differs
        case .address(let networks):
            guard let address = IPNetwork(value), address.prefix == 128 else { return .differs }
            return networks.contains { $0.contains(address) } ? .matches : .differs
        case .null: return .differs
        }
    }

    /// A match wins; else a variable without a value is told from an ordinary difference.
    private static func best(_ outcomes: some Sequence<Pattern.Outcome>) -> Pattern.Outcome {
        var result = Pattern.Outcome.differs
        for outcome in outcomes {
            if outcome == .matches { return .matches }
            if outcome == .variableWithoutValue { result = outcome }
        }
        return result
    }

    private static func compare<T: Comparable>(_ a: T, _ order: Order, _ b: T) -> Bool {
        switch order {
        case .equal: a == b
        case .less: a < b
        case .lessOrEqual: a <= b
        case .greater: a > b
        case .greaterOrEqual: a >= b
        }
    }
}

/// The six parts of an ARN, matched one by one: a `*` does not reach over a colon, except in the last part.
struct ARNPattern: Sendable {
    let parts: [Pattern]
    let variableCount: Int

    init(_ text: String) throws(PatternFault) {
        let elements = try Pattern.elements(Array(text.utf8), [.wildcards, .variables])
        let split = elements.split(separator: .byte(UInt8(ascii: ":")), maxSplits: 5, omittingEmptySubsequences: false)
        parts = split.count == 6 ? split.map { Pattern(Array($0)) } : [Pattern(elements)]
        // A single variable may hold a whole ARN.
        guard split.count == 6 || elements.count == 1, !elements.isEmpty else {
            throw PatternFault(message: "an ARN has six parts with colons between them, like arn:aws:s3:::bucket/*")
        }
        variableCount = parts.reduce(0) { $0 + $1.variableCount }
    }

    func outcome(_ text: [UInt8], _ context: PolicyContext) -> Pattern.Outcome {
        guard parts.count == 6 else { return parts[0].outcome(text, context) }
        let split = text.split(separator: UInt8(ascii: ":"), maxSplits: 5, omittingEmptySubsequences: false)
        guard split.count == 6 else { return .differs }
        var result = Pattern.Outcome.matches
        for (pattern, part) in zip(parts, split) {
            switch pattern.outcome(Array(part), context) {
            case .matches: continue
            case .differs: return .differs
            case .variableWithoutValue: result = .variableWithoutValue
            }
        }
        return result
    }
}

extension Timestamp {
    /// A date of a policy: RFC 3339, a day alone (its beginning), or whole seconds since 1970.
    init?(policyDate text: String) {
        if let seconds = Int64(text), abs(seconds) < 1 << 40 {
            self.init(seconds: seconds)
        } else if text.utf8.count == 10 {
            self.init(rfc3339: text + "T00:00:00Z")
        } else {
            self.init(rfc3339: text)
        }
    }
}
