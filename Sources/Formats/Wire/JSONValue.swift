/// A JSON value (RFC 8259) as a tree, for documents whose shape is not ours to fix: policies, items, search bodies.
package enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case integer(Int64)
    case double(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)
}

/// The members of a JSON object, in the order in which they came. Where a name comes twice, the last one counts.
package struct JSONObject: Sendable, Hashable {
    package struct Member: Sendable, Hashable {
        package var name: String
        package var value: JSONValue

        package init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    package private(set) var members: [Member]

    package init(_ members: [Member] = []) { self.members = members }

    package subscript(_ name: String) -> JSONValue? {
        get { members.last { $0.name == name }?.value }
        set {
            if let index = members.lastIndex(where: { $0.name == name }) {
                if let newValue { members[index].value = newValue } else { members.removeAll { $0.name == name } }
            } else if let newValue {
                members.append(Member(name: name, value: newValue))
            }
        }
    }
}

extension JSONValue {
    package var string: String? { if case .string(let v) = self { v } else { nil } }
    package var bool: Bool? { if case .bool(let v) = self { v } else { nil } }
    package var array: [JSONValue]? { if case .array(let v) = self { v } else { nil } }
    package var object: JSONObject? { if case .object(let v) = self { v } else { nil } }
    package var isNull: Bool { if case .null = self { true } else { false } }

    /// A number as a Double, whichever way it was written.
    package var number: Double? {
        switch self {
        case .integer(let v): Double(v)
        case .double(let v): v
        default: nil
        }
    }

    /// A whole number, also where it was written `3.0`.
    package var integer: Int64? {
        switch self {
        case .integer(let v): v
        case .double(let v): Int64(exactly: v)
        default: nil
        }
    }

    /// The member of an object; nil for a missing member and for every other kind of value.
    package subscript(_ name: String) -> JSONValue? { object?[name] }

    /// Compact JSON.
    package var bytes: [UInt8] {
        var writer = JSONWriter()
        writer.value(self)
        return writer.bytes
    }

    package var text: String { String(decoding: bytes, as: UTF8.self) }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(floatLiteral value: Double) { self = .double(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(JSONObject(elements.map { JSONObject.Member(name: $0.0, value: $0.1) }))
    }
    package init(nilLiteral: ()) { self = .null }
}

/// What was wrong with a JSON text, and at which byte.
package struct JSONError: Error, CustomStringConvertible, Sendable {
    package var message: String
    package var offset: Int
    package var description: String { "not valid JSON at byte \(offset): \(message)" }
}

extension JSONValue {
    /// Parses one JSON text.
    ///
    /// - Parameters:
    ///   - bytes: UTF-8; the caller bounds its length.
    ///   - maximumDepth: how deep arrays and objects may nest; deeper ones are refused, so no input exhausts the stack.
    package init(parsing bytes: [UInt8], maximumDepth: Int = 64) throws(JSONError) {
        self = try bytes.withUnsafeBufferPointer { (buffer) throws(JSONError) in
            var parser = JSONParser(bytes: buffer, maximumDepth: maximumDepth)
            return try parser.document()
        }
    }

    /// Whether a JSON text could be parsed, without making values of it: five times as fast.
    ///
    /// - Throws: what ``init(parsing:maximumDepth:)`` would.
    package static func check(_ bytes: [UInt8], maximumDepth: Int = 64) throws(JSONError) {
        try bytes.withUnsafeBufferPointer { (buffer) throws(JSONError) in
            var parser = JSONParser(bytes: buffer, maximumDepth: maximumDepth)
            try parser.checkDocument()
        }
    }

    package init(parsing text: String, maximumDepth: Int = 64) throws(JSONError) {
        try self.init(parsing: Array(text.utf8), maximumDepth: maximumDepth)
    }
}

private struct JSONParser {
    let bytes: UnsafeBufferPointer<UInt8>
    let maximumDepth: Int
    var at = 0

    init(bytes: UnsafeBufferPointer<UInt8>, maximumDepth: Int) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
    }

    mutating func document() throws(JSONError) -> JSONValue {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
        skipSpace()
        let result = try value(depth: 0)
        skipSpace()
        guard at == bytes.count else { throw fault("something follows the value") }
        return result
    }

    // MARK: Checking

    mutating func checkDocument() throws(JSONError) {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
        skipSpace()
        try check(depth: 0)
        skipSpace()
        guard at == bytes.count else { throw fault("something follows the value") }
    }

    /// Goes behind a value. What is seldom, and every fault, is left to the functions that make values.
    private mutating func check(depth: Int) throws(JSONError) {
        guard depth <= maximumDepth else { throw fault("nested deeper than \(maximumDepth) levels") }
        switch current {
        case UInt8(ascii: "{"):
            at += 1
            skipSpace()
            if take("}") { return }
            while true {
                skipSpace()
                guard current == UInt8(ascii: "\"") else { throw fault("a member begins with its name in quotes") }
                try checkString()
                skipSpace()
                guard take(":") else { throw fault("a colon is missing") }
                skipSpace()
                try check(depth: depth + 1)
                skipSpace()
                if take(",") { continue }
                guard take("}") else { throw fault("a comma or closing brace is missing") }
                return
            }
        case UInt8(ascii: "["):
            at += 1
            skipSpace()
            if take("]") { return }
            while true {
                skipSpace()
                try check(depth: depth + 1)
                skipSpace()
                if take(",") { continue }
                guard take("]") else { throw fault("a comma or closing bracket is missing") }
                return
            }
        case UInt8(ascii: "\""): try checkString()
        case UInt8(ascii: "-"), (UInt8(ascii: "0")...UInt8(ascii: "9"))?: try checkNumber()
        default: _ = try value(depth: depth)
        }
    }

    private mutating func checkString() throws(JSONError) {
        let start = at
        at += 1
        while let c = current, c != UInt8(ascii: "\"") {
            // An escape, a control character, or more than ASCII.
            guard c >= 0x20, c < 0x80, c != UInt8(ascii: "\\") else {
                at = start
                _ = try string()
                return
            }
            at += 1
        }
        guard at < bytes.count else { throw fault("a string does not end") }
        at += 1
    }

    private mutating func checkNumber() throws(JSONError) {
        let start = at
        _ = try numberForm()
        // Only so many digits, or an exponent, lead out of the range.
        guard at - start > 300 || bytes[start..<at].contains(where: { $0 | 0x20 == UInt8(ascii: "e") }) else { return }
        at = start
        _ = try number()
    }

    // MARK: Values

    private func fault(_ message: String) -> JSONError { JSONError(message: message, offset: at) }

    private var current: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func skipSpace() {
        while let c = current, c == 0x20 || c == 0x0A || c == 0x0D || c == 0x09 { at += 1 }
    }

    private mutating func take(_ c: Unicode.Scalar) -> Bool {
        guard current == UInt8(ascii: c) else { return false }
        at += 1
        return true
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        guard depth <= maximumDepth else { throw fault("nested deeper than \(maximumDepth) levels") }
        switch current {
        case UInt8(ascii: "{"): return .object(try object(depth: depth))
        case UInt8(ascii: "["): return .array(try array(depth: depth))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), (UInt8(ascii: "0")...UInt8(ascii: "9"))?: return try number()
        case nil: throw fault("the text ends where a value should stand")
        default: throw fault("unexpected character")
        }
    }

    private mutating func word(_ text: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        let count = text.utf8CodeUnitCount
        let matches = text.withUTF8Buffer { expected in
            at + count <= bytes.count && bytes[at..<(at + count)].elementsEqual(expected)
        }
        guard matches else { throw fault("unexpected word") }
        at += count
        return value
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
        at += 1
        var members: [JSONObject.Member] = []
        skipSpace()
        if take("}") { return JSONObject() }
        while true {
            skipSpace()
            guard current == UInt8(ascii: "\"") else { throw fault("a member begins with its name in quotes") }
            let name = try string()
            skipSpace()
            guard take(":") else { throw fault("a colon is missing") }
            skipSpace()
            members.append(JSONObject.Member(name: name, value: try value(depth: depth + 1)))
            skipSpace()
            if take(",") { continue }
            guard take("}") else { throw fault("a comma or closing brace is missing") }
            return JSONObject(members)
        }
    }

    private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
        at += 1
        var items: [JSONValue] = []
        skipSpace()
        if take("]") { return items }
        while true {
            skipSpace()
            items.append(try value(depth: depth + 1))
            skipSpace()
            if take(",") { continue }
            guard take("]") else { throw fault("a comma or closing bracket is missing") }
            return items
        }
    }

    private mutating func string() throws(JSONError) -> String {
        at += 1
        let start = at
        while let c = current, c != UInt8(ascii: "\""), c != UInt8(ascii: "\\"), c >= 0x20 { at += 1 }
        guard let end = current else { throw fault("a string does not end") }
        if end == UInt8(ascii: "\"") {
            guard let text = String(validating: bytes[start..<at], as: UTF8.self) else {
                throw fault("a string is not UTF-8")
            }
            at += 1
            return text
        }
        var out = Array(bytes[start..<at])
        while let c = current {
            switch c {
            case UInt8(ascii: "\""):
                at += 1
                guard let text = String(validating: out, as: UTF8.self) else { throw fault("a string is not UTF-8") }
                return text
            case UInt8(ascii: "\\"):
                at += 1
                try escape(into: &out)
            case 0..<0x20: throw fault("a control character stands unescaped in a string")
            default:
                out.append(c)
                at += 1
            }
        }
        throw fault("a string does not end")
    }

    private mutating func escape(into out: inout [UInt8]) throws(JSONError) {
        guard let c = current else { throw fault("a string does not end") }
        at += 1
        switch c {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(c)
        case UInt8(ascii: "b"): out.append(0x08)
        case UInt8(ascii: "f"): out.append(0x0C)
        case UInt8(ascii: "n"): out.append(0x0A)
        case UInt8(ascii: "r"): out.append(0x0D)
        case UInt8(ascii: "t"): out.append(0x09)
        case UInt8(ascii: "u"):
            var code = try codeUnit()
            if (0xD800..<0xDC00).contains(code), current == UInt8(ascii: "\\"), at + 1 < bytes.count,
                bytes[at + 1] == UInt8(ascii: "u")
            {
                let back = at
                at += 2
                let low = try codeUnit()
                if (0xDC00..<0xE000).contains(low) {
                    code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
                } else {
                    at = back
                }
            }
            // No store can keep it in a text; the query of a URL refuses it too.
            guard code != 0 else { throw fault("a string has a NUL character") }
            // A lone surrogate has no UTF-8 form: it becomes U+FFFD, as browsers do.
            let scalar = Unicode.Scalar(code) ?? "\u{FFFD}"
            out.append(contentsOf: String(Character(scalar)).utf8)
        default: throw fault("unknown escape in a string")
        }
    }

    private mutating func codeUnit() throws(JSONError) -> UInt32 {
        guard at + 4 <= bytes.count else { throw fault("a \\u escape has four digits") }
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Hex.value(of: bytes[at]) else { throw fault("a \\u escape has four hexadecimal digits") }
            code = code << 4 | UInt32(digit)
            at += 1
        }
        return code
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        let start = at
        let isInteger = try numberForm()
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        if isInteger, let value = Int64(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else { throw fault("a number is out of range") }
        return .double(value)
    }

    /// Goes behind a number, and says whether it is written as a whole one.
    private mutating func numberForm() throws(JSONError) -> Bool {
        _ = take("-")
        if take("0") {
            // No digit may follow a leading zero.
            if let c = current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(c) {
                throw fault("a number has a leading zero")
            }
        } else {
            try digits()
        }
        var isInteger = true
        if take(".") {
            isInteger = false
            try digits()
        }
        if take("e") || take("E") {
            isInteger = false
            if !take("+") { _ = take("-") }
            try digits()
        }
        return isInteger
    }

    private mutating func digits() throws(JSONError) {
        let start = at
        while let c = current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(c) { at += 1 }
        guard at > start else { throw fault("a digit is missing") }
    }
}

extension JSONObject {
    /// Sets a member unless there is nothing to set.
    package mutating func set(_ name: String, _ value: JSONValue?) {
        if let value { self[name] = value }
    }

    /// The same, also for an empty text.
    package mutating func set(_ name: String, _ value: String?) {
        if let value, !value.isEmpty { self[name] = .string(value) }
    }

    /// The same, also for a number that JSON has no form for.
    package mutating func set(_ name: String, _ value: Double?) {
        if let value, value.isFinite { self[name] = .double(value) }
    }
}
