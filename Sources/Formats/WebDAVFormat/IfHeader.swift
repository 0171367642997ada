/// The `If` header (RFC 4918 §10.4): lists of conditions on resources, of which one list has to hold.
package struct IfHeader: Sendable, Hashable {
    package struct Condition: Sendable, Hashable {
        package enum Test: Sendable, Hashable {
            /// The resource is locked with this token (or has this state, of which there is no other).
            case token(String)
            /// The resource has this entity tag: unquoted.
            case etag(String)
        }

        package var isNegated: Bool
        package var test: Test
    }

    /// Conditions that have to hold together.
    package struct List: Sendable, Hashable {
        /// The URI of the resource that they are about; nil for the request's own.
        package var resource: String?
        package var conditions: [Condition]
    }

    /// What conditions are evaluated against.
    package struct State: Sendable, Hashable {
        package var tokens: Set<String>
        /// Unquoted; nil where there is no resource, or it has none.
        package var etag: String?

        package init(tokens: Set<String>, etag: String?) {
            self.tokens = tokens
            self.etag = etag
        }
    }

    package let lists: [List]

    /// Lists and conditions in one header.
    package static let conditionsMax = 1000

    /// All tokens that the header names: who names one shows that they know it.
    package var tokens: Set<String> {
        var out: Set<String> = []
        for list in lists {
            for case .token(let token) in list.conditions.map(\.test) { out.insert(token) }
        }
        return out
    }

    /// The resources that it speaks of, besides the request's own.
    package var resources: Set<String> { Set(lists.compactMap(\.resource)) }

    /// Whether one of the lists holds.
    package func holds(_ state: (String?) -> State?) -> Bool {
        lists.contains { list in
            guard let state = state(list.resource) else { return list.conditions.allSatisfy(\.isNegated) }
            return list.conditions.allSatisfy { condition in
                let isTrue =
                    switch condition.test {
                    case .token(let token): state.tokens.contains(token)
                    case .etag(let etag): state.etag == etag
                    }
                return isTrue != condition.isNegated
            }
        }
    }

    /// - Throws: ``WebDAVFormatError`` for what is no such header.
    package init(parsing text: String) throws(WebDAVFormatError) {
        var parser = Parser(text)
        var lists: [List] = []
        var count = 0
        var resource: String?
        var isTagged: Bool?
        var hasListOfTag = true
        while parser.skipSpace() {
            if parser.next == UInt8(ascii: "<") {
                guard isTagged != false, hasListOfTag else {
                    throw WebDAVFormatError("an If header has a resource before each list or before none")
                }
                isTagged = true
                hasListOfTag = false
                resource = try parser.angled()
            } else {
                isTagged = isTagged ?? false
                hasListOfTag = true
                lists.append(List(resource: resource, conditions: try parser.list()))
                count += lists[lists.count - 1].conditions.count
                guard count <= Self.conditionsMax else {
                    throw WebDAVFormatError("an If header has at most \(Self.conditionsMax) conditions")
                }
            }
        }
        guard !lists.isEmpty, hasListOfTag else { throw WebDAVFormatError("an If header has a list for each resource") }
        self.lists = lists
    }

    private struct Parser {
        private let bytes: [UInt8]
        private var at = 0

        init(_ text: String) { bytes = Array(text.utf8) }

        var next: UInt8? { at < bytes.count ? bytes[at] : nil }

        /// Whether something follows.
        mutating func skipSpace() -> Bool {
            while let c = next, c == UInt8(ascii: " ") || c == UInt8(ascii: "\t") { at += 1 }
            return at < bytes.count
        }

        private mutating func take(_ c: Unicode.Scalar) -> Bool {
            guard next == UInt8(ascii: c) else { return false }
            at += 1
            return true
        }

        /// `<…>` without its brackets.
        mutating func angled() throws(WebDAVFormatError) -> String {
            guard take("<"), let end = bytes[at...].firstIndex(of: UInt8(ascii: ">")), end > at else {
                throw WebDAVFormatError("a URI in an If header stands in angle brackets")
            }
            defer { at = end + 1 }
            return String(decoding: bytes[at..<end], as: UTF8.self)
        }

        mutating func list() throws(WebDAVFormatError) -> [Condition] {
            guard take("(") else { throw WebDAVFormatError("conditions of an If header stand in parentheses") }
            var conditions: [Condition] = []
            while skipSpace() {
                if take(")") {
                    guard !conditions.isEmpty else { throw WebDAVFormatError("a list of an If header is empty") }
                    return conditions
                }
                let isNegated = try takeNot()
                if next == UInt8(ascii: "<") {
                    conditions.append(Condition(isNegated: isNegated, test: .token(try angled())))
                } else {
                    conditions.append(Condition(isNegated: isNegated, test: .etag(try entityTag())))
                }
            }
            throw WebDAVFormatError("a list of an If header has no end")
        }

        private mutating func takeNot() throws(WebDAVFormatError) -> Bool {
            let word = bytes[at...].prefix(3).map { $0 | 0x20 }
            guard word == Array("not".utf8) else { return false }
            at += 3
            guard skipSpace() else { throw WebDAVFormatError("nothing follows a Not of an If header") }
            return true
        }

        /// `["…"]`; whether it is weak makes no difference here.
        private mutating func entityTag() throws(WebDAVFormatError) -> String {
            guard take("["), let end = bytes[at...].firstIndex(of: UInt8(ascii: "]")) else {
                throw WebDAVFormatError("a condition of an If header is a <token> or an [\"ETag\"]")
            }
            var tag = bytes[at..<end]
            if tag.starts(with: "W/".utf8) { tag = tag.dropFirst(2) }
            guard tag.count >= 2, tag.first == UInt8(ascii: "\""), tag.last == UInt8(ascii: "\"") else {
                throw WebDAVFormatError("an ETag of an If header is quoted")
            }
            at = end + 1
            return String(decoding: tag.dropFirst().dropLast(), as: UTF8.self)
        }
    }
}
