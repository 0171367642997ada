import CQL2
import Database
import Wire

/// The words by which items are found: those of an item's id, of its collection's name and of the texts among its
/// properties, folded. Full-text indexes of the engines (FTS5, or GIN over `tsvector`), which know of words but not of
/// their order: what they find is looked at again.
enum ItemWords {
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
            WordQuery.collect(text, into: &words)
        }
        guard words.count <= countMax else { return everything }
        return words.sorted().joined(separator: " ")
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
        guard let candidates = WordQuery(wanted) else { return nil }
        var asked = WordQuery.any([candidates, .word(everything, isPrefix: false)])
        if let collections, collections.count <= collectionsMax {
            asked = .all([.any(collections.map { .word(mark(of: $0), isPrefix: false) }), asked])
        }
        let found =
            switch engine {
            case .sqlite:
                try reader.rows(
                    "SELECT rowid FROM item_words WHERE item_words MATCH ? LIMIT ?", .init(asked.fts5),
                    .init(limit + 1)
                ) { $0.int(0) }
            case .postgres:
                try reader.rows(
                    "SELECT item FROM item_words WHERE words @@ CAST(? AS tsquery) LIMIT ?", .init(asked.tsquery),
                    .init(limit + 1)
                ) { $0.int(0) }
            }
        return found.count > limit ? nil : found
    }
}
