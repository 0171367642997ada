/// The words and signs of a filter's text, one at a time.
struct Tokens {
    enum Token: Hashable {
        case end
        /// A name or key word, as written.
        case word(String)
        /// A name in double quotes.
        case quoted(String)
        case string(String)
        case number(Double)
        case symbol(String)

        func isWord(_ wanted: String) -> Bool {
            guard case .word(let word) = self else { return false }
            return word.uppercased() == wanted.uppercased()
        }

        /// For messages.
        var text: String {
            switch self {
            case .end: "the end"
            case .word(let text), .quoted(let text), .string(let text): String(text.prefix(40))
            case .number(let number): number.description
            case .symbol(let symbol): symbol
            }
        }
    }

    private(set) var current = Token.end
    /// Where the current token begins.
    private(set) var start = 0
    private var at = 0
    private let bytes: [UInt8]

    init(_ text: String) { bytes = Array(text.utf8) }

    private func fault(_ message: String) -> CQL2Error { CQL2Error(message, at: "byte \(start)") }

    mutating func advance() throws(CQL2Error) {
        while at < bytes.count, bytes[at] == 0x20 || (0x09...0x0D).contains(bytes[at]) { at += 1 }
        start = at
        guard at < bytes.count else {
            current = .end
            return
        }
        let byte = bytes[at]
        switch byte {
        case UInt8(ascii: "'"): current = .string(try quotation(byte))
        case UInt8(ascii: "\""): current = .quoted(try quotation(byte))
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."): current = .number(try number())
        case _ where Self.isNameStart(byte): current = .word(name())
        default: current = .symbol(try symbol())
        }
    }

    static func isNameStart(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"),
            UInt8(ascii: ":"), 0x80...:
            true
        default: false
        }
    }

    static func isName(_ byte: UInt8) -> Bool {
        isNameStart(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: ".")
    }

    private mutating func name() -> String {
        let begin = at
        while at < bytes.count, Self.isName(bytes[at]) { at += 1 }
        return String(decoding: bytes[begin..<at], as: UTF8.self)
    }

    /// A quote inside is doubled, or has a backslash before it.
    private mutating func quotation(_ quote: UInt8) throws(CQL2Error) -> String {
        var out: [UInt8] = []
        at += 1
        while at < bytes.count {
            let byte = bytes[at]
            let following = at + 1 < bytes.count ? bytes[at + 1] : 0
            if byte == quote, following != quote {
                at += 1
                guard let text = String(validating: out, as: UTF8.self), !out.contains(0) else {
                    throw fault("a text is not UTF-8 or has a NUL character")
                }
                return text
            }
            let isEscape = (byte == quote || byte == UInt8(ascii: "\\")) && following == quote
            out.append(isEscape ? quote : byte)
            at += isEscape ? 2 : 1
        }
        throw fault("a quotation does not end")
    }

    private mutating func number() throws(CQL2Error) -> Double {
        let begin = at
        func isDigit(_ index: Int) -> Bool {
            index < bytes.count && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index])
        }
        while isDigit(at) { at += 1 }
        if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
            at += 1
            while isDigit(at) { at += 1 }
        }
        if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            let sign =
                at + 1 < bytes.count && (bytes[at + 1] == UInt8(ascii: "-") || bytes[at + 1] == UInt8(ascii: "+"))
            if isDigit(at + (sign ? 2 : 1)) {
                at += sign ? 2 : 1
                while isDigit(at) { at += 1 }
            }
        }
        let text = String(decoding: bytes[begin..<at], as: UTF8.self)
        guard let value = Double(text.hasSuffix(".") ? String(text.dropLast()) : text), value.isFinite else {
            throw fault("'\(text.prefix(40))' is no number")
        }
        return value
    }

    private mutating func symbol() throws(CQL2Error) -> String {
        let pair = String(decoding: bytes[at..<min(at + 2, bytes.count)], as: UTF8.self)
        if pair == "<=" || pair == ">=" || pair == "<>" {
            at += 2
            return pair
        }
        guard "=<>()+-*/%^,".utf8.contains(bytes[at]) else {
            throw fault("'\(pair.prefix(1))' has no meaning in a filter")
        }
        at += 1
        return String(pair.prefix(1))
    }
}
