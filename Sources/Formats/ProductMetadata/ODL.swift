internal import Wire

/// Object Description Language as the USGS writes it in `MTL.txt`: nested groups of `KEY = VALUE` lines.
///
/// Every value is given as text, without its quotes, as the same file's JSON form has it; a list in brackets is an
/// array.
struct ODLParser {
    static let bytesMax = 4 << 20
    static let entriesMax = 20_000
    static let depthMax = 8

    private let bytes: [UInt8]
    private var at = 0
    private var entries = 0

    static func parse(_ bytes: [UInt8]) throws(ProductMetadataError) -> JSONObject {
        guard bytes.count <= bytesMax else {
            throw ProductMetadataError(.tooLarge, "the MTL file has \(bytes.count) bytes; at most \(bytesMax) are read")
        }
        var parser = ODLParser(bytes: bytes)
        return try parser.groups()
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private func fault(_ message: String) -> ProductMetadataError {
        let line = bytes[..<at].reduce(1) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
        return ProductMetadataError(.malformed, "the MTL file, line \(line): \(message)")
    }

    /// Reads up to `END`. The open groups stand on an own stack.
    private mutating func groups() throws(ProductMetadataError) -> JSONObject {
        var open: [(name: String, members: [JSONObject.Member])] = [("", [])]
        while true {
            skipBlank()
            let key = word()
            if key.isEmpty {
                guard at == bytes.count else { throw fault("a line must begin with a name") }
                throw fault("the text ends before END")
            }
            if key == "END" {
                guard open.count == 1 else { throw fault("END stands inside the group \(open[open.count - 1].name)") }
                return JSONObject(open[0].members)
            }
            skipSpace()
            guard at < bytes.count, bytes[at] == UInt8(ascii: "=") else { throw fault("'=' must follow \(key)") }
            at += 1
            let value = try self.value()
            entries += 1
            guard entries <= Self.entriesMax else {
                throw ProductMetadataError(.tooLarge, "the MTL file has more than \(Self.entriesMax) entries")
            }
            switch key {
            case "GROUP", "OBJECT":
                guard open.count <= Self.depthMax else {
                    throw fault("groups are nested deeper than \(Self.depthMax) levels")
                }
                open.append((value.string ?? "", []))
            case "END_GROUP", "END_OBJECT":
                guard open.count > 1, let group = open.popLast(), group.name == value.string else {
                    throw fault("\(key) = \(value.string ?? "") closes no group that is open")
                }
                open[open.count - 1].members.append(.init(name: group.name, value: .object(JSONObject(group.members))))
            default:
                open[open.count - 1].members.append(.init(name: key, value: value))
            }
        }
    }

    private mutating func value() throws(ProductMetadataError) -> JSONValue {
        skipBlank()
        guard at < bytes.count, bytes[at] == UInt8(ascii: "(") else { return .string(try scalar()) }
        at += 1
        var items: [JSONValue] = []
        while true {
            skipBlank()
            items.append(.string(try scalar()))
            guard items.count <= Self.entriesMax else { throw fault("a list has more than \(Self.entriesMax) values") }
            skipBlank()
            guard at < bytes.count else { throw fault("a list does not end") }
            at += 1
            switch bytes[at - 1] {
            case UInt8(ascii: ","): continue
            case UInt8(ascii: ")"): return .array(items)
            default: throw fault("a comma or ')' must follow a value in a list")
            }
        }
    }

    private mutating func scalar() throws(ProductMetadataError) -> String {
        if at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
            at += 1
            guard let end = bytes[at...].firstIndex(of: UInt8(ascii: "\"")) else {
                throw fault("a quoted text does not end")
            }
            guard let text = String(validating: bytes[at..<end], as: UTF8.self) else {
                throw fault("a quoted text is not UTF-8")
            }
            at = end + 1
            return text
        }
        let text = word()
        guard !text.isEmpty else { throw fault("a value is missing") }
        return text
    }

    private mutating func word() -> String {
        let start = at
        loop: while at < bytes.count, at - start < 256 {
            switch bytes[at] {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "+"),
                UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "/"):
                at += 1
            default: break loop
            }
        }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    private mutating func skipSpace() {
        while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x09 { at += 1 }
    }

    private mutating func skipBlank() {
        while at < bytes.count, bytes[at] == 0x20 || (0x09...0x0D).contains(bytes[at]) { at += 1 }
    }
}
