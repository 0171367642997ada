import Database
import Wire

/// The words by which events of the audit trail are found: of each transaction all that its events say.
///
/// An index of words (FTS5, or GIN over `tsvector`) is kept by the one who seals the trail, so that whoever causes an
/// event pays nothing for it; what is younger than the last batch is looked through instead. Words are written in ASCII
/// letters and digits alone, so that both engines see the same ones.
enum AuditWords {
    /// Bytes of a word that count: longer than any digest in hexadecimal.
    private static let bytesMax = 64
    private static let wordsMax = 20
    private static let prefixBytesMin = 4
    /// Events of one transaction whose words are kept.
    static let eventsMax = 1000

    /// One word of a search.
    struct Term: Hashable, Sendable {
        var word: String
        /// Whether longer words that begin so are meant as well.
        var isPrefix: Bool
    }

    /// The words of a text: letters and digits, in lower case. What JSON escapes separates words.
    static func words(of text: String) -> Set<String> {
        var out: Set<String> = []
        split(text) { out.insert($0) }
        return out
    }

    /// - Returns: whether a word could go on behind the end.
    @discardableResult
    private static func split(_ text: String, _ body: (String) -> Void) -> Bool {
        var word: [UInt8] = []
        var isEscaped = false
        func end() {
            if !word.isEmpty { body(String(decoding: word.prefix(bytesMax), as: UTF8.self)) }
            word.removeAll(keepingCapacity: true)
        }
        for byte in text.lowercased().utf8 {
            if isEscaped {
                isEscaped = false
                continue
            }
            switch byte {
            case 0x30...0x39, 0x61...0x7A: word.append(byte)
            case 0x80...: word += Hex.encode([byte]).utf8
            default:
                end()
                isEscaped = byte == UInt8(ascii: "\\")
            }
        }
        let isOpen = !word.isEmpty
        end()
        return isOpen
    }

    /// What a part of a text that begins with a word asks for: whole words, and at the end the beginning of one.
    private static func terms(of text: String) -> [Term] {
        var words: [String] = []
        let isOpen = split(text) { words.append($0) }
        return words.enumerated().prefix(wordsMax).map { index, word in
            Term(word: word, isPrefix: isOpen && index == words.count - 1)
        }
    }

    /// A word that stands for the whole of a value. No word of a text is longer than ``bytesMax``, and this one may be.
    private static func whole(_ kind: String, _ value: String) -> String {
        "z" + kind + String(Hex.encode(Array(value.utf8)).prefix(bytesMax * 2))
    }

    /// The words of an event.
    static func words(of record: AuditRecord) -> Set<String> {
        var out = words(of: record.detail).union(words(of: record.subject)).union(words(of: record.kind))
        out.formUnion(words(of: record.actor))
        out.insert(whole("a", record.actor))
        out.insert(whole("s", record.subject))
        out.insert(whole("k", record.kind))
        for name in AuditQuery.addressMembers {
            if let address = member(name, of: record.detail) { out.insert(whole("f", address)) }
        }
        return out
    }

    /// A string in a JSON object that the node wrote itself.
    private static func member(_ name: String, of detail: String) -> String? {
        let mark = Array("\"\(name)\":\"".utf8)
        return detail.utf8.firstRange(of: mark).map {
            String(Substring(detail.utf8[$0.upperBound...].prefix { $0 != UInt8(ascii: "\"") }))
        }
    }

