import Wire

extension Condition {
    private enum Kind {
        case text(wildcards: Bool, ignoringCase: Bool)
        case arn, bool, binary, address, null
        case number(Order)
        case date(Order)
    }

    private static let operators: [String: (kind: Kind, isNegated: Bool)] = [
        "StringEquals": (.text(wildcards: false, ignoringCase: false), false),
        "StringNotEquals": (.text(wildcards: false, ignoringCase: false), true),
        "StringEqualsIgnoreCase": (.text(wildcards: false, ignoringCase: true), false),
        "StringNotEqualsIgnoreCase": (.text(wildcards: false, ignoringCase: true), true),
        "StringLike": (.text(wildcards: true, ignoringCase: false), false),
        "StringNotLike": (.text(wildcards: true, ignoringCase: false), true),
        "NumericEquals": (.number(.equal), false),
        "NumericNotEquals": (.number(.equal), true),
        "NumericLessThan": (.number(.less), false),
        "NumericLessThanEquals": (.number(.lessOrEqual), false),
        "NumericGreaterThan": (.number(.greater), false),
        "NumericGreaterThanEquals": (.number(.greaterOrEqual), false),
        "DateEquals": (.date(.equal), false),
        "DateNotEquals": (.date(.equal), true),
        "DateLessThan": (.date(.less), false),
        "DateLessThanEquals": (.date(.lessOrEqual), false),
        "DateGreaterThan": (.date(.greater), false),
        "DateGreaterThanEquals": (.date(.greaterOrEqual), false),
        "Bool": (.bool, false),
        "BinaryEquals": (.binary, false),
        "IpAddress": (.address, false),
        "NotIpAddress": (.address, true),
        "ArnEquals": (.arn, false),
        "ArnLike": (.arn, false),
        "ArnNotEquals": (.arn, true),
        "ArnNotLike": (.arn, true),
        "Null": (.null, false),
    ]

    /// - Parameters:
    ///   - name: the operator with its quantifier and `IfExists`.
    ///   - place: where it stands, for errors.
    init(operator name: String, key: String, value: JSONValue, place: String) throws(PolicyError) {
        var rest = name[...]
        var quantifier = Quantifier.none
        if rest.hasPrefix("ForAllValues:") { quantifier = .forAllValues }
        if rest.hasPrefix("ForAnyValue:") { quantifier = .forAnyValue }
        if quantifier != .none, let colon = rest.firstIndex(of: ":") { rest = rest[rest.index(after: colon)...] }
        let ifExists = rest.hasSuffix("IfExists")
        if ifExists { rest = rest.dropLast("IfExists".count) }
        guard let (kind, isNegated) = Self.operators[String(rest)] else {
            throw PolicyError(.unknownOperator, "\(place): there is no condition operator \(String(name.prefix(64)))")
        }
        if case .null = kind, ifExists || quantifier != .none {
            throw PolicyError(.unknownOperator, "\(place): Null takes neither IfExists nor a quantifier")
        }
        guard !key.isEmpty else { throw PolicyError(.invalidElement, "\(place): a context key is missing") }
        self.key = key.lowercased()
        self.quantifier = quantifier
        self.isNegated = isNegated
        self.ifExists = ifExists
        let place = "\(place), \(name) \(key.prefix(128))"
        test = try Self.test(kind, try Self.texts(value, place: place), place: place)
    }

    /// How many variables the values hold.
    var variableCount: Int {
        switch test {
        case .text(let patterns, _): patterns.reduce(0) { $0 + $1.variableCount }
        case .arn(let patterns): patterns.reduce(0) { $0 + $1.variableCount }
        default: 0
        }
    }

    /// One value or a list of them; numbers and booleans count as their text.
    private static func texts(_ value: JSONValue, place: String) throws(PolicyError) -> [String] {
        var out: [String] = []
        for item in value.array ?? [value] {
            switch item {
            case .string(let text): out.append(text)
            case .integer(let number): out.append(String(number))
            case .double(let number): out.append(String(number))
            case .bool(let bool): out.append(bool ? "true" : "false")
            default: throw PolicyError(.invalidElement, "\(place): a value must be a string, a number or a boolean")
            }
        }
        guard !out.isEmpty else { throw PolicyError(.invalidElement, "\(place): a value is missing") }
        return out
    }

    private static func test(_ kind: Kind, _ texts: [String], place: String) throws(PolicyError) -> Test {
        func all<T>(_ parse: (String) throws(PatternFault) -> T) throws(PolicyError) -> [T] {
            var out: [T] = []
            for text in texts {
                do throws(PatternFault) {
                    out.append(try parse(text))
                } catch {
                    throw PolicyError(.invalidElement, "\(place): \"\(text.prefix(64))\": \(error.message)")
                }
            }
            return out
        }
        func expect<T>(_ value: T?, _ what: String) throws(PatternFault) -> T {
            guard let value else { throw PatternFault(message: "it must be \(what)") }
            return value
        }
        switch kind {
        case .text(let wildcards, let ignoringCase):
            let syntax: Pattern.Syntax = wildcards ? [.wildcards, .variables] : .variables
            return .text(
                try all { text throws(PatternFault) in try Pattern(text, syntax, ignoringCase: ignoringCase) },
                ignoringCase: ignoringCase)
        case .arn: return .arn(try all { text throws(PatternFault) in try ARNPattern(text) })
        case .number(let order):
            return .number(order, try all { text throws(PatternFault) in try expect(Double(text), "a number") })
        case .date(let order):
            return .date(
                order,
                try all { text throws(PatternFault) in
                    try expect(Timestamp(policyDate: text), "a date like 2026-01-31T00:00:00Z")
                })
        case .bool: return .bool(try all { text throws(PatternFault) in try expect(boolean(text), "true or false") })
        case .null: return .null(try all { text throws(PatternFault) in try expect(boolean(text), "true or false") })
        case .binary: return .binary(try all { text throws(PatternFault) in try expect(Base64.decode(text), "base64") })
        case .address:
            return .address(
                try all { text throws(PatternFault) in
                    try expect(IPNetwork(text), "an IP address or a network like 192.0.2.0/24")
                })
        }
    }

    private static func boolean(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true": true
        case "false": false
        default: nil
        }
    }
}
