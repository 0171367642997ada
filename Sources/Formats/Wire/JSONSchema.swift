/// A JSON Schema (draft 2020-12), of the part that descriptions of attributes need: `type`, `enum`, `const`,
/// `properties`, `required`, `additionalProperties`, `items`, the limits of numbers, texts, lists and objects, and
/// `format` for `date`, `date-time`, `uri` and `uuid`.
///
/// A keyword that would refuse more than is checked here is refused itself, so that nobody believes what nobody checks.
package struct JSONSchema: Sendable, Hashable {
    /// Of the whole schema, and of schemas within each other.
    package static let bytesMax = 32 << 10
    package static let depthMax = 8

    /// Something in a document that is not as the schema says.
    package struct Fault: Sendable, Hashable, CustomStringConvertible {
        /// Names and indexes from the top of the document, with dots; empty for the whole.
        package let path: String
        package let message: String

        package var description: String { path.isEmpty ? message : "\(path): \(message)" }
    }

    /// The most faults that are told of one document.
    package static let faultsMax = 20

    private enum Kind: String { case null, boolean, integer, number, string, array, object }

    /// Words that say nothing about what is valid.
    private static let annotations: Set<String> = [
        "$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly",
        "writeOnly",
    ]
    private static let formats: Set<String> = ["date", "date-time", "uri", "uuid"]

    private let root: JSONValue

    /// - Throws: ``JSONSchemaError`` for what is no schema, or one with a keyword that is not known here.
    package init(_ value: JSONValue) throws(JSONSchemaError) {
        guard value.bytes.count <= Self.bytesMax else {
            throw JSONSchemaError("a schema has at most \(Self.bytesMax) bytes", at: "")
        }
        try Self.check(value, at: "", depth: 0)
        root = value
    }

    // MARK: The schema itself

    private static func check(_ schema: JSONValue, at path: String, depth: Int) throws(JSONSchemaError) {
        guard depth <= depthMax else {
            throw JSONSchemaError("more than \(depthMax) schemas within each other", at: path)
        }
        if schema.bool != nil { return }
        guard let members = schema.object?.members else {
            throw JSONSchemaError("a schema is an object, or true or false", at: path)
        }
        for member in members {
            let (name, value) = (member.name, member.value)
            let place = path.isEmpty ? name : path + "." + name
            switch name {
            case _ where annotations.contains(name): continue
            case "type":
                let names = value.array ?? [value]
                guard !names.isEmpty, names.allSatisfy({ $0.string.flatMap(Kind.init) != nil }) else {
                    throw JSONSchemaError(
                        "a type is null, boolean, integer, number, string, array or object, or a list of these",
                        at: place)
                }
            case "enum":
                guard value.array?.isEmpty == false else { throw JSONSchemaError("a list is needed", at: place) }
            case "const": continue
            case "properties":
                guard let properties = value.object else { throw JSONSchemaError("an object is needed", at: place) }
                for property in properties.members {
                    try check(property.value, at: place + "." + property.name, depth: depth + 1)
                }
            case "required":
                guard let names = value.array, names.allSatisfy({ $0.string != nil }) else {
                    throw JSONSchemaError("a list of names is needed", at: place)
                }
            case "additionalProperties", "items": try check(value, at: place, depth: depth + 1)
            case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
                guard value.number != nil else { throw JSONSchemaError("a number is needed", at: place) }
            case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties":
                guard let count = value.integer, count >= 0 else {
                    throw JSONSchemaError("a whole number from 0 is needed", at: place)
                }
            case "uniqueItems":
                guard value.bool != nil else { throw JSONSchemaError("true or false is needed", at: place) }
            case "format":
                guard let format = value.string, formats.contains(format) else {
                    throw JSONSchemaError(
                        "formats that are checked are \(formats.sorted().joined(separator: ", "))", at: place)
                }
            default:
                throw JSONSchemaError(
                    "'\(name.prefix(40))' is not checked here; what is: type, enum, const, properties, required, "
                        + "additionalProperties, items, minimum, maximum, exclusiveMinimum, exclusiveMaximum, "
                        + "minLength, maxLength, minItems, maxItems, uniqueItems, minProperties, maxProperties, format",
                    at: place)
            }
        }
    }

    // MARK: A document

    /// What in a document is not as the schema says, at most ``faultsMax``; empty for a valid one.
    package func faults(of document: JSONValue) -> [Fault] {
        var faults: [Fault] = []
        Self.validate(document, root, "", &faults)
        return faults
    }

    /// As deep as the schema, which has a limit.
    private static func validate(_ value: JSONValue, _ schema: JSONValue, _ path: String, _ faults: inout [Fault]) {
        func note(_ message: String) {
            if faults.count < faultsMax { faults.append(Fault(path: path, message: message)) }
        }
        if let all = schema.bool {
            if !all { note("nothing is allowed here") }
            return
        }
        if let type = schema["type"] {
            let kinds = (type.array ?? [type]).compactMap { $0.string.flatMap(Kind.init) }
            guard kinds.contains(where: { isOf($0, value) }) else {
                return note("it is to be \(kinds.map(\.rawValue).joined(separator: " or "))")
            }
        }
        if let choices = schema["enum"]?.array, !choices.contains(where: { isSame($0, value) }) {
            note("it is to be one of \(choices.map(\.text).joined(separator: ", ").prefix(300))")
        }
        if let only = schema["const"], !isSame(only, value) { note("it is to be \(only.text.prefix(100))") }
        switch value {
        case .integer, .double: number(value.number ?? 0, schema, note)
        case .string(let text): string(text, schema, note)
        case .array(let items):
            size(items.count, schema, "Items", "items", note)
            if schema["uniqueItems"]?.bool == true, Set(items).count != items.count { note("no item comes twice") }
            guard let each = schema["items"] else { return }
            for (index, item) in items.enumerated() where faults.count < faultsMax {
                validate(item, each, path.isEmpty ? "\(index)" : "\(path).\(index)", &faults)
            }
        case .object(let object):
            size(object.members.count, schema, "Properties", "members", note)
            for name in schema["required"]?.array ?? [] where object[name.string ?? ""] == nil {
                note("'\(name.string ?? "")' is missing")
            }
            for member in object.members where faults.count < faultsMax {
                let place = path.isEmpty ? member.name : "\(path).\(member.name)"
                if let known = schema["properties"]?[member.name] {
                    validate(member.value, known, place, &faults)
                } else if let other = schema["additionalProperties"] {
                    validate(member.value, other, place, &faults)
                }
            }
        case .null, .bool: break
        }
    }

    private static func isOf(_ kind: Kind, _ value: JSONValue) -> Bool {
        switch (kind, value) {
        case (.null, .null), (.boolean, .bool), (.string, .string), (.array, .array), (.object, .object): true
        case (.number, .integer), (.number, .double): true
        case (.integer, _): value.integer != nil
        default: false
        }
    }

    /// 1 and 1.0 are the same number.
    private static func isSame(_ one: JSONValue, _ other: JSONValue) -> Bool {
        if let one = one.number, let other = other.number { return one == other }
        return one == other
    }

    private static func number(_ number: Double, _ schema: JSONValue, _ note: (String) -> Void) {
        if let least = schema["minimum"], number < least.number ?? 0 { note("it is to be at least \(least.text)") }
        if let most = schema["maximum"], number > most.number ?? 0 { note("it is to be at most \(most.text)") }
        if let least = schema["exclusiveMinimum"], number <= least.number ?? 0 {
            note("it is to be more than \(least.text)")
        }
        if let most = schema["exclusiveMaximum"], number >= most.number ?? 0 {
            note("it is to be less than \(most.text)")
        }
    }

    private static func string(_ text: String, _ schema: JSONValue, _ note: (String) -> Void) {
        if schema["minLength"] != nil || schema["maxLength"] != nil {
            size(text.unicodeScalars.count, schema, "Length", "characters", note)
        }
        switch schema["format"]?.string {
        case "date-time" where Timestamp(rfc3339: text) == nil: note("it is to be a time like 2026-11-22T10:00:00Z")
        case "date" where text.utf8.count != 10 || Timestamp(rfc3339: text + "T00:00:00Z") == nil:
            note("it is to be a day like 2026-11-22")
        case "uri" where !isURI(text): note("it is to be an address with its scheme, like https://example.org/")
        case "uuid" where !isUUID(text): note("it is to be a UUID")
        default: break
        }
    }

    private static func size(
        _ count: Int, _ schema: JSONValue, _ what: String, _ name: String, _ note: (String) -> Void
    ) {
        if let least = schema["min" + what]?.integer, count < least { note("it is to have at least \(least) \(name)") }
        if let most = schema["max" + what]?.integer, count > most { note("it is to have at most \(most) \(name)") }
    }

    /// A scheme, a colon and no character that a URI cannot have (RFC 3986).
    private static func isURI(_ text: String) -> Bool {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")), let first = text.utf8.first else { return false }
        func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
        let scheme = text.utf8[..<colon].allSatisfy {
            isLetter($0) || (0x30...0x39).contains($0) || "+-.".utf8.contains($0)
        }
        return isLetter(first) && scheme && text.utf8.index(after: colon) < text.utf8.endIndex
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && !"\"<>\\^`{|}".utf8.contains($0) }
    }

    private static func isUUID(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        return parts.map(\.utf8.count) == [8, 4, 4, 4, 12] && Hex.decode(parts.joined()) != nil
    }
}

/// Why a schema is refused, and where in it.
package struct JSONSchemaError: Error, Sendable, Hashable, CustomStringConvertible {
    package let message: String
    /// Names with dots; empty for the whole.
    package let place: String

    init(_ message: String, at place: String) {
        self.message = message
        self.place = place
    }

    package var description: String { place.isEmpty ? message : "at \(place): \(message)" }
}