    /// What to ask the index for; empty where it does not help, since nothing is asked but what has an index of its
    /// own.
    static func terms(of query: AuditQuery) -> [Term] {
        var terms = textTerms(of: query)
        if let address = query.address { terms.append(Term(word: whole("f", address), isPrefix: false)) }
        if let kind = query.kind, kind.hasSuffix("*") { terms += Self.terms(of: String(kind.dropLast())) }
        guard !terms.isEmpty else { return [] }
        if let actor = query.actor { terms.append(Term(word: whole("a", actor), isPrefix: false)) }
        if let subject = query.subject { terms.append(Term(word: whole("s", subject), isPrefix: false)) }
        if let kind = query.kind, !kind.hasSuffix("*") { terms.append(Term(word: whole("k", kind), isPrefix: false)) }
        // A few letters begin very many words, which takes longer than to look at what the other words have found.
        let selective = terms.filter { !$0.isPrefix || $0.word.utf8.count >= prefixBytesMin }
        return selective.isEmpty ? terms : selective
    }

    /// What the text of a query asks for.
    static func textTerms(of query: AuditQuery) -> [Term] { query.text.map(terms(of:)) ?? [] }

    // MARK: The index

    static let sqlite = [
        // Neither texts nor places of words are kept: what is found is looked at again.
        """
        CREATE VIRTUAL TABLE audit_words USING fts5(
            words, content = '', detail = none, columnsize = 0, tokenize = 'unicode61 remove_diacritics 0')
        """
    ]

    static let postgres = [
        "CREATE TABLE audit_words (tid BIGINT PRIMARY KEY, words tsvector NOT NULL)",
        "CREATE INDEX audit_words_by_word ON audit_words USING gin (words)",
    ]

    /// The words of a transaction's events.
    static func words(of tid: Int64, _ reader: Reader) throws -> String {
        var words: Set<String> = []
        try reader.query(
            """
            SELECT \(Journal.eventColumns) FROM events WHERE tid = ? AND collection IS NULL ORDER BY sequence LIMIT ?
            """, [.init(tid), .init(Self.eventsMax)]
        ) { words.formUnion(Self.words(of: AuditRecord(Journal.event($0)))) }
        return words.sorted().joined(separator: " ")
    }

    static func add(_ words: String, of tid: Int64, engine: Engine, in transaction: Transaction) throws {
        switch engine {
        case .sqlite:
            try transaction.run("INSERT INTO audit_words (rowid, words) VALUES (?, ?)", .init(tid), .init(words))
        case .postgres:
            try transaction.run(
                """
                INSERT INTO audit_words (tid, words) VALUES (?, array_to_tsvector(string_to_array(?, ' ')))
                ON CONFLICT (tid) DO NOTHING
                """, .init(tid), .init(words))
        }
    }

    /// Takes out a transaction's words.
    static func remove(_ words: String, of tid: Int64, engine: Engine, in transaction: Transaction) throws {
        switch engine {
        case .sqlite:
            // The index is told what it was told before.
            try transaction.run(
                "INSERT INTO audit_words (audit_words, rowid, words) VALUES ('delete', ?, ?)", .init(tid),
                .init(words))
        case .postgres: try transaction.run("DELETE FROM audit_words WHERE tid = ?", .init(tid))
        }
    }

    /// Transactions up to one, the newest first, that have all words.
    static func find(_ terms: [Term], upTo tid: Int64, limit: Int, engine: Engine, _ reader: Reader) throws -> [Int64] {
        switch engine {
        case .sqlite:
            let asked = terms.map { "\"\($0.word)\"" + ($0.isPrefix ? "*" : "") }.joined(separator: " AND ")
            return try reader.rows(
                "SELECT rowid FROM audit_words WHERE audit_words MATCH ? AND rowid <= ? ORDER BY rowid DESC LIMIT ?",
                .init(asked), .init(tid), .init(limit)
            ) { $0.int(0) }
        case .postgres:
            let asked = terms.map { "'\($0.word)'" + ($0.isPrefix ? ":*" : "") }.joined(separator: " & ")
            return try reader.rows(
                """
                SELECT tid FROM audit_words WHERE words @@ CAST(? AS tsquery) AND tid <= ? ORDER BY tid DESC LIMIT ?
                """,
                .init(asked), .init(tid), .init(limit)
            ) { $0.int(0) }
        }
    }
}
