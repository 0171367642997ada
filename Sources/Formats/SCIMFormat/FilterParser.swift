import Wire

extension SCIMFilter {
    /// Bytes of a filter, and filters within filters, that are taken.
    package static let bytesMax = 8192
    package static let depthMax = 50

    /// - Throws: ``SCIMError`` `.invalidFilter`.
    package init(parsing text: String) throws(SCIMError) {
        var parser = FilterParser(text)
        self = try parser.whole()
    }
}

/// Where a patch applies (RFC 7644 §3.5.2): `members`, `name.familyName`, `emails[type eq "work"].value`.
package struct PatchPath: Hashable, Sendable {
    package var attribute: AttributePath
    /// Which values of it; nil for all.
    package var filter: SCIMFilter?

    /// - Throws: ``SCIMError`` `.invalidPath`.
    package init(parsing text: String) throws(SCIMError) {
        // The URN of an extension alone means all of it.
        if let schema = SCIMSchema.all.first(where: { $0.id.lowercased() == text.lowercased() }) {
            self.init(AttributePath(schema.id))
            return
        }
        var parser = FilterParser(text, error: .invalidPath)
        self = try parser.path()
    }

    init(_ attribute: AttributePath, filter: SCIMFilter? = nil) {
        self.attribute = attribute
        self.filter = filter
    }
}

struct FilterParser {
    private let bytes: [UInt8]
    private let kind: SCIMError.Kind
    private var at = 0

    init(_ text: String, error: SCIMError.Kind = .invalidFilter) {
        bytes = Array(text.utf8)
        kind = error
    }

    mutating func whole() throws(SCIMError) -> SCIMFilter {
        try checkLength()
        let filter = try alternatives(depth: 0)
        guard peek() == nil else { throw fault("something follows the filter") }
        return filter
    }

    mutating func path() throws(SCIMError) -> PatchPath {
        try checkLength()
        var attribute = try attributePath()
        guard peek() == UInt8(ascii: "[") else {
            guard peek() == nil else { throw fault("something follows the path") }
            return PatchPath(attribute)
        }
        guard attribute.sub == nil else {
            throw fault("a filter stands behind the attribute, before its sub-attribute")
        }
        let filter = try bracketed(depth: 0)
        if peek() == UInt8(ascii: ".") {
            at += 1
            let sub = word()
            guard AttributePath.isName(sub) else { throw fault("a sub-attribute is missing after the dot") }
            attribute.sub = sub
        }
        guard peek() == nil else { throw fault("something follows the path") }
        return PatchPath(attribute, filter: filter)
    }

    private func checkLength() throws(SCIMError) {
        guard bytes.count <= SCIMFilter.bytesMax else {
            throw SCIMError(kind, "it is longer than \(SCIMFilter.bytesMax) bytes")
        }
    }

    private func fault(_ message: String) -> SCIMError { SCIMError(kind, "at byte \(at): \(message)") }

    /// The next byte that is no space.
    private mutating func peek() -> UInt8? {
        while at < bytes.count, bytes[at] == 0x20 { at += 1 }
        return at < bytes.count ? bytes[at] : nil
    }

    private mutating func word() -> String {
        _ = peek()
        let start = at
        while at < bytes.count, !" ()[]\"".utf8.contains(bytes[at]) { at += 1 }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    /// Takes a word if it is the one.
    private mutating func take(_ wanted: String) -> Bool {
        let before = at
        if word().lowercased() == wanted { return true }
        at = before
        return false
    }

    private mutating func alternatives(depth: Int) throws(SCIMError) -> SCIMFilter {
        try chain("or", SCIMFilter.or, depth: depth) { parser, depth throws(SCIMError) in
            try parser.chain("and", SCIMFilter.and, depth: depth) { parser, depth throws(SCIMError) in
                try parser.term(depth: depth)
            }
        }
    }

    /// Operands with a word between them, joined from the left.
    private mutating func chain(
        _ word: String, _ join: (SCIMFilter, SCIMFilter) -> SCIMFilter, depth: Int,
        operand: (inout FilterParser, Int) throws(SCIMError) -> SCIMFilter
    ) throws(SCIMError) -> SCIMFilter {
        var filter = try operand(&self, depth)
        var count = 0
        while take(word) {
            count += 1
            try check(depth + count)
            filter = join(filter, try operand(&self, depth + 1))
        }
        return filter
    }

    private func check(_ depth: Int) throws(SCIMError) {
        guard depth <= SCIMFilter.depthMax else {
            throw SCIMError(kind, "it has more than \(SCIMFilter.depthMax) parts within each other")
        }
    }

    private mutating func term(depth: Int) throws(SCIMError) -> SCIMFilter {
        try check(depth)
        if peek() == UInt8(ascii: "(") { return try parenthesised(depth: depth) }
        let before = at
        if word().lowercased() == "not", peek() == UInt8(ascii: "(") {
            return .not(try parenthesised(depth: depth))
        }
        at = before
        let path = try attributePath()
        if peek() == UInt8(ascii: "[") {
            guard path.sub == nil else { throw fault("a filter stands behind an attribute, not a sub-attribute") }
            return .element(path, try bracketed(depth: depth))
        }
        let name = word().lowercased()
        if name == "pr" { return .present(path) }
        guard let comparison = SCIMFilter.Comparison(rawValue: name) else {
            throw fault("'\(name.prefix(20))' is no operator: eq, ne, co, sw, ew, gt, ge, lt, le or pr")
        }
        return .compare(path, comparison, try value(for: comparison))
    }

    private mutating func parenthesised(depth: Int) throws(SCIMError) -> SCIMFilter {
        at += 1
        let filter = try alternatives(depth: depth + 1)
        guard peek() == UInt8(ascii: ")") else { throw fault("a closing parenthesis is missing") }
        at += 1
        return filter
    }

    private mutating func bracketed(depth: Int) throws(SCIMError) -> SCIMFilter {
        at += 1
        let filter = try alternatives(depth: depth + 1)
        guard peek() == UInt8(ascii: "]") else { throw fault("a closing bracket is missing") }
        at += 1
        return filter
    }

    private mutating func attributePath() throws(SCIMError) -> AttributePath {
        let text = word()
        guard !text.isEmpty else { throw fault("an attribute is missing") }
        do {
            return try AttributePath(parsing: text)
        } catch {
            throw SCIMError(kind, error.message)
        }
    }

    private mutating func value(for comparison: SCIMFilter.Comparison) throws(SCIMError) -> JSONValue {
        guard let first = peek() else { throw fault("a value is missing") }
        let start = at
        if first == UInt8(ascii: "\"") {
            at += 1
            while at < bytes.count, bytes[at] != first { at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1 }
            guard at < bytes.count else { throw fault("a string does not end") }
            at += 1
        } else {
            _ = word()
        }
        let value: JSONValue
        do {
            value = try JSONValue(parsing: Array(bytes[start..<min(at, bytes.count)]), maximumDepth: 1)
        } catch {
            throw fault("a value is a string in quotes, a number, true, false or null")
        }
        switch (value, comparison) {
        case (.bool, .eq), (.bool, .ne), (.null, .eq), (.null, .ne), (.string, _): return value
        case (.integer, .co), (.integer, .sw), (.integer, .ew), (.double, .co), (.double, .sw), (.double, .ew),
            (.bool, _), (.null, _), (.array, _), (.object, _):
            throw fault("'\(comparison.rawValue)' does not go with such a value")
        default: return value
        }
    }
}
