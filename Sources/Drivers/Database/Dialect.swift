/// Turns a statement in the common dialect into PostgreSQL's.
///
/// Placeholders `?` become `$1`, `$2` …; type names become PostgreSQL's where they stand as a type: anywhere in a
/// definition, after AS in other statements (`CAST(x AS INTEGER)`, whose plain INTEGER would have 32 bits there).
/// Only upper-case type names count, so a column called `text` stays. Strings, quoted names and comments are copied.
enum Dialect {
    static func postgres(_ sql: String, isDefinition: Bool) -> (sql: String, placeholders: Int) {
        let source = Array(sql.utf8)
        var output: [UInt8] = []
        output.reserveCapacity(source.count + 32)
        var placeholders = 0
        var lastWord = ""
        var index = 0
        while index < source.count {
            let byte = source[index]
            if let end = verbatimEnd(source, index) {
                output += source[index..<end]
                lastWord = ""
                index = end
            } else if byte == UInt8(ascii: "?") {
                placeholders += 1
                output += "$\(placeholders)".utf8
                lastWord = ""
                index += 1
            } else if isWord(byte) {
                var end = index
                while end < source.count, isWord(source[end]) { end += 1 }
                let word = String(decoding: source[index..<end], as: UTF8.self)
                if isDefinition, word == "ROWID", lastWord == "WITHOUT" {
                    output.removeLast(output.count - (output.lastIndex(of: UInt8(ascii: "W")) ?? output.count))
                } else if let type = types[word], lastWord == "AS" {
                    // CAST(x AS TEXT COLLATE "C") would be a syntax error.
                    output += word == "TEXT" ? word.utf8 : type.utf8
                } else if let type = types[word], isDefinition {
                    output += type.utf8
                } else {
                    output += word.utf8
                }
                lastWord = word
                index = end
            } else {
                output.append(byte)
                if byte > UInt8(ascii: " ") { lastWord = "" }
                index += 1
            }
        }
        return (String(decoding: output, as: UTF8.self), placeholders)
    }

    private static let types = [
        "INTEGER": "BIGINT", "REAL": "DOUBLE PRECISION", "BLOB": "BYTEA", "TEXT": "TEXT COLLATE \"C\"",
    ]

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }

    /// Where the string, quoted name or comment that begins at `start` ends; nil if none begins there. A doubled
    /// quote inside ends one piece and begins the next, which comes to the same.
    private static func verbatimEnd(_ source: [UInt8], _ start: Int) -> Int? {
        let byte = source[start]
        let next = start + 1 < source.count ? source[start + 1] : 0
        if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
            let close = source[(start + 1)...].firstIndex(of: byte)
            return close.map { $0 + 1 } ?? source.count
        }
        if byte == UInt8(ascii: "-"), next == byte {
            return source[start...].firstIndex(of: UInt8(ascii: "\n")) ?? source.count
        }
        if byte == UInt8(ascii: "/"), next == UInt8(ascii: "*") {
            var index = start + 2
            while index + 1 < source.count {
                if source[index] == UInt8(ascii: "*"), source[index + 1] == UInt8(ascii: "/") { return index + 2 }
                index += 1
            }
            return source.count
        }
        return nil
    }
}
