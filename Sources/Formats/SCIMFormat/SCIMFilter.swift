package import Wire

/// A filter (RFC 7644 §3.4.2.2).
package indirect enum SCIMFilter: Sendable, Equatable {
    package enum Operator: String, Sendable {
        case eq, ne, co, sw, ew, gt, ge, lt, le
    }

    /// Filters within filters. Nobody writes so many by hand, and reading them takes a frame of the stack each.
    package static let depthMax = 50
    /// Comparisons of one filter, all together: each is held against every resource that is looked at.
    package static let partsMax = 200
    package static let bytesMax = 8192

    case compare(AttributePath, Operator, JSONValue)
    case present(AttributePath)
    /// Some value of an attribute matches as a whole: `emails[type eq "work"]`.
    case some(AttributePath, SCIMFilter)
    case and(SCIMFilter, SCIMFilter)
    case or(SCIMFilter, SCIMFilter)
    case not(SCIMFilter)

    /// - Throws: ``SCIMError`` `.invalidFilter`.
    package init(_ text: String) throws(SCIMError) {
        guard text.utf8.count <= Self.bytesMax else {
            throw SCIMError(400, .invalidFilter, "a filter has at most \(Self.bytesMax) bytes")
        }
        var parser = FilterParser(text)
        self = try parser.whole()
    }

    /// Whether a resource, or a value of an attribute, is meant.
    package func matches(_ resource: JSONValue) -> Bool {
        switch self {
        case .and(let a, let b): return a.matches(resource) && b.matches(resource)
        case .or(let a, let b): return a.matches(resource) || b.matches(resource)
        case .not(let filter): return !filter.matches(resource)
        case .present(let path):
            return path.values(in: resource).contains { value in
                !value.isNull && value.string != "" && value.array?.isEmpty != true
            }
        case .some(let path, let filter): return path.values(in: resource).contains { filter.matches($0) }
        case .compare(let path, let comparison, let wanted):
            let values = path.values(in: resource).map { value in
                // An attribute with parts is compared by its value.
                value.object.flatMap { $0.ignoringCase("value") } ?? value
            }
            if comparison == .ne { return !values.contains { Self.holds($0, .eq, wanted, path) } }
            if wanted.isNull, comparison == .eq { return values.allSatisfy(\.isNull) }
            return values.contains { Self.holds($0, comparison, wanted, path) }
        }
    }

    /// Attributes whose case counts.
    private static let exact: Set<String> = ["id", "externalid", "meta"]

    private static func holds(
        _ value: JSONValue, _ comparison: Operator, _ wanted: JSONValue, _ path: AttributePath
    ) -> Bool {
        if let a = value.string, let b = wanted.string {
            if [.gt, .ge, .lt, .le].contains(comparison), let a = Timestamp(rfc3339: a), let b = Timestamp(rfc3339: b) {
                return ordered(a, comparison, b)
            }
            let isExact = exact.contains(path.name)
            let (a, b) = isExact ? (a, b) : (a.lowercased(), b.lowercased())
            switch comparison {
            case .co: return b.isEmpty || a.contains(b)
            case .sw: return a.hasPrefix(b)
            case .ew: return a.hasSuffix(b)
            default: return ordered(a, comparison, b)
            }
        }
        if let a = value.number, let b = wanted.number { return ordered(a, comparison, b) }
        if let a = value.bool, let b = wanted.bool { return comparison == .eq && a == b }
        return comparison == .eq && value.isNull && wanted.isNull
    }

    private static func ordered<T: Comparable>(_ a: T, _ comparison: Operator, _ b: T) -> Bool {
        switch comparison {
        case .eq: a == b
        case .gt: a > b
        case .ge: a >= b
        case .lt: a < b
        case .le: a <= b
        default: false
        }
    }

    /// The value that an attribute of one has to have: what narrows a search to a few.
    package func required(_ name: String) -> String? {
        switch self {
        case .compare(let path, .eq, .string(let text)) where path.name == name && path.sub ?? "value" == "value": text
        case .and(let a, let b): a.required(name) ?? b.required(name)
        default: nil
        }
    }
}

/// Reads by descent: `or` binds weaker than `and`.
struct FilterParser {
    private let bytes: [UInt8]
    private(set) var at = 0
    private var parts = 0

    init(_ text: some StringProtocol) { bytes = Array(text.utf8) }

    mutating func whole() throws(SCIMError) -> SCIMFilter {
        let filter = try either(depth: 0)
        skipSpace()
        guard at == bytes.count else { throw fault("something follows it") }
        return filter
    }

