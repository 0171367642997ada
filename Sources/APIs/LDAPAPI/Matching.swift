import Identity
import LDAPMessage
import Wire

/// What a filter says of an entry: also that it cannot be said (RFC 4511 §4.5.1.7).
enum Truth: Sendable {
    case yes, no, undefined
}

/// A filter in the words of this directory: attributes that are known, values as they are compared.
indirect enum Test: Sendable {
    case constant(Truth)
    case and([Test])
    case or([Test])
    case not(Test)
    case present(Attribute)
    case equals(Attribute, String)
    case substrings(Attribute, Pieces)
    case atLeast(Attribute, String)
    case atMost(Attribute, String)
    /// A part of the entry's name.
    case named(Attribute?, String)

    struct Pieces: Sendable {
        var initial: [UInt8]?
        var any: [[UInt8]]
        var final: [UInt8]?
    }
}

extension MatchingRule {
    /// A value as it is compared: two values are equal where these are. Nil for one that the rule's syntax does not
    /// have.
    func comparable(_ value: String) -> String? {
        switch self {
        case .caseIgnoreMatch, .caseIgnoreIA5Match: Identity.folded(value)
        case .caseExactIA5Match, .octetStringMatch: value
        case .integerMatch: Int64(value).map { String($0) }
        case .distinguishedNameMatch: try? DirectoryTree.folded(DistinguishedName(value)).text
        case .generalizedTimeMatch:
            // The lock for good is a time before all others, and none of the calendar.
            value == "000001010000Z" ? value : Timestamp(generalizedTime: value)?.generalizedTime
        case .booleanMatch: ["TRUE", "FALSE"].contains(value.uppercased()) ? value.uppercased() : nil
        case .uuidMatch: value.utf8.count == 36 ? value.lowercased() : nil
        case .objectIdentifierMatch, .objectIdentifierFirstComponentMatch:
            ObjectClass(named: value)?.rawValue.lowercased() ?? value.lowercased()
        }
    }

    /// A value of this directory, which is written in the one form that it has.
    func own(_ value: String) -> String {
        switch self {
        case .integerMatch, .uuidMatch, .generalizedTimeMatch, .booleanMatch, .caseExactIA5Match, .octetStringMatch:
            value
        case .distinguishedNameMatch, .caseIgnoreMatch, .caseIgnoreIA5Match: Identity.folded(value)
        case .objectIdentifierMatch, .objectIdentifierFirstComponentMatch: value.lowercased()
        }
    }

    /// A piece of a text as it is compared: spaces at its ends mean something.
    func piece(_ value: String) -> [UInt8] {
        guard self != .caseExactIA5Match else { return Array(value.utf8) }
        let folded = Identity.folded(value)
        return Array(
            ((value.first == " " ? " " : "") + folded + (value.last == " " && !folded.isEmpty ? " " : "")).utf8)
    }

    func isBefore(_ a: String, _ b: String) -> Bool {
        self == .integerMatch ? (Int64(a) ?? 0) < (Int64(b) ?? 0) : a < b
    }
}

extension Test {
    init(_ filter: Filter) {
        switch filter {
        case .and(let filters): self = .and(filters.map { Test($0) })
        case .or(let filters): self = .or(filters.map { Test($0) })
        case .not(let filter): self = .not(Test(filter))
        case .present(let name): self = Attribute(named: name).map { .present($0) } ?? .constant(.undefined)
        case .equality(let name, let value), .approximate(let name, let value):
            self = Self.assertion(name, value) { .equals($0, $1) }
        case .greaterOrEqual(let name, let value):
            self = Self.assertion(name, value) { $0.rule.ordering == nil ? .constant(.undefined) : .atLeast($0, $1) }
        case .lessOrEqual(let name, let value):
            self = Self.assertion(name, value) { $0.rule.ordering == nil ? .constant(.undefined) : .atMost($0, $1) }
        case .substrings(let name, let pieces): self = Self.substrings(name, pieces)
        case .extensible(let match): self = Self.extensible(match)
        }
    }

    /// Nil for bytes that are no text, or have a NUL in it: no value of this directory has either.
    static func text(_ value: [UInt8]) -> String? {
        value.contains(0) ? nil : String(validating: value, as: UTF8.self)
    }

    private static func assertion(_ name: String, _ value: [UInt8], _ make: (Attribute, String) -> Test) -> Test {
        guard let attribute = Attribute(named: name), let text = text(value),
            let comparable = attribute.rule.comparable(text)
        else { return .constant(.undefined) }
        return make(attribute, comparable)
    }

