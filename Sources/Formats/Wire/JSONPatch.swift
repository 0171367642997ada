/// A list of changes of a JSON document (RFC 6902).
package struct JSONPatch: Sendable, Hashable {
    /// Changes that are taken.
    package static let operationsMax = 1000
    /// Bytes that copies add, all together: each could double what the one before it made.
    package static let copiedBytesMax = 10 << 20

    private enum Operation: Sendable, Hashable {
        case add([String], JSONValue)
        case remove([String])
        case replace([String], JSONValue)
        case move(from: [String], to: [String])
        case copy(from: [String], to: [String])
        case test([String], JSONValue)
    }

    private let operations: [Operation]

    /// - Throws: ``JSONPatchError`` with the number of the change that is wrong.
    package init(parsing value: JSONValue) throws(JSONPatchError) {
        guard let items = value.array, items.count <= Self.operationsMax else {
            throw JSONPatchError("a JSON Patch is a list of at most \(Self.operationsMax) changes")
        }
        var out: [Operation] = []
        for (index, item) in items.enumerated() {
            func path(_ name: String) throws(JSONPatchError) -> [String] {
                guard let text = item[name]?.string, text.isEmpty || text.hasPrefix("/") else {
                    throw JSONPatchError("change \(index): \(name) is a JSON Pointer, like /properties/title")
                }
                return text.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
                    .map { String($0).replacing("~1", with: "/").replacing("~0", with: "~") }
            }
            let value = item["value"]
            switch (item["op"]?.string, value) {
            case ("add", let value?): out.append(.add(try path("path"), value))
            case ("remove", _): out.append(.remove(try path("path")))
            case ("replace", let value?): out.append(.replace(try path("path"), value))
            case ("move", _):
                let (from, to) = (try path("from"), try path("path"))
                guard from.count >= to.count || Array(to.prefix(from.count)) != from else {
                    throw JSONPatchError("change \(index): what is moved cannot get into itself")
                }
                out.append(.move(from: from, to: to))
            case ("copy", _): out.append(.copy(from: try path("from"), to: try path("path")))
            case ("test", let value?): out.append(.test(try path("path"), value))
            default:
                throw JSONPatchError(
                    "change \(index): op is add, remove, replace, move, copy or test; add, replace and test have a value"
                )
            }
        }
        operations = out
    }

    /// - Throws: ``JSONPatchError`` where a place is not there, or a test fails; nothing is changed then.
    package func applied(to document: JSONValue) throws(JSONPatchError) -> JSONValue {
        var out = document
        var copied = 0
        for (index, operation) in operations.enumerated() {
            do throws(JSONPatchError) {
                switch operation {
                case .add(let path, let value): try out.insert(value, at: path[...])
                case .remove(let path): _ = try out.removed(at: path[...])
                case .replace(let path, let value): try out.replace(at: path[...], with: value)
                case .move(let from, let to): try out.insert(try out.removed(at: from[...]), at: to[...])
                case .copy(let from, let to):
                    let value = try out.found(at: from[...])
                    copied += value.bytes.count
                    guard copied <= Self.copiedBytesMax else {
                        throw JSONPatchError("copies add more than \(Self.copiedBytesMax) bytes")
                    }
                    try out.insert(value, at: to[...])
                case .test(let path, let value):
                    guard try out.found(at: path[...]).isSame(as: value) else {
                        throw JSONPatchError("the value is another than the one that was tested for")
                    }
                }
            } catch {
                throw JSONPatchError("change \(index): \(error.message)")
            }
        }
        return out
    }
}

/// What is wrong with a JSON Patch, or with its application.
package struct JSONPatchError: Error, Sendable, Hashable, CustomStringConvertible {
    package var message: String
    package var description: String { message }

    init(_ message: String) { self.message = message }
}

extension JSONValue {
    /// The document changed as a merge patch says (RFC 7386): members of objects are replaced, and taken away where
    /// they are null.
    package func merged(with patch: JSONValue) -> JSONValue {
        guard let changes = patch.object else { return patch }
        var out = object ?? JSONObject()
        for member in changes.members {
            let merged = (out[member.name] ?? .null).merged(with: member.value)
            // Said at length: a plain nil could be taken for JSON's null.
            out[member.name] = member.value.isNull ? Optional<JSONValue>.none : merged
        }
        return .object(out)
    }

