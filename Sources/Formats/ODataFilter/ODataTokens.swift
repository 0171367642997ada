import Wire

/// Cuts a filter into tokens.
struct ODataTokens {
    enum Token: Equatable {
        case word(String)
        case literal(ODataFilter.Literal)
        /// `geography'…'`: what is within the quotes.
        case geography(String)
        /// `(`, `)`, `,`, `/`, `:` or `=`.
        case symbol(UInt8)
        case end
    }

    private let bytes: [UInt8]
    private var at = 0
    /// Where the current token begins.
    private(set) var start = 0
    private(set) var current = Token.end

    init(_ text: String) { bytes = Array(text.utf8) }

    /// The current token as an error names it.
    var text: String {
        current == .end ? "the end" : "'\(String(decoding: bytes[start..<at].prefix(40), as: UTF8.self))'"
    }

    mutating func advance() throws(ODataError) {
        while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x09 || bytes[at] == 0x0A || bytes[at] == 0x0D {
            at += 1
        }
        start = at
        guard at < bytes.count else {
            current = .end
            return
        }
        let c = bytes[at]
        switch c {
        case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: ","), UInt8(ascii: "/"), UInt8(ascii: ":"),
            UInt8(ascii: "="):
            at += 1
            current = .symbol(c)
        case UInt8(ascii: "'"): current = .literal(.string(try quoted()))
        case _ where Self.isName(c) || c == UInt8(ascii: "+"): current = try word()
        default: throw ODataError("'\(Character(UnicodeScalar(c)))' was not expected here", at: at)
        }
    }

    private static func isName(_ c: UInt8) -> Bool {
        switch c {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x24, 0x40: true
        default: false
        }
    }

    private mutating func word() throws(ODataError) -> Token {
        let begin = at
        let startsLikeNumber = (0x30...0x39).contains(bytes[at]) || bytes[at] == 0x2D || bytes[at] == 0x2B
        at += 1
        // Times have colons and an offset with a sign in them.
        while at < bytes.count,
            Self.isName(bytes[at])
                || (startsLikeNumber && (bytes[at] == UInt8(ascii: ":") || bytes[at] == UInt8(ascii: "+")))
        { at += 1 }
        let text = String(decoding: bytes[begin..<at], as: UTF8.self)
        if at < bytes.count, bytes[at] == UInt8(ascii: "'") {
            let value = try quoted()
            switch text.lowercased() {
            case "geography", "geometry": return .geography(value)
            case "datetime", "datetimeoffset":
                guard let moment = Self.moment(value) else {
                    throw ODataError("'\(value.prefix(40))' is no date and time", at: begin)
                }
                return .literal(.moment(moment))
            case "guid": return .literal(.guid(value.lowercased()))
            default: throw ODataError("'\(text.prefix(40))' is no kind of literal", at: begin)
            }
        }
        switch text {
        case "true": return .literal(.bool(true))
        case "false": return .literal(.bool(false))
        case "null": return .literal(.null)
        default: break
        }
        if Self.isGUID(text) { return .literal(.guid(text.lowercased())) }
        guard startsLikeNumber else { return .word(text) }
        if let moment = Self.moment(text) { return .literal(.moment(moment)) }
        // Double also reads hexadecimal numbers, which have no place here.
        if text.utf8.allSatisfy({ $0 < 0x3A || $0 == 0x65 || $0 == 0x45 }), let number = Double(text), number.isFinite {
            return .literal(.number(number))
        }
        throw ODataError("'\(text.prefix(40))' is no number, date or id", at: begin)
    }

    /// A text in quotes, in which two stand for one.
    private mutating func quoted() throws(ODataError) -> String {
        let begin = at
        var out: [UInt8] = []
        at += 1
        while at < bytes.count {
            if bytes[at] == UInt8(ascii: "'") {
                guard at + 1 < bytes.count, bytes[at + 1] == UInt8(ascii: "'") else {
                    at += 1
                    return String(decoding: out, as: UTF8.self)
                }
                at += 1
            }
            // Neither engine can compare one.
            guard bytes[at] != 0 else { throw ODataError("a text may not contain a NUL character", at: at) }
            out.append(bytes[at])
            at += 1
        }
        throw ODataError("the text that begins here has no end", at: begin)
    }

    private static func moment(_ text: String) -> Timestamp? {
        Timestamp(rfc3339: text) ?? Timestamp(rfc3339: text + "Z")
            ?? (text.utf8.count == 10 ? Timestamp(rfc3339: text + "T00:00:00Z") : nil)
    }

    private static func isGUID(_ text: String) -> Bool {
        let parts = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.map(\.count) == [8, 4, 4, 4, 12] else { return false }
        return parts.allSatisfy { part in
            part.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0 | 0x20) }
        }
    }
}
