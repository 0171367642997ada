package import CQL2
import Database
import Journal
package import TraceFormat
import Wire

/// The words by which traces are found: those of the product's name, of its inputs' names, of its contents' paths, of
/// the reason why it is obsolete, and of what is said of its service, with the attributes.
///
/// Full-text indexes of the engines (FTS5, or GIN over `tsvector`), kept by a worker that follows the log: who
/// registers a trace pays nothing for it. What is younger than the index is looked through instead.
///
/// Before each word stands the part of the log that the trace is in. So a question is one about a part, and takes as
/// long as a part has traces at most: without that, engines gather all traces that have a frequent word, or one of
/// those that begin so, before they give the first.
enum TraceWords {
    /// Words of one trace that are kept. What a product's files are called beyond that does not find it.
    private static let countMax = 5000

    static let migration = Migration(
        module: "trace words", number: 1,
        [
            end,
            // Neither texts nor places of words are kept: what is found is looked at again.
            """
            CREATE VIRTUAL TABLE trace_words USING fts5(
                words, content = '', detail = none, columnsize = 0, tokenize = 'unicode61 remove_diacritics 0')
            """,
        ],
        postgres: [
            end, "CREATE TABLE trace_words (leaf BIGINT PRIMARY KEY, words tsvector NOT NULL)",
            "CREATE INDEX trace_words_by_word ON trace_words USING gin (words)",
        ])

    /// The first leaf whose words the index does not have yet.
    private static let end =
        "CREATE TABLE trace_words_end (id INTEGER PRIMARY KEY CHECK (id = 1), leaf INTEGER NOT NULL)"

    static func end(_ reader: Reader) throws -> Int64 {
        try reader.scalar("SELECT leaf FROM trace_words_end WHERE id = 1") ?? 0
    }

    static func add(
        _ words: [(leaf: Int64, words: String)], end: Int64, engine: Engine, in transaction: Transaction
    ) throws {
        for (leaf, words) in words {
            switch engine {
            case .sqlite:
                try transaction.run(
                    "INSERT INTO trace_words (rowid, words) VALUES (?, ?)", .init(leaf), .init(words))
            case .postgres:
                try transaction.run(
                    "INSERT INTO trace_words (leaf, words) VALUES (?, array_to_tsvector(string_to_array(?, ' ')))",
                    .init(leaf), .init(words))
            }
        }
        try transaction.run(
            """
            INSERT INTO trace_words_end (id, leaf) VALUES (1, ?)
            ON CONFLICT (id) DO UPDATE SET leaf = excluded.leaf
            """, .init(end))
    }

    /// Leaves of a part, below one, that may say what is looked for, the latest first.
    static func find(
        _ wanted: WordQuery, inPart part: Int64, below leaf: Int64, limit: Int, engine: Engine, _ reader: Reader
    ) throws -> [Int64] {
        let wanted = marked(wanted, mark(ofPart: part))
        switch engine {
        case .sqlite:
            return try reader.rows(
                "SELECT rowid FROM trace_words WHERE trace_words MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?",
                .init(wanted.fts5), .init(leaf), .init(limit)
            ) { $0.int(0) }
        case .postgres:
            return try reader.rows(
                """
                SELECT leaf FROM trace_words WHERE words @@ CAST(? AS tsquery) AND leaf < ? ORDER BY leaf DESC LIMIT ?
                """,
                .init(wanted.tsquery), .init(leaf), .init(limit)
            ) { $0.int(0) }
        }
    }

