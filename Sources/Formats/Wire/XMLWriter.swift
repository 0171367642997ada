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

    /// A path with everything percent-encoded but unreserved characters and `/`.
    package mutating func content(path: String) { PercentEncoding.append(path: path, to: &bytes) }

    /// XML of ours, as it is.
    package mutating func verbatim(_ xml: StaticString) { raw(xml) }

    /// XML that is known to be well formed, as it is.
    package mutating func verbatim(known xml: String) { bytes.append(contentsOf: xml.utf8) }

    /// Hands out what has been written so far, to be sent before the rest is there.
    package mutating func take() -> [UInt8] {
        defer { bytes.removeAll(keepingCapacity: true) }
        return bytes
    }

    private mutating func raw(_ name: StaticString) {
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    private mutating func escape(_ text: some StringProtocol) {
        if text.utf8.withContiguousStorageIfAvailable({ escape($0) }) == nil {
            var text = String(text)
            text.withUTF8 { escape($0) }
        }
    }

    /// Copies what lies between two characters that are escaped in one go.
    private mutating func escape(_ text: UnsafeBufferPointer<UInt8>) {
        var start = 0
        for (at, c) in text.enumerated() {
            let replacement: StaticString
            switch c {
            case UInt8(ascii: "&"): replacement = "&amp;"
            case UInt8(ascii: "<"): replacement = "&lt;"
            case UInt8(ascii: ">"): replacement = "&gt;"
            case UInt8(ascii: "\""): replacement = "&quot;"
            // A literal carriage return would be read back as a line feed (XML 1.0 §2.11).
            case 0x0D: replacement = "&#13;"
            // Other control characters have no form in XML 1.0 (§2.2); clients ask for encoding-type=url instead.
            case 0..<0x09, 0x0B, 0x0C, 0x0E..<0x20: replacement = "\u{FFFD}"
            default: continue
            }
            bytes.append(contentsOf: text[start..<at])
            raw(replacement)
            start = at + 1
        }
        bytes.append(contentsOf: text[start...])
    }
}
