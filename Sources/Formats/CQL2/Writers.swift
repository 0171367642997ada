import Geometry
package import Wire

extension CQL2 {
    /// The JSON encoding.
    package var json: JSONValue {
        var writer = JSONWriter()
        write(to: &writer)
        return (try? JSONValue(parsing: writer.bytes, maximumDepth: 4 * Self.depthMax)) ?? .null
    }

    /// Writes the JSON encoding.
    package func write(to writer: inout JSONWriter) {
        switch self {
        case .property(let name): writer.object { $0.member("property", name) }
        case .string(let text): writer.string(text)
        case .number(let number): writer.number(number)
        case .bool(let value): writer.bool(value)
        case .date(let day): writer.object { $0.member("date", day.day) }
        case .timestamp(let moment): writer.object { $0.member("timestamp", moment.rfc3339) }
        case .interval(let from, let to):
            writer.object { json in
                json.key("interval")
                json.array { json in for end in [from, to] { end.writeEnd(to: &json) } }
            }
        case .open: writer.string("..")
        case .geometry(let geometry): geometry.write(to: &writer)
        case .box(let box):
            writer.object { json in
                json.key("bbox")
                box.write(to: &json)
            }
        case .array(let items): writer.array { json in for item in items { item.write(to: &json) } }
        case .call(let call, let arguments):
            writer.object { json in
                json.member("op", call.rawValue)
                json.key("args")
                json.array { json in for argument in arguments { argument.write(to: &json) } }
            }
        }
    }

    /// Dates and timestamps are plain strings in an interval.
    private func writeEnd(to writer: inout JSONWriter) {
        switch self {
        case .date(let day): writer.string(day.day)
        case .timestamp(let moment): writer.string(moment.rfc3339)
        default: write(to: &writer)
        }
    }

    /// The text encoding.
    package var text: String {
        switch self {
        case .property(let name): Self.name(name)
        case .string(let text): Self.quoted(text)
        case .number(let number): Self.number(number)
        case .bool(let value): value ? "TRUE" : "FALSE"
        case .date(let day): "DATE('\(day.day)')"
        case .timestamp(let moment): "TIMESTAMP('\(moment.rfc3339)')"
        case .interval(let from, let to): "INTERVAL(\(from.endText), \(to.endText))"
        case .open: "'..'"
        case .geometry(let geometry): geometry.wellKnownText
        case .box(let box):
            "BBOX(" + [box.west, box.south, box.east, box.north].map(Self.number).joined(separator: ", ") + ")"
        case .array(let items): Self.list(items)
        case .call(let call, let arguments): Self.text(call, arguments)
        }
    }

    private var endText: String {
        switch self {
        case .date(let day): "'\(day.day)'"
        case .timestamp(let moment): "'\(moment.rfc3339)'"
        default: text
        }
    }

    /// In parentheses where it is not one word or call.
    private var operand: String {
        guard case .call(let call, _) = self, [.logical, .comparison, .arithmetic].contains(call.group) else {
            return text
        }
        return "(\(text))"
    }

    private static func text(_ call: Operator, _ arguments: [CQL2]) -> String {
        switch call {
        case .and, .or: arguments.map(\.operand).joined(separator: " \(call.rawValue.uppercased()) ")
        case .not: "NOT " + (arguments.first?.operand ?? "")
        case .like: arguments.map(\.operand).joined(separator: " LIKE ")
        case .between where arguments.count == 3:
            "\(arguments[0].operand) BETWEEN \(arguments[1].operand) AND \(arguments[2].operand)"
        case .isIn: arguments.map(\.operand).joined(separator: " IN ")
        case .isNull: (arguments.first?.operand ?? "") + " IS NULL"
        case _ where call.group == .comparison || call.group == .arithmetic:
            arguments.map(\.operand).joined(separator: " \(call.rawValue) ")
        default: call.rawValue.uppercased() + list(arguments)
        }
    }

    private static func list(_ items: [CQL2]) -> String { "(" + items.map(\.text).joined(separator: ", ") + ")" }

    private static func quoted(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }

    private static func number(_ number: Double) -> String {
        var writer = JSONWriter(capacity: 24)
        writer.number(number)
        return writer.text
    }

    private static let reserved: Set<String> = [
        "AND", "OR", "NOT", "LIKE", "BETWEEN", "IN", "IS", "NULL", "DIV", "TRUE", "FALSE", "Z",
    ]

    private static func name(_ name: String) -> String {
        let isPlain =
            name.utf8.first.map(Tokens.isNameStart) == true && name.utf8.allSatisfy(Tokens.isName)
            && !reserved.contains(name.uppercased())
        return isPlain ? name : "\"" + name.replacing("\"", with: "\"\"") + "\""
    }
}