    /// Equal but for the order of members and the way in which numbers are written (RFC 6902 §4.6).
    fileprivate func isSame(as other: JSONValue) -> Bool {
        switch (self, other) {
        case (.object(let a), .object(let b)):
            let names = Set(a.members.map(\.name))
            return names == Set(b.members.map(\.name))
                && names.allSatisfy { name in
                    guard let x = a[name], let y = b[name] else { return false }
                    return x.isSame(as: y)
                }
        case (.array(let a), .array(let b)): return a.count == b.count && zip(a, b).allSatisfy { $0.isSame(as: $1) }
        default:
            if let a = number, let b = other.number { return a == b }
            return self == other
        }
    }

    private static func index(_ text: String, below bound: Int) throws(JSONPatchError) -> Int {
        let isPlain =
            text == "0" || (!text.hasPrefix("0") && !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) })
        guard isPlain, let index = Int(text), index < bound else {
            throw JSONPatchError("there is no element '\(text.prefix(40))'")
        }
        return index
    }

    fileprivate func found(at path: ArraySlice<String>) throws(JSONPatchError) -> JSONValue {
        guard let name = path.first else { return self }
        switch self {
        case .object(let object):
            guard let value = object[name] else { throw JSONPatchError("there is no member '\(name.prefix(40))'") }
            return try value.found(at: path.dropFirst())
        case .array(let items): return try items[Self.index(name, below: items.count)].found(at: path.dropFirst())
        default: throw JSONPatchError("'\(name.prefix(40))' leads into a value that is neither object nor list")
        }
    }

    fileprivate mutating func replace(at path: ArraySlice<String>, with value: JSONValue) throws(JSONPatchError) {
        try change(at: path) { place throws(JSONPatchError) in
            guard place != nil else { throw JSONPatchError("there is nothing to replace") }
            place = value
        }
    }

    fileprivate mutating func removed(at path: ArraySlice<String>) throws(JSONPatchError) -> JSONValue {
        let value = try found(at: path)
        try change(at: path) { place throws(JSONPatchError) in place = nil }
        return value
    }

    fileprivate mutating func insert(_ value: JSONValue, at path: ArraySlice<String>) throws(JSONPatchError) {
        guard let last = path.last else {
            self = value
            return
        }
        try change(at: path.dropLast()) { place throws(JSONPatchError) in
            switch place {
            case .object(var object):
                object[last] = value
                place = .object(object)
            case .array(var items):
                items.insert(value, at: last == "-" ? items.count : try Self.index(last, below: items.count + 1))
                place = .array(items)
            default: throw JSONPatchError("'\(last.prefix(40))' leads into a value that is neither object nor list")
            }
        }
    }

    /// Changes what is at a place that is there; nil takes it away.
    private mutating func change(
        at path: ArraySlice<String>, _ body: (inout JSONValue?) throws(JSONPatchError) -> Void
    ) throws(JSONPatchError) {
        guard let name = path.first else {
            var place: JSONValue? = self
            try body(&place)
            self = place ?? .null
            return
        }
        switch self {
        case .object(var object):
            guard var value = object[name] else { throw JSONPatchError("there is no member '\(name.prefix(40))'") }
            if path.count == 1 {
                var place: JSONValue? = value
                try body(&place)
                object[name] = place
            } else {
                try value.change(at: path.dropFirst(), body)
                object[name] = value
            }
            self = .object(object)
        case .array(var items):
            let index = try Self.index(name, below: items.count)
            if path.count == 1 {
                var place: JSONValue? = items[index]
                try body(&place)
                if let place { items[index] = place } else { items.remove(at: index) }
            } else {
                try items[index].change(at: path.dropFirst(), body)
            }
            self = .array(items)
        default: throw JSONPatchError("'\(name.prefix(40))' leads into a value that is neither object nor list")
        }
    }
}
