package import Wire

/// What is looked for in texts (STAC's free-text search, basic and advanced).
///
/// Words that stand next to each other are a phrase; commas and OR join alternatives, AND what must all be there; `+`
/// stands before what must be there and `-` before what must not; parentheses and double quotes group. Case and
/// accents make no difference, and a word is found where one begins with it.
package indirect enum FreeText: Hashable, Sendable {
    /// Words with one space between them, folded.
    case phrase(String)
    case all([FreeText])
    case any([FreeText])
    case not(FreeText)

    /// Bytes of a search, and parentheses within each other, that are taken.
    package static let bytesMax = 4096
    package static let depthMax = 20

    /// Alternatives, each taken as written: no word and no sign means anything.
    ///
    /// - Throws: ``FreeTextError``.
    package init(terms: [String]) throws(FreeTextError) {
        guard terms.reduce(0, { $0 + $1.utf8.count }) <= Self.bytesMax else { throw Self.tooLong }
        let phrases = terms.map(Self.folded).filter { !$0.isEmpty }
        guard !phrases.isEmpty else { throw FreeTextError("q: a word is missing") }
        self = .any(phrases.map { .phrase($0) })
    }

    /// - Throws: ``FreeTextError``.
    package init(parsing text: String) throws(FreeTextError) {
        guard text.utf8.count <= Self.bytesMax else { throw Self.tooLong }
        var reader = Reader(text)
        self = try reader.whole()
    }

    private static var tooLong: FreeTextError {
        FreeTextError("q: more than \(bytesMax) bytes")
    }

    /// - Parameter texts: made by ``folded(_:)``.
    package func matches(_ texts: [String]) -> Bool {
        switch self {
        case .phrase(let phrase): texts.contains { $0.hasPrefix(phrase) || $0.contains(" " + phrase) }
        case .all(let parts): parts.allSatisfy { $0.matches(texts) }
        case .any(let parts): parts.contains { $0.matches(texts) }
        case .not(let part): !part.matches(texts)
        }
    }

    /// Words with one space between them, without difference of case and accents.
    package static func folded(_ text: String) -> String {
        if let plain = foldedASCII(text) { return plain }
        let plain = TextFolding.caseless(TextFolding.accentless(text))
        return plain.split { !$0.isLetter && !$0.isNumber }.joined(separator: " ")
    }

    /// The same, byte by byte; nil for a text with other characters than those of ASCII.
    private static func foldedASCII(_ text: String) -> String? {
        var out: [UInt8] = []
        out.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x61...0x7A: out.append(byte)
            case 0x41...0x5A: out.append(byte | 0x20)
            case 0x80...: return nil
            default: if let last = out.last, last != 0x20 { out.append(0x20) }
            }
        }
        if out.last == 0x20 { out.removeLast() }
        return String(decoding: out, as: UTF8.self)
    }

    /// All texts in a document, folded.
    package static func texts(in value: JSONValue, depth: Int = 0) -> [String] {
        guard depth < 8 else { return [] }
        return switch value {
        case .string(let text): [folded(text)]
        case .array(let items): items.flatMap { texts(in: $0, depth: depth + 1) }
        case .object(let object): object.members.flatMap { texts(in: $0.value, depth: depth + 1) }
        case .null, .bool, .integer, .double: []
        }
    }

    private struct Reader {
        private enum Token: Equatable {
            case word(String)
            case quoted(String)
            case sign(Character)
        }

        private var tokens: ArraySlice<Token> = []

        init(_ text: String) {
            var out: [Token] = []
            var rest = text[...]
            while let first = rest.first {
                if first == "\"" {
                    let body = rest.dropFirst().prefix { $0 != "\"" }
                    out.append(.quoted(String(body)))
                    rest = rest.dropFirst(body.count + 2)
                } else if "(),".contains(first) {
                    out.append(.sign(first))
                    rest = rest.dropFirst()
                } else if first.isWhitespace {
                    rest = rest.dropFirst()
                } else if first == "+" || first == "-" {
                    // Inside of a word it is part of that.
                    out.append(.sign(first))
                    rest = rest.dropFirst()
                } else {
                    let word = rest.prefix { !$0.isWhitespace && !"(),\"".contains($0) }
                    out.append(.word(String(word)))
                    rest = rest.dropFirst(word.count)
                }
            }
            tokens = out[...]
        }

        mutating func whole() throws(FreeTextError) -> FreeText {
            let query = try alternatives(depth: 0)
            guard tokens.isEmpty else { throw FreeTextError("q: a ')' has no '(' before it") }
            return query
        }

        private mutating func take(_ token: Token) -> Bool {
            guard tokens.first == token else { return false }
            tokens.removeFirst()
            return true
        }

        private mutating func alternatives(depth: Int) throws(FreeTextError) -> FreeText {
            guard depth <= FreeText.depthMax else {
                throw FreeTextError("q: more than \(FreeText.depthMax) parentheses within each other")
            }
            var parts = [try conjunction(depth)]
            while take(.word("OR")) || take(.sign(",")) { parts.append(try conjunction(depth)) }
            return parts.count == 1 ? parts[0] : .any(parts)
        }

        private mutating func conjunction(_ depth: Int) throws(FreeTextError) -> FreeText {
            var parts = [try signed(depth)]
            while take(.word("AND")) { parts.append(try signed(depth)) }
            return parts.count == 1 ? parts[0] : .all(parts)
        }

        /// Parts next to each other: all of those with a sign, and any of those without.
        private mutating func signed(_ depth: Int) throws(FreeTextError) -> FreeText {
            var needed: [FreeText] = []
            var wanted: [FreeText] = []
            while let token = tokens.first, token != .sign(")"), token != .sign(","), token != .word("OR"),
                token != .word("AND")
            {
                if take(.sign("+")) {
                    needed.append(try part(depth, isWord: true))
                } else if take(.sign("-")) {
                    needed.append(.not(try part(depth, isWord: true)))
                } else {
                    wanted.append(try part(depth, isWord: false))
                }
            }
            guard !needed.isEmpty || !wanted.isEmpty else {
                throw FreeTextError("q: a word is missing")
            }
            if needed.isEmpty { return wanted.count == 1 ? wanted[0] : .any(wanted) }
            return .all(needed + (wanted.isEmpty ? [] : [.any(wanted)]))
        }

        /// - Parameter isWord: whether one word is meant, or all that follow as a phrase.
        private mutating func part(_ depth: Int, isWord: Bool) throws(FreeTextError) -> FreeText {
            if take(.sign("(")) {
                let group = try alternatives(depth: depth + 1)
                guard take(.sign(")")) else { throw FreeTextError("q: a ')' is missing") }
                return group
            }
            var words: [String] = []
            if case .quoted(let text) = tokens.first {
                tokens.removeFirst()
                words = [text]
            } else {
                while case .word(let word) = tokens.first, word != "OR", word != "AND", !(isWord && !words.isEmpty) {
                    tokens.removeFirst()
                    words.append(word)
                }
            }
            let phrase = FreeText.folded(words.joined(separator: " "))
            guard !phrase.isEmpty else { throw FreeTextError("q: a word is missing") }
            return .phrase(phrase)
        }
    }
}

/// Why a search for words is refused.
package struct FreeTextError: Error, Hashable, Sendable, CustomStringConvertible {
    package let message: String

    init(_ message: String) { self.message = message }

    package var description: String { message }
}