    private static func substrings(_ name: String, _ pieces: Filter.Substrings) -> Test {
        guard let attribute = Attribute(named: name), attribute.rule.substrings != nil else {
            return .constant(.undefined)
        }
        let rule = attribute.rule
        let texts = ([pieces.initial, pieces.final].compactMap { $0 } + pieces.any).map { text($0) }
        guard texts.allSatisfy({ $0 != nil }) else { return .constant(.undefined) }
        func piece(_ bytes: [UInt8]) -> [UInt8] { rule.piece(text(bytes) ?? "") }
        return .substrings(
            attribute,
            Pieces(
                initial: pieces.initial.map(piece), any: pieces.any.map(piece), final: pieces.final.map(piece)))
    }

    /// In Active Directory's words, groups through groups, which memberOf here means anyway.
    private static let inChain = "1.2.840.113556.1.4.1941"

    private static func extensible(_ match: Filter.ExtensibleMatch) -> Test {
        guard let value = text(match.value) else { return .constant(.undefined) }
        let known = match.rule.map { name in
            MatchingRule.allCases.first { $0.oid == name || $0.rawValue.lowercased() == name.lowercased() }
                ?? (name == inChain ? .distinguishedNameMatch : nil)
        }
        // A rule was named that nobody here knows.
        if case .some(.none) = known { return .constant(.undefined) }
        let rule = known ?? nil
        var attributes = Attribute.allCases.filter { $0.rule == rule }
        var attribute: Attribute?
        if let type = match.type {
            attribute = Attribute(named: type)
            guard let attribute, rule == nil || rule == attribute.rule else { return .constant(.undefined) }
            attributes = [attribute]
        }
        var tests: [Test] = attributes.map { attribute in
            attribute.rule.comparable(value).map { .equals(attribute, $0) } ?? .constant(.undefined)
        }
        if match.includesName { tests.append(.named(attribute, Identity.folded(value))) }
        return tests.count == 1 ? tests[0] : .or(tests)
    }

    // MARK: Holding it against an entry

    func evaluate(_ entry: Entry, in tree: DirectoryTree) -> Truth {
        switch self {
        case .constant(let truth): return truth
        case .and(let tests):
            var truth = Truth.yes
            for test in tests {
                switch test.evaluate(entry, in: tree) {
                case .no: return .no
                case .undefined: truth = .undefined
                case .yes: break
                }
            }
            return truth
        case .or(let tests):
            var truth = Truth.no
            for test in tests {
                switch test.evaluate(entry, in: tree) {
                case .yes: return .yes
                case .undefined: truth = .undefined
                case .no: break
                }
            }
            return truth
        case .not(let test):
            return switch test.evaluate(entry, in: tree) {
            case .yes: .no
            case .no: .yes
            case .undefined: .undefined
            }
        case .present(let attribute): return tree.values(of: attribute, in: entry).isEmpty ? .no : .yes
        case .equals(let attribute, let wanted):
            let rule = attribute.rule
            return holds(attribute, entry, tree) { rule.own($0) == wanted }
        case .substrings(let attribute, let pieces):
            let rule = attribute.rule
            return holds(attribute, entry, tree) { pieces.match(Array(rule.own($0).utf8)) }
        case .atLeast(let attribute, let bound):
            let rule = attribute.rule
            return holds(attribute, entry, tree) { !rule.isBefore(rule.own($0), bound) }
        case .atMost(let attribute, let bound):
            let rule = attribute.rule
            return holds(attribute, entry, tree) { !rule.isBefore(bound, rule.own($0)) }
        case .named(let attribute, let value):
            guard let name = try? DistinguishedName(tree.dn(of: entry)) else { return .undefined }
            let isIn = DirectoryTree.folded(name).parts.contains {
                $0.value == value && (attribute == nil || $0.type == attribute?.rawValue)
            }
            return isIn ? .yes : .no
        }
    }

    private func holds(
        _ attribute: Attribute, _ entry: Entry, _ tree: DirectoryTree, _ isWanted: (String) -> Bool
    ) -> Truth {
        tree.values(of: attribute, in: entry).contains(where: isWanted) ? .yes : .no
    }
}

extension Test.Pieces {
    func match(_ value: [UInt8]) -> Bool {
        var rest = value[...]
        if let initial {
            guard rest.starts(with: initial) else { return false }
            rest = rest.dropFirst(initial.count)
        }
        if let final {
            guard rest.count >= final.count, rest.suffix(final.count).elementsEqual(final) else { return false }
            rest = rest.dropLast(final.count)
        }
        for piece in any where !piece.isEmpty {
            guard let place = Self.find(piece, in: rest) else { return false }
            rest = rest[(place + piece.count)...]
        }
        return true
    }

    private static func find(_ piece: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        guard bytes.count >= piece.count else { return nil }
        for start in bytes.startIndex...(bytes.endIndex - piece.count)
        where bytes[start..<(start + piece.count)].elementsEqual(piece) {
            return start
        }
        return nil
    }
}
