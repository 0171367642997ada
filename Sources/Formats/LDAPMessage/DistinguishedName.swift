/// The name of an entry (RFC 4514), most special part first.
package struct DistinguishedName: Sendable, Equatable {
    /// Parts of a name, and bytes of its text, at most.
    private static let partsMax = 100
    private static let bytesMax = 8192

    /// One part with its one attribute; of a part with several, which this directory has none of, the first is kept
    /// with the others in its value, so that it equals nothing.
    package struct Part: Sendable, Equatable {
        /// In lower case.
        package var type: String
        package var value: String

        package init(type: String, value: String) {
            self.type = type
            self.value = value
        }
    }

    package var parts: [Part]

    package init(_ parts: [Part]) { self.parts = parts }

    /// Reads the text form.
    ///
    /// - Throws: ``LDAPError`` `.invalidDNSyntax`.
    package init(_ text: String) throws(LDAPError) {
        guard text.utf8.count <= Self.bytesMax else { throw Self.invalid("it has more than \(Self.bytesMax) bytes") }
        let bytes = Array(text.utf8)
        var parts: [Part] = []
        var index = 0
        func skipSpaces() { while index < bytes.count, bytes[index] == UInt8(ascii: " ") { index += 1 } }
        skipSpaces()
        while index < bytes.count {
            guard parts.count < Self.partsMax else { throw Self.invalid("it has more than \(Self.partsMax) parts") }
            let begin = index
            while index < bytes.count, bytes[index] != UInt8(ascii: "=") { index += 1 }
            var type = String(decoding: bytes[begin..<index], as: UTF8.self).lowercased()
            while type.last == " " { type.removeLast() }
            if type.hasPrefix("oid.") { type.removeFirst(4) }
            guard index < bytes.count, !type.isEmpty, type.utf8.allSatisfy(Self.isInType) else {
                throw Self.invalid("its parts are TYPE=VALUE, with commas between them")
            }
            index += 1
            skipSpaces()
            parts.append(Part(type: type, value: try Self.value(bytes, &index)))
            guard index < bytes.count else { break }
            index += 1
            skipSpaces()
            guard index < bytes.count else { throw Self.invalid("it ends with a comma") }
        }
        self.parts = parts
    }

    private static func isInType(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "."):
            true
        default: false
        }
    }

    /// Reads a value up to the comma behind it.
    private static func value(_ bytes: [UInt8], _ index: inout Int) throws(LDAPError) -> String {
        var value: [UInt8] = []
        // Spaces before the comma are no part of it, unless they were escaped.
        var kept = 0
        while index < bytes.count, bytes[index] != UInt8(ascii: ","), bytes[index] != UInt8(ascii: ";") {
            let byte = bytes[index]
            index += 1
            if byte == UInt8(ascii: "\\") {
                guard index < bytes.count else { throw invalid("nothing follows its last backslash") }
                if index + 1 < bytes.count, let high = hex(bytes[index]), let low = hex(bytes[index + 1]) {
                    value.append(high << 4 | low)
                    index += 2
                } else {
                    value.append(bytes[index])
                    index += 1
                }
                kept = value.count
            } else {
                guard byte != UInt8(ascii: "\""), byte != 0 else { throw invalid("it has a quote or a NUL in it") }
                value.append(byte)
                if byte != UInt8(ascii: " ") { kept = value.count }
            }
        }
        guard let text = String(validating: value.prefix(kept), as: UTF8.self) else { throw invalid("it is not UTF-8") }
        return text
    }

    private static func hex(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    private static func invalid(_ why: String) -> LDAPError {
        LDAPError(.invalidDNSyntax, "this is no distinguished name: \(why)")
    }

    /// The text form, with what has to be escaped.
    package var text: String {
        parts.map { "\($0.type)=\(Self.escape($0.value))" }.joined(separator: ",")
    }

    private static func escape(_ value: String) -> String {
        var out = ""
        for (index, scalar) in value.unicodeScalars.enumerated() {
            let isAtEdge = index == 0 || index == value.unicodeScalars.count - 1
            switch scalar {
            case "\0": out += "\\00"
            case "\"", "+", ",", ";", "<", ">", "\\": out += "\\\(scalar)"
            case " " where isAtEdge: out += "\\ "
            case "#" where index == 0: out += "\\#"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
