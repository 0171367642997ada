/// Writes HTML. Whatever comes as a `String` is escaped; markup comes only as text of this program (`StaticString`), so
/// that nothing a client handed in can become an element, an attribute or an address that runs something.
package struct HTML: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init(capacity: Int = 16 << 10) { bytes.reserveCapacity(capacity) }

    package var string: String { String(decoding: bytes, as: UTF8.self) }

    /// Markup of this program, as it is.
    package mutating func raw(_ markup: StaticString) {
        markup.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    /// Text, escaped.
    package mutating func text(_ text: some StringProtocol) { escape(text) }

    /// An element with what `body` writes into it.
    package mutating func element(_ name: StaticString, _ attributes: Attribute..., body: (inout HTML) throws -> Void)
        rethrows
    {
        open(name, attributes)
        try body(&self)
        raw("</")
        raw(name)
        raw(">")
    }

    /// An element that holds a text only.
    package mutating func element(_ name: StaticString, _ attributes: Attribute..., text: some StringProtocol) {
        open(name, attributes)
        escape(text)
        raw("</")
        raw(name)
        raw(">")
    }

    /// An element without content, such as `img`.
    package mutating func void(_ name: StaticString, _ attributes: Attribute...) { open(name, attributes) }

    private mutating func open(_ name: StaticString, _ attributes: [Attribute]) {
        raw("<")
        raw(name)
        for attribute in attributes where attribute.isShown {
            raw(" ")
            raw(attribute.name)
            guard let value = attribute.value else { continue }
            raw("=\"")
            escape(value)
            raw("\"")
        }
        raw(">")
    }

    /// The five characters with a meaning, and controls, which no HTML text may hold (HTML §13.2.3.5).
    private mutating func escape(_ text: some StringProtocol) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "&"): raw("&amp;")
            case UInt8(ascii: "<"): raw("&lt;")
            case UInt8(ascii: ">"): raw("&gt;")
            case UInt8(ascii: "\""): raw("&quot;")
            case UInt8(ascii: "'"): raw("&#39;")
            case 0x09, 0x0A, 0x0D: bytes.append(byte)
            case 0..<0x20, 0x7F: raw("\u{FFFD}")
            default: bytes.append(byte)
            }
        }
    }

    /// Whether an address may stand in a page: `http`, `https`, or a path of this node. Anything else could run a
    /// script (`javascript:`, `data:`) or leave the node while looking local (`//host`).
    package static func isSafe(_ address: String) -> Bool {
        guard address.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else { return false }
        if isLocal(address) { return true }
        let start = address.prefix(8).lowercased()
        return (start.hasPrefix("http://") && address.utf8.count > 7)
            || (start.hasPrefix("https://") && address.utf8.count > 8)
    }

    /// Whether an address is a path of this node.
    package static func isLocal(_ address: String) -> Bool {
        // Browsers take a backslash for a slash.
        address.hasPrefix("/") && !address.hasPrefix("//") && !address.utf8.contains(UInt8(ascii: "\\"))
    }

    /// An attribute of an element.
    package struct Attribute: Sendable {
        let name: StaticString
        /// Nil for one that has no value.
        var value: String?
        var isShown = true

        /// Any attribute but an address; one whose value is nil is left out.
        package static func set(_ name: StaticString, _ value: String?) -> Attribute {
            Attribute(name: name, value: value ?? "", isShown: value != nil)
        }

        /// One without a value, if it is to be there.
        package static func flag(_ name: StaticString, _ isShown: Bool = true) -> Attribute {
            Attribute(name: name, value: nil, isShown: isShown)
        }

        package static func `class`(_ names: String) -> Attribute { .set("class", names) }
        package static func id(_ id: String) -> Attribute { .set("id", id) }

        /// An address, left out unless it is one that may be followed: see ``HTML/isSafe(_:)``.
        package static func href(_ address: String) -> Attribute { .set("href", HTML.isSafe(address) ? address : nil) }
        package static func src(_ address: String) -> Attribute { .set("src", HTML.isSafe(address) ? address : nil) }
    }
}
