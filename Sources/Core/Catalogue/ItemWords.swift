import Database
import Wire

/// The words by which items are found: those of an item's id, of its collection's name and of the texts among its
/// properties, folded. Full-text indexes of the engines (FTS5, or GIN over `tsvector`), which know of words but not of
/// their order: what they find is looked at again.
///
/// Words are written in ASCII letters and digits alone, so that both engines see the same ones.
enum ItemWords {
    /// Bytes of a word that count.
    private static let bytesMax = 60
    /// Words of one item that are kept. One with more is marked, and is found by whatever is asked.
    private static let countMax = 5000
    /// Collections that are named to the index.
    private static let collectionsMax = 8
    private static let everything = "zzall"

    static let sqlite = [
        """
        CREATE VIRTUAL TABLE item_words USING fts5(
            words, detail = none, columnsize = 0, tokenize = 'unicode61 remove_diacritics 0')
        """,
        // Also for items that go with their collection.
        """
        CREATE TRIGGER items_leave_words AFTER DELETE ON items BEGIN
            DELETE FROM item_words WHERE rowid = OLD.number;
        END
        """,
    ]

    static let postgres = [
        """
        CREATE TABLE item_words (
            item BIGINT PRIMARY KEY REFERENCES items (number) ON DELETE CASCADE, words tsvector NOT NULL)
        """,
        "CREATE INDEX item_words_by_word ON item_words USING gin (words)",
    ]

    // MARK: Of an item

    /// The words of an item, with a space between two of them.
    static func words(id: String, collection: String, _ properties: JSONValue?) -> String {
        var words: Set<String> = []
        let names = [FreeText.folded(id), FreeText.folded(collection)]
        for text in names + (properties.map { FreeText.texts(in: $0) } ?? []) {
            for word in text.utf8.split(separator: UInt8(ascii: " ")) { words.insert(plain(word)) }
        }
        guard words.count <= countMax else { return everything }
        return words.sorted().joined(separator: " ")
    }

    private static func plain(_ word: Substring.UTF8View) -> String {
        guard word.contains(where: { $0 >= 0x80 }) else { return String(Substring(word.prefix(bytesMax))) }
        var bytes: [UInt8] = []
        for byte in word { if byte < 0x80 { bytes.append(byte) } else { bytes += Hex.encode([byte]).utf8 } }
        return String(decoding: bytes.prefix(bytesMax), as: UTF8.self)
    }

    private static func mark(of collection: Int64) -> String { "zzc\(collection)z" }

    static func set(
        _ words: String, of item: Int64, in collection: Int64, isNew: Bool, engine: Engine, _ transaction: Transaction
    ) throws {
        let words = SQLValue(mark(of: collection) + " " + words)
        switch engine {
        case .sqlite:
            if !isNew { try transaction.run("DELETE FROM item_words WHERE rowid = ?", .init(item)) }
            try transaction.run("INSERT INTO item_words (rowid, words) VALUES (?, ?)", .init(item), words)
        case .postgres:
            try transaction.run(
                """
                INSERT INTO item_words (item, words) VALUES (?, array_to_tsvector(string_to_array(?, ' ')))
                ON CONFLICT (item) DO UPDATE SET words = excluded.words
                """, .init(item), words)
        }
    }

    // MARK: Of a search

    /// The items that may have what is looked for; nil for more than `limit`, and where the index does not help.
    static func find(
        _ wanted: FreeText, in collections: [Int64]?, limit: Int, engine: Engine, _ reader: Reader
    ) throws -> [Int64]? {
        guard var asked = expression(wanted, engine) else { return nil }
        if let collections, collections.count <= collectionsMax {
            let marks = collections.map { term(mark(of: $0), isPrefix: false, engine) }
            asked = "(\(marks.joined(separator: or(engine)))) \(and(engine)) (\(asked))"
        }
        let found =
            switch engine {
            case .sqlite:
                try reader.rows(
                    "SELECT rowid FROM item_words WHERE item_words MATCH ? LIMIT ?", .init(asked), .init(limit + 1)
                ) { $0.int(0) }
            case .postgres:
                try reader.rows(
                    "SELECT item FROM item_words WHERE words @@ CAST(? AS tsquery) LIMIT ?", .init(asked),
                    .init(limit + 1)
                ) { $0.int(0) }
            }
        return found.count > limit ? nil : found
    }

    /// What items must have; nil where that cannot be said by what they have.
    private static func expression(_ wanted: FreeText, _ engine: Engine) -> String? {
        switch wanted {
        case .phrase(let phrase):
            let words = phrase.utf8.split(separator: UInt8(ascii: " ")).map(plain)
            // The last word may go on, and one that was cut off does.
            let terms = words.enumerated().map { index, word in
                term(word, isPrefix: index == words.count - 1 || word.utf8.count >= bytesMax, engine)
            }
            let all = terms.joined(separator: and(engine))
            return "(\(all))\(or(engine))\(term(everything, isPrefix: false, engine))"
        case .all(let parts):
            let known = parts.compactMap { expression($0, engine) }
            return known.isEmpty ? nil : known.map { "(\($0))" }.joined(separator: and(engine))
        case .any(let parts):
            let known = parts.compactMap { expression($0, engine) }
            return known.count < parts.count ? nil : known.map { "(\($0))" }.joined(separator: or(engine))
        case .not: return nil
        }
    }

    private static func term(_ word: String, isPrefix: Bool, _ engine: Engine) -> String {
        switch engine {
        case .sqlite: "\"\(word)\"" + (isPrefix ? "*" : "")
        case .postgres: "'\(word)'" + (isPrefix ? ":*" : "")
        }
    }

    private static func and(_ engine: Engine) -> String { engine == .sqlite ? " AND " : " & " }
    private static func or(_ engine: Engine) -> String { engine == .sqlite ? " OR " : " | " }
}
