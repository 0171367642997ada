import Wire

/// What an index of words is asked for (FTS5, or GIN over `tsvector`), which knows of words but not of their order: it
/// shows candidates, of which each is looked at again with the ``FreeText`` that was meant.
///
/// Words are written in ASCII letters and digits alone, so that both engines see the same ones.
package indirect enum WordQuery: Sendable, Hashable {
    /// - Parameter isPrefix: whether longer words that begin so are meant as well.
    case word(String, isPrefix: Bool)
    case all([WordQuery])
    case any([WordQuery])

    /// Bytes of a word that count.
    private static let bytesMax = 60

    /// What must be among a text's words; nil where that cannot be said by what it has.
    package init?(_ wanted: FreeText) {
        switch wanted {
        case .phrase(let phrase):
            let words = phrase.utf8.split(separator: UInt8(ascii: " ")).map(Self.indexed)
            // The last word may go on, and one that was cut off does.
            self = .all(
                words.enumerated().map { index, word in
                    .word(word, isPrefix: index == words.count - 1 || word.utf8.count >= Self.bytesMax)
                })
        case .all(let parts):
            let known = parts.compactMap(Self.init)
            guard !known.isEmpty else { return nil }
            self = .all(known)
        case .any(let parts):
            let known = parts.compactMap(Self.init)
            guard known.count == parts.count else { return nil }
            self = .any(known)
        case .not: return nil
        }
    }

    /// Puts the words of a text, as an index keeps them, into a set.
    ///
    /// - Parameter folded: made by ``FreeText/folded(_:)``.
    package static func collect(_ folded: String, into words: inout Set<String>) {
        for word in folded.utf8.split(separator: UInt8(ascii: " ")) { words.insert(indexed(word)) }
    }

    private static func indexed(_ word: Substring.UTF8View) -> String {
        guard word.contains(where: { $0 >= 0x80 }) else { return String(Substring(word.prefix(bytesMax))) }
        var bytes: [UInt8] = []
        for byte in word { if byte < 0x80 { bytes.append(byte) } else { bytes += Hex.encode([byte]).utf8 } }
        return String(decoding: bytes.prefix(bytesMax), as: UTF8.self)
    }

    /// In the words of SQLite's FTS5.
    package var fts5: String {
        switch self {
        case .word(let word, let isPrefix): "\"\(word)\"" + (isPrefix ? "*" : "")
        case .all(let parts): "(" + parts.map(\.fts5).joined(separator: " AND ") + ")"
        case .any(let parts): "(" + parts.map(\.fts5).joined(separator: " OR ") + ")"
        }
    }

    /// In the words of PostgreSQL's `tsquery`.
    package var tsquery: String {
        switch self {
        case .word(let word, let isPrefix): "'\(word)'" + (isPrefix ? ":*" : "")
        case .all(let parts): "(" + parts.map(\.tsquery).joined(separator: " & ") + ")"
        case .any(let parts): "(" + parts.map(\.tsquery).joined(separator: " | ") + ")"
        }
    }
}