    private func fault(_ what: String) -> SCIMError {
        SCIMError(400, .invalidFilter, "the filter is not valid at byte \(at): \(what)")
    }

    private mutating func skipSpace() { while at < bytes.count, bytes[at] == 0x20 { at += 1 } }

    /// A word, if it is the next, and no longer word begins with it.
    private mutating func take(word: String) -> Bool {
        let start = at
        skipSpace()
        let end = at + word.utf8.count
        guard end <= bytes.count, String(decoding: bytes[at..<end], as: UTF8.self).lowercased() == word,
            end == bytes.count || bytes[end] == 0x20 || bytes[end] == UInt8(ascii: "(")
        else {
            at = start
            return false
        }
        at = end
        return true
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    private mutating func either(depth: Int) throws(SCIMError) -> SCIMFilter {
        var filter = try both(depth: depth)
        while take(word: "or") { filter = .or(filter, try both(depth: depth)) }
        return filter
    }

    private mutating func both(depth: Int) throws(SCIMError) -> SCIMFilter {
        var filter = try one(depth: depth)
        while take(word: "and") { filter = .and(filter, try one(depth: depth)) }
        return filter
    }

    private mutating func one(depth: Int) throws(SCIMError) -> SCIMFilter {
        guard depth < SCIMFilter.depthMax else { throw fault("it is more than \(SCIMFilter.depthMax) filters deep") }
        if take(word: "not") {
            guard take("(") else { throw fault("'not' is followed by a filter in parentheses") }
            return .not(try closed(depth))
        }
        if take("(") { return try closed(depth) }
        parts += 1
        guard parts <= SCIMFilter.partsMax else {
            throw fault("it has more than \(SCIMFilter.partsMax) comparisons")
        }
        let path = try attribute()
        if take("[") {
            let inner = try either(depth: depth + 1)
            guard take("]") else { throw fault("a ']' is missing") }
            return .some(path, inner)
        }
        if take(word: "pr") { return .present(path) }
        skipSpace()
        let start = at
        while at < bytes.count, bytes[at] != 0x20 { at += 1 }
        let word = String(decoding: bytes[start..<at], as: UTF8.self).lowercased()
        guard let comparison = SCIMFilter.Operator(rawValue: word) else {
            throw fault("'\(word.prefix(20))' is no comparison: eq, ne, co, sw, ew, gt, ge, lt, le or pr")
        }
        return .compare(path, comparison, try value())
    }

    private mutating func closed(_ depth: Int) throws(SCIMError) -> SCIMFilter {
        let filter = try either(depth: depth + 1)
        guard take(")") else { throw fault("a ')' is missing") }
        return filter
    }

    mutating func attribute() throws(SCIMError) -> AttributePath {
        skipSpace()
        let start = at
        while at < bytes.count, !" ()[]\"".utf8.contains(bytes[at]) { at += 1 }
        do {
            return try AttributePath(String(decoding: bytes[start..<at], as: UTF8.self))
        } catch { throw fault(error.description) }
    }

    /// A JSON string, number, `true`, `false` or `null`.
    private mutating func value() throws(SCIMError) -> JSONValue {
        skipSpace()
        let start = at
        if at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
            at += 1
            while at < bytes.count, bytes[at] != UInt8(ascii: "\"") { at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1 }
            at = min(at + 1, bytes.count)
        } else {
            while at < bytes.count, !" )]".utf8.contains(bytes[at]) { at += 1 }
        }
        guard let value = try? JSONValue(parsing: Array(bytes[start..<at]), maximumDepth: 1), value.object == nil,
            value.array == nil
        else { throw fault("a value is missing: a text in quotes, a number, true, false or null") }
        return value
    }

    // MARK: Paths of changes

    /// `attribute`, `attribute.part`, `attribute[filter]` or `attribute[filter].part` (RFC 7644 §3.5.2).
    mutating func changePath() throws(SCIMError) -> PatchPath {
        var path = PatchPath(attribute: try attribute())
        guard at < bytes.count else { return path }
        guard take("[") else { throw fault("something follows the attribute") }
        path.filter = try either(depth: 0)
        guard take("]") else { throw fault("a ']' is missing") }
        if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
            at += 1
            let part = try attribute()
            guard part.sub == nil else { throw fault("a part of a value has no parts") }
            path.part = part.name
        }
        guard at == bytes.count else { throw fault("something follows it") }
        return path
    }
}