    /// What stands before the words of a part: four digits, enough for a hundred billion traces.
    private static func mark(ofPart part: Int64) -> String {
        let digits = String(part, radix: 36)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    private static func marked(_ wanted: WordQuery, _ mark: String) -> WordQuery {
        switch wanted {
        case .word(let word, let isPrefix): .word(mark + word, isPrefix: isPrefix)
        case .all(let parts): .all(parts.map { marked($0, mark) })
        case .any(let parts): .any(parts.map { marked($0, mark) })
        }
    }

    // MARK: What a trace says

    /// What the texts of a trace are read from.
    struct Source: Sendable {
        var leaf: Int64
        var name: String
        var obsolescence: String?
        var service: [UInt8]?
        /// JSON with the members of the product.
        var product: [UInt8]

        static let select = "SELECT leaf, name, obsolescence, service, body, message FROM traces"

        init(_ row: borrowing Row) {
            leaf = row.int(0)
            name = row.text(1)
            obsolescence = row.textOrNil(2)
            service = row.blobOrNil(3)
            product = row.blobOrNil(4) ?? row.blob(5)
        }

        /// Its texts, folded, the shortest list of them first: one of a product has as many as the product has files.
        var texts: [String] {
            var out = [FreeText.folded(name)]
            if let obsolescence { out.append(FreeText.folded(obsolescence)) }
            if let service, let value = try? JSONValue(parsing: service) { out += FreeText.texts(in: value) }
            for text in names { out.append(FreeText.folded(text)) }
            return out
        }

        /// The names and paths in the product's JSON. Without a backslash every quote begins or ends a string, so that
        /// the thousands of files of a product need no tree.
        private var names: [String] {
            guard !product.contains(UInt8(ascii: "\\")) else {
                let value = try? JSONValue(parsing: product, maximumDepth: 8)
                let inputs = (value?["inputs"]?.array ?? []).compactMap { $0["name"]?.string }
                return inputs + (value?["contents"]?.array ?? []).compactMap { $0["path"]?.string }
            }
            var out: [String] = []
            product.withUnsafeBufferPointer { bytes in
                let quote = UInt8(ascii: "\"")
                var at = 0
                var isWanted = false
                while let start = bytes[at...].firstIndex(of: quote),
                    let end = bytes[(start + 1)...].firstIndex(of: quote)
                {
                    let text = bytes[(start + 1)..<end]
                    at = end + 1
                    if at < bytes.count, bytes[at] == UInt8(ascii: ":") {
                        isWanted = text.elementsEqual("path".utf8) || text.elementsEqual("name".utf8)
                    } else if isWanted {
                        out.append(String(decoding: text, as: UTF8.self))
                    }
                }
            }
            return out
        }

        /// Its words, with a space between two of them.
        ///
        /// - Parameter partSize: leaves of one part of the log.
        func words(partSize: Int64) -> String {
            var words: Set<String> = []
            for text in texts where words.count < TraceWords.countMax { WordQuery.collect(text, into: &words) }
            let mark = TraceWords.mark(ofPart: leaf / partSize)
            return words.sorted().prefix(TraceWords.countMax).map { mark + $0 }.joined(separator: " ")
        }
    }
}

/// Some of the traces that say what was looked for.
package struct FoundTraces: Sendable {
    package var ids: [TraceID]
    /// The last one that was looked at; nil where there are no others. A page may have fewer traces than were asked
    /// for, even none, and another one after it.
    package var next: TraceID?
}

extension Ledger {
    /// What one step of the index takes.
    private static let indexedMax = 500
    private static let indexedBytesMax: Int64 = 4 << 20
    /// What one page of a search looks at, in traces and in bytes of what they say, and how long it may take until it
    /// says where the next one begins.
    private static let lookedMax = 2000
    private static let lookedBytesMax = 8 << 20
    private static let lookedDuration = Duration.seconds(1)

