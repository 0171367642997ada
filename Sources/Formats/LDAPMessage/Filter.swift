/// A search filter (RFC 4511 §4.5.1.7), as it came: what its attributes and values mean is for the directory to say.
package indirect enum Filter: Sendable, Equatable {
    /// Filters within filters. Nobody writes a hundred by hand, and reading them takes a frame of the stack each.
    package static let depthMax = 100
    /// Parts of one filter, all together: each is held against every entry that is looked at.
    package static let partsMax = 1000

    case and([Filter])
    case or([Filter])
    case not(Filter)
    case equality(String, [UInt8])
    case substrings(String, Substrings)
    case greaterOrEqual(String, [UInt8])
    case lessOrEqual(String, [UInt8])
    case present(String)
    case approximate(String, [UInt8])
    case extensible(ExtensibleMatch)

    /// `initial*any*…*final`; at least one of them is there.
    package struct Substrings: Sendable, Equatable {
        package var initial: [UInt8]?
        package var any: [[UInt8]] = []
        package var final: [UInt8]?

        package init(initial: [UInt8]? = nil, any: [[UInt8]] = [], final: [UInt8]? = nil) {
            self.initial = initial
            self.any = any
            self.final = final
        }
    }

    /// `type:dn:rule:=value`; type or rule may be missing, not both.
    package struct ExtensibleMatch: Sendable, Equatable {
        package var rule: String?
        package var type: String?
        package var value: [UInt8]
        /// Whether the attributes in the entry's name count as well.
        package var includesName = false

        package init(rule: String?, type: String?, value: [UInt8], includesName: Bool = false) {
            self.rule = rule
            self.type = type
            self.value = value
            self.includesName = includesName
        }
    }
}

extension Filter {
    private enum Tag {
        static let and: UInt8 = 0xA0
        static let or: UInt8 = 0xA1
        static let not: UInt8 = 0xA2
        static let equality: UInt8 = 0xA3
        static let substrings: UInt8 = 0xA4
        static let greaterOrEqual: UInt8 = 0xA5
        static let lessOrEqual: UInt8 = 0xA6
        static let present: UInt8 = 0x87
        static let approximate: UInt8 = 0xA8
        static let extensible: UInt8 = 0xA9
    }

    /// Reads a filter.
    ///
    /// - Throws: ``LDAPError`` `.protocolError`, also where it is deeper than ``depthMax``; `.adminLimitExceeded` where
    ///   it has more than ``partsMax`` parts.
    package init(_ reader: inout BERReader) throws(LDAPError) {
        var parts = 0
        self = try Self.read(&reader, depth: 1, &parts)
    }

    private static func read(_ reader: inout BERReader, depth: Int, _ parts: inout Int) throws(LDAPError) -> Filter {
        guard depth <= depthMax else { throw .malformed("the filter is more than \(depthMax) filters deep") }
        parts += 1
        guard parts <= partsMax else {
            throw LDAPError(.adminLimitExceeded, "the filter has more than \(partsMax) parts")
        }
        let (tag, content) = try reader.element()
        var inner = BERReader(content)
        switch tag {
        case Tag.and, Tag.or:
            // None at all is true, or false (RFC 4526).
            var filters: [Filter] = []
            while !inner.isAtEnd { filters.append(try read(&inner, depth: depth + 1, &parts)) }
            return tag == Tag.and ? .and(filters) : .or(filters)
        case Tag.not:
            let filter = try read(&inner, depth: depth + 1, &parts)
            try end(inner)
            return .not(filter)
        case Tag.present: return .present(try BERReader.string(content))
        case Tag.substrings: return try substrings(inner)
        case Tag.extensible: return try extensible(inner)
        case Tag.equality, Tag.greaterOrEqual, Tag.lessOrEqual, Tag.approximate:
            let (attribute, value) = (try inner.string(), try inner.octets())
            try end(inner)
            switch tag {
            case Tag.equality: return .equality(attribute, value)
            case Tag.greaterOrEqual: return .greaterOrEqual(attribute, value)
            case Tag.lessOrEqual: return .lessOrEqual(attribute, value)
            default: return .approximate(attribute, value)
            }
        default: throw .malformed("there is no such kind of filter")
        }
    }

    private static func end(_ reader: BERReader) throws(LDAPError) {
        guard reader.isAtEnd else { throw .malformed("something follows where the filter should end") }
    }

    private static func substrings(_ reader: BERReader) throws(LDAPError) -> Filter {
        var reader = reader
        let attribute = try reader.string()
        var pieces = try reader.reader()
        try end(reader)
        var out = Substrings()
        while !pieces.isAtEnd {
            let (tag, content) = try pieces.element()
            switch tag {
            case 0x80 where out.initial == nil && out.any.isEmpty && out.final == nil: out.initial = Array(content)
            case 0x81 where out.final == nil: out.any.append(Array(content))
            case 0x82 where out.final == nil: out.final = Array(content)
            default: throw .malformed("the pieces of a text are in no order: first, any, last")
            }
        }
        guard out != Substrings() else { throw .malformed("a filter for pieces of a text has none") }
        return .substrings(attribute, out)
    }

    private static func extensible(_ reader: BERReader) throws(LDAPError) -> Filter {
        var reader = reader
        let rule = try reader.contentIfNext(0x81).map { (content) throws(LDAPError) in try BERReader.string(content) }
        let type = try reader.contentIfNext(0x82).map { (content) throws(LDAPError) in try BERReader.string(content) }
        let value = try reader.octets(0x83)
        let includesName = try reader.contentIfNext(0x84).map { (content) throws(LDAPError) in
            try BERReader.boolean(content)
        }
        try end(reader)
        guard rule != nil || type != nil else { throw .malformed("an extensible filter names an attribute or a rule") }
        return .extensible(
            ExtensibleMatch(rule: rule, type: type, value: value, includesName: includesName ?? false))
    }

    /// Writes it as it would have come.
    package func write(to writer: inout BERWriter) {
        func assertion(_ tag: UInt8, _ attribute: String, _ value: [UInt8]) {
            writer.constructed(tag) {
                $0.string(attribute)
                $0.octets(value)
            }
        }
        switch self {
        case .and(let filters): writer.constructed(Tag.and) { for filter in filters { filter.write(to: &$0) } }
        case .or(let filters): writer.constructed(Tag.or) { for filter in filters { filter.write(to: &$0) } }
        case .not(let filter): writer.constructed(Tag.not) { filter.write(to: &$0) }
        case .present(let attribute): writer.string(attribute, tag: Tag.present)
        case .equality(let attribute, let value): assertion(Tag.equality, attribute, value)
        case .greaterOrEqual(let attribute, let value): assertion(Tag.greaterOrEqual, attribute, value)
        case .lessOrEqual(let attribute, let value): assertion(Tag.lessOrEqual, attribute, value)
        case .approximate(let attribute, let value): assertion(Tag.approximate, attribute, value)
        case .substrings(let attribute, let pieces):
            writer.constructed(Tag.substrings) {
                $0.string(attribute)
                $0.constructed {
                    if let initial = pieces.initial { $0.octets(initial, tag: 0x80) }
                    for piece in pieces.any { $0.octets(piece, tag: 0x81) }
                    if let final = pieces.final { $0.octets(final, tag: 0x82) }
                }
            }
        case .extensible(let match):
            writer.constructed(Tag.extensible) {
                if let rule = match.rule { $0.string(rule, tag: 0x81) }
                if let type = match.type { $0.string(type, tag: 0x82) }
                $0.octets(match.value, tag: 0x83)
                if match.includesName { $0.octets([0xFF], tag: 0x84) }
            }
        }
    }
}
