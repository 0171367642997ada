/// Reads the part of YAML that lists of rules are written in, strictly: what it does not know it refuses rather than
/// takes for something else.
///
/// Block mappings and sequences by indentation with spaces, `[a, b]` and `{}` without nesting, plain, single- and
/// double-quoted scalars on one line, comments. No anchors, tags, documents, multi-line scalars or tabs. Every scalar
/// is a string, but `true`, `false`, `null` and whole numbers that are not quoted.
package enum YAML {
    package static let bytesMax = 1 << 20
    private static let depthMax = 16
    private static let linesMax = 50_000

    /// - Throws: ``YAMLError`` with the number of the line.
    package static func parse(_ bytes: [UInt8]) throws(YAMLError) -> JSONValue {
        guard bytes.count <= bytesMax else { throw YAMLError(line: 1, "the text is longer than \(bytesMax) bytes") }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw YAMLError(line: 1, "the text is not UTF-8")
        }
        var lines: [Line] = []
        for (index, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard index < linesMax else { throw YAMLError(line: index, "there are more than \(linesMax) lines") }
            if let line = try Line(raw.last == "\r" ? raw.dropLast() : raw, number: index + 1) { lines.append(line) }
        }
        var reader = Reader(lines: lines)
        guard let first = lines.first else { return .null }
        let value = try reader.block(indent: first.indent, depth: 0)
        if let rest = reader.current { throw YAMLError(line: rest.number, "this line is indented as none before it") }
        return value
    }

    /// A line with something on it, without its indentation and comment.
    private struct Line {
        var indent: Int
        var text: Substring
        var number: Int

        init?(_ raw: Substring, number: Int) throws(YAMLError) {
            guard !raw.utf8.contains(where: { $0 < 0x20 }) else {
                throw YAMLError(line: number, "there is a tab or another control character")
            }
            indent = raw.prefix { $0 == " " }.count
            text = try YAML.withoutComment(raw.dropFirst(indent), number)
            self.number = number
            guard !text.isEmpty else { return nil }
            guard !(indent == 0 && (text == "---" || text == "...")) else {
                if text == "---", number == 1 { return nil }
                throw YAMLError(line: number, "there is one document in a text")
            }
        }

        init(indent: Int, text: Substring, number: Int) {
            (self.indent, self.text, self.number) = (indent, text, number)
        }
    }

    private static func withoutComment(_ text: Substring, _ line: Int) throws(YAMLError) -> Substring {
        var quote: Character?
        var isAfterSpace = true
        var isEscaped = false
        var end = text.startIndex
        for index in text.indices {
            let c = text[index]
            if isEscaped {
                isEscaped = false
            } else if let open = quote {
                if c == "\\", open == "\"" { isEscaped = true } else if c == open { quote = nil }
            } else if c == "#", isAfterSpace {
                break
            } else if (c == "\"" || c == "'") && isAfterSpace {
                quote = c
            }
            // A quote begins a scalar only behind what can stand before one.
            isAfterSpace = c == " " || c == "[" || c == ","
            end = text.index(after: index)
        }
        guard quote == nil else { throw YAMLError(line: line, "a quoted text does not end on its line") }
        var out = text[..<end]
        while out.last == " " { out.removeLast() }
        return out
    }

    private struct Reader {
        var lines: [Line]
        var next = 0

        init(lines: [Line]) { self.lines = lines }

        var current: Line? { next < lines.count ? lines[next] : nil }

        mutating func block(indent: Int, depth: Int) throws(YAMLError) -> JSONValue {
            guard let line = current else { return .null }
            guard depth < depthMax else { throw YAMLError(line: line.number, "there are more than \(depthMax) levels") }
            return Self.isItem(line.text)
                ? try sequence(indent: indent, depth: depth) : try mapping(indent: indent, depth: depth)
        }

        private static func isItem(_ text: Substring) -> Bool { text == "-" || text.hasPrefix("- ") }

        private mutating func sequence(indent: Int, depth: Int) throws(YAMLError) -> JSONValue {
            var out: [JSONValue] = []
            while let line = current, line.indent == indent, Self.isItem(line.text) {
                let rest = line.text.dropFirst(1).drop { $0 == " " }
                if rest.isEmpty {
                    next += 1
                    guard let below = current, below.indent > indent else {
                        out.append(.null)
                        continue
                    }
                    out.append(try block(indent: below.indent, depth: depth + 1))
                } else if Self.isItem(rest) || YAML.keyEnd(rest) != nil {
                    // What follows the dash is a block of its own, indented as it stands there.
                    let inner = indent + line.text.distance(from: line.text.startIndex, to: rest.startIndex)
                    lines[next] = Line(indent: inner, text: rest, number: line.number)
                    out.append(try block(indent: inner, depth: depth + 1))
                } else {
                    next += 1
                    out.append(try YAML.flow(rest, line.number))
                }
            }
            try checkEnd(indent)
            return .array(out)
        }

        private mutating func mapping(indent: Int, depth: Int) throws(YAMLError) -> JSONValue {
            var object = JSONObject()
            while let line = current, line.indent == indent, !Self.isItem(line.text) {
                guard let end = YAML.keyEnd(line.text) else {
                    throw YAMLError(line: line.number, "this is neither 'key: value' nor '- item'")
                }
                let key = try YAML.scalar(line.text[..<end], line.number)
                guard case .string(let name) = key, object[name] == nil else {
                    throw YAMLError(line: line.number, "a key is a text, and comes once")
                }
                let rest = line.text[line.text.index(after: end)...].drop { $0 == " " }
                next += 1
                if !rest.isEmpty {
                    object[name] = try YAML.flow(rest, line.number)
                } else if let below = current,
                    below.indent > indent || below.indent == indent && Self.isItem(below.text)
                {
                    object[name] = try block(indent: below.indent, depth: depth + 1)
                } else {
                    object[name] = .null
                }
            }
            try checkEnd(indent)
            return .object(object)
        }

        private func checkEnd(_ indent: Int) throws(YAMLError) {
            guard let line = current, line.indent > indent else { return }
            throw YAMLError(line: line.number, "this line is indented further than what it belongs to")
        }
    }

    /// Where the key of a line ends: a colon that a space or nothing follows, outside of quotes.
    private static func keyEnd(_ text: Substring) -> Substring.Index? {
        var rest = text[...]
        if let quote = text.first, quote == "\"" || quote == "'" {
            guard let close = text.dropFirst().firstIndex(of: quote) else { return nil }
            rest = text[text.index(after: close)...]
            return rest.first == ":" ? rest.startIndex : nil
        }
        if "[{&*!|>%@`".contains(text.first ?? " ") { return nil }
        while let colon = rest.firstIndex(of: ":") {
            let after = text.index(after: colon)
            if after == text.endIndex || text[after] == " " { return colon }
            rest = text[after...]
        }
        return nil
    }

    /// A scalar, or a list of scalars on one line.
    private static func flow(_ text: Substring, _ line: Int) throws(YAMLError) -> JSONValue {
        if text == "{}" { return .object(JSONObject()) }
        guard text.first == "[" else { return try scalar(text, line) }
        guard text.last == "]" else { throw YAMLError(line: line, "a list ends on its line, with ]") }
        var items: [JSONValue] = []
        var item = text.dropFirst().dropLast()
        guard item.contains(where: { $0 != " " }) else { return .array([]) }
        while true {
            item = item.drop { $0 == " " }
            var end = item.startIndex
            if let quote = item.first, quote == "\"" || quote == "'" {
                guard let close = item.dropFirst().firstIndex(of: quote) else {
                    throw YAMLError(line: line, "a quoted text does not end")
                }
                end = item.index(after: close)
                let after = item[end...].drop { $0 == " " }
                guard after.isEmpty || after.first == "," else {
                    throw YAMLError(line: line, "something follows a quoted text")
                }
            } else {
                end = item.firstIndex(of: ",") ?? item.endIndex
            }
            var value = item[..<end]
            while value.last == " " { value.removeLast() }
            items.append(try scalar(value, line))
            guard let comma = item[end...].firstIndex(of: ",") else { return .array(items) }
            item = item[item.index(after: comma)...]
        }
    }

    private static func scalar(_ text: Substring, _ line: Int) throws(YAMLError) -> JSONValue {
        guard let first = text.first else { throw YAMLError(line: line, "something is missing here") }
        if first == "'" || first == "\"" {
            guard text.count >= 2, text.last == first else { throw YAMLError(line: line, "a quoted text does not end") }
            let inner = text.dropFirst().dropLast()
            guard !inner.contains(first), !(first == "\"" && inner.contains("\\")) else {
                throw YAMLError(line: line, "quotes and backslashes within quotes are not read here")
            }
            return .string(String(inner))
        }
        guard !"[]{}&*!|>%@`,?".contains(first), !text.contains(": "), !text.contains(" #") else {
            throw YAMLError(
                line: line, "'\(text.prefix(40))' is of a kind of YAML that is not read here: put it in quotes")
        }
        switch text {
        case "true": return .bool(true)
        case "false": return .bool(false)
        case "null", "~": return .null
        default:
            if let number = Int64(text), String(number) == text { return .integer(number) }
            return .string(String(text))
        }
    }
}

/// Where a text is not what ``YAML`` reads.
package struct YAMLError: Error, Sendable, Hashable, CustomStringConvertible {
    /// From 1.
    package var line: Int
    package var message: String

    init(line: Int, _ message: String) {
        self.line = line
        self.message = message
    }

    package var description: String { "line \(line): \(message)" }
}
