package import Wire

/// A filter (RFC 7644 §3.4.2.2).
package indirect enum SCIMFilter: Hashable, Sendable {
    package enum Comparison: String, Sendable, CaseIterable {
        case eq, ne, co, sw, ew, gt, ge, lt, le
    }

    case present(AttributePath)
    case compare(AttributePath, Comparison, JSONValue)
    /// `emails[type eq "work"]`: one value of an attribute meets all of the inner filter.
    case element(AttributePath, SCIMFilter)
    case and(SCIMFilter, SCIMFilter)
    case or(SCIMFilter, SCIMFilter)
    case not(SCIMFilter)

    /// Whether any part of it asks for an attribute.
    package func mentions(_ name: String) -> Bool {
        switch self {
        case .present(let path), .compare(let path, _, _), .element(let path, _):
            path.name.lowercased() == name.lowercased()
        case .and(let one, let other), .or(let one, let other): one.mentions(name) || other.mentions(name)
        case .not(let inner): inner.mentions(name)
        }
    }

    /// A value that the attribute has to be equal to wherever the filter holds, where it says so: what an index can
    /// answer first.
    package func requiredValue(of path: AttributePath) -> String? {
        switch self {
        case .compare(let asked, .eq, .string(let value)):
            let isSame =
                asked.name.lowercased() == path.name.lowercased()
                && asked.sub?.lowercased() == path.sub?.lowercased()
            return isSame ? value : nil
        case .and(let one, let other): return one.requiredValue(of: path) ?? other.requiredValue(of: path)
        default: return nil
        }
    }
}

extension SCIMFilter {
    /// Whether a resource, or one value of a complex attribute, meets the filter.
    package func matches(_ resource: JSONValue) -> Bool {
        switch self {
        case .present(let path): Self.values(of: path, in: resource).contains { !Self.isEmpty($0) }
        case .compare(let path, let comparison, let value):
            Self.compare(Self.values(of: path, in: resource), comparison, value, path)
        case .element(let path, let inner):
            Self.elements(of: path, in: resource).contains { inner.matches($0) }
        case .and(let one, let other): one.matches(resource) && other.matches(resource)
        case .or(let one, let other): one.matches(resource) || other.matches(resource)
        case .not(let inner): !inner.matches(resource)
        }
    }

    private static func isEmpty(_ value: JSONValue) -> Bool {
        switch value {
        case .null: true
        case .string(let text): text.isEmpty
        case .array(let values): values.isEmpty
        case .object(let object): object.members.isEmpty
        default: false
        }
    }

    /// The values of an attribute without its sub-attribute.
    static func elements(of path: AttributePath, in resource: JSONValue) -> [JSONValue] {
        var place = resource
        if let schema = path.schema, !SCIMSchema.isCore(schema) {
            guard let inner = resource.object?.member(schema) else { return [] }
            place = inner
        }
        switch place.object?.member(path.name) {
        case nil: return []
        case .array(let values): return values
        case let value?: return [value]
        }
    }

    private static func values(of path: AttributePath, in resource: JSONValue) -> [JSONValue] {
        let elements = elements(of: path, in: resource)
        // A complex value that is compared as a whole means its `value` (RFC 7643 §2.4).
        return elements.flatMap { element -> [JSONValue] in
            guard let object = element.object else { return path.sub == nil ? [element] : [] }
            switch object.member(path.sub ?? "value") {
            case nil: return path.sub == nil ? [element] : []
            case .array(let values): return values
            case let value?: return [value]
            }
        }
    }

    private static func compare(
        _ values: [JSONValue], _ comparison: Comparison, _ wanted: JSONValue, _ path: AttributePath
    ) -> Bool {
        if wanted.isNull {
            let isAbsent = values.allSatisfy(isEmpty)
            return comparison == .eq ? isAbsent : comparison == .ne ? !isAbsent : false
        }
        if comparison == .ne { return !compare(values, .eq, wanted, path) }
        let isExact = SCIMSchema.isCaseExact(path)
        return values.contains { holds($0, comparison, wanted, isExact: isExact) }
    }

    private static func holds(
        _ value: JSONValue, _ comparison: Comparison, _ wanted: JSONValue, isExact: Bool
    ) -> Bool {
        switch (value, wanted) {
        case (.bool(let a), .bool(let b)): return comparison == .eq && a == b
        case (.string(let a), .string(let b)):
            if let first = Timestamp(rfc3339: a), let second = Timestamp(rfc3339: b) {
                return ordered(first.microseconds, comparison, second.microseconds)
            }
            let (a, b) = isExact ? (a, b) : (a.lowercased(), b.lowercased())
            switch comparison {
            case .co: return Array(a.utf8).contains(Array(b.utf8))
            case .sw: return a.utf8.starts(with: b.utf8)
            case .ew: return a.utf8.reversed().starts(with: b.utf8.reversed())
            default: return ordered(a, comparison, b)
            }
        default:
            guard let a = value.number, let b = wanted.number else { return false }
            return ordered(a, comparison, b)
        }
    }

    private static func ordered<Value: Comparable>(_ a: Value, _ comparison: Comparison, _ b: Value) -> Bool {
        switch comparison {
        case .eq: a == b
        case .gt: a > b
        case .ge: a >= b
        case .lt: a < b
        case .le: a <= b
        case .ne, .co, .sw, .ew: false
        }
    }
}

extension JSONObject {
    /// A member whatever the case of its name is (RFC 7643 §2.1).
    package func member(_ name: String) -> JSONValue? {
        if let exact = self[name] { return exact }
        let lower = name.lowercased()
        return members.last { $0.name.lowercased() == lower }?.value
    }
}