    /// Puts the words of traces into the index that are not in it yet: a part of them.
    ///
    /// - Returns: whether there were any.
    package func indexWords() async throws -> Bool {
        let sources = try await journal.read { reader in
            let first = try TraceWords.end(reader)
            // The sizes alone do not touch what is stored of large products.
            let sizes = try reader.rows(
                "SELECT length(message) FROM traces WHERE leaf >= ? ORDER BY leaf LIMIT ?", .init(first),
                .init(Self.indexedMax)
            ) { $0.int(0) }
            var (count, bytes) = (0, Int64(0))
            for size in sizes where count == 0 || bytes + size <= Self.indexedBytesMax {
                (count, bytes) = (count + 1, bytes + size)
            }
            return try reader.rows(
                "\(TraceWords.Source.select) WHERE leaf >= ? AND leaf < ? ORDER BY leaf", .init(first),
                .init(first + Int64(count))
            ) { TraceWords.Source($0) }
        }
        guard let first = sources.first, let last = sources.last else { return false }
        let words = try await Self.onAllCores(sources) { [partSize] in
            (leaf: $0.leaf, words: $0.words(partSize: partSize))
        }
        let engine = journal.database.engine
        try await journal.database.write { transaction in
            try transaction.lock("trace words")
            // Another node may have had the duty meanwhile.
            guard try TraceWords.end(transaction) == first.leaf else { return }
            try TraceWords.add(words, end: last.leaf + 1, engine: engine, in: transaction)
        }
        return true
    }

    /// Finds traces by what they say, the latest first: names of products and inputs, paths of contents, reasons.
    ///
    /// - Parameters:
    ///   - after: the last one that the page before looked at.
    ///   - limit: at most ``lookupMax``.
    /// - Throws: ``LedgerError`` `.invalidQuery` where only words are given that must not be there.
    package func find(_ wanted: FreeText, after: TraceID? = nil, limit: Int) async throws -> FoundTraces {
        guard let query = WordQuery(wanted) else {
            throw LedgerError(.invalidQuery, "q: a word is needed that is to be there, beside those that are not to be")
        }
        let engine = journal.database.engine
        let limit = min(limit, Self.lookupMax)
        // As many at once also for a short page, since what is found need not be what was meant.
        let step = Self.lookupMax
        return try await journal.read { [partSize] reader in
            let size = (try reader.scalar("SELECT max(leaf) FROM traces") ?? -1) + 1
            var before = size
            if let after {
                guard let leaf = try reader.scalar("SELECT leaf FROM traces WHERE id = ?", .init(after.bytes)) else {
                    throw LedgerError(.invalidQuery, "after: there is no trace \(after)")
                }
                before = leaf
            }
            let end = try TraceWords.end(reader)
            var found: [[UInt8]] = []
            var (count, bytes) = (0, 0)
            let began = ContinuousClock.now
            while before > 0, ContinuousClock.now - began < Self.lookedDuration {
                let isYounger = before > end
                let part = (before - 1) / partSize
                let candidates =
                    isYounger
                    ? Array((max(end, before - Int64(step))..<before).reversed())
                    : try TraceWords.find(query, inPart: part, below: before, limit: step, engine: engine, reader)
                for leaf in candidates {
                    before = leaf
                    let source = try reader.first("\(TraceWords.Source.select) WHERE leaf = ?", .init(leaf)) {
                        TraceWords.Source($0)
                    }
                    guard let source else { continue }
                    (count, bytes) = (count + 1, bytes + source.product.count)
                    if wanted.matches(source.texts) { found += try Self.id(of: leaf, reader) }
                    guard found.count < limit, count < Self.lookedMax, bytes < Self.lookedBytesMax else { break }
                }
                if found.count >= limit || count >= Self.lookedMax || bytes >= Self.lookedBytesMax { break }
                // The index had no more than these in this part.
                if !isYounger, candidates.count < step { before = part * partSize }
            }
            let next = before == 0 ? nil : try Self.id(of: before, reader).first
            return FoundTraces(ids: found.compactMap { TraceID($0) }, next: next.flatMap { TraceID($0) })
        }
    }

    private static func id(of leaf: Int64, _ reader: Reader) throws -> [[UInt8]] {
        try reader.rows("SELECT id FROM traces WHERE leaf = ?", .init(leaf)) { $0.blob(0) }
    }
}
