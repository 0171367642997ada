/// An element of an XML document, as a tree: for request bodies and product manifests.
///
/// Names lose their namespace prefix (`safe:platform` is `platform`): most documents read here do not need namespaces
/// to be told apart, and prefixes vary between producers. Those that do find them beside the names.
package struct XMLElement: Sendable, Hashable {
    package var name: String
    package var attributes: [String: String] = [:]
    package var children: [XMLElement] = []
    /// The character data directly inside, joined, white space at the ends removed.
    package var text = ""
    /// Of the name (Namespaces in XML 1.0): empty for none; nil where its prefix, or that of an attribute, is declared
    /// nowhere.
    package var namespace: String? = ""
    /// The namespaces that it declares itself, by their prefixes; the default one has an empty prefix.
    package var declarations: [String: String] = [:]
    /// Where it stands in the bytes that were parsed, from the first `<` to the last `>`.
    package var place: Range<Int> = 0..<0

    package init(name: String) { self.name = name }

    /// The first child of that name.
    package subscript(_ name: String) -> XMLElement? { children.first { $0.name == name } }

    /// All children of that name, in order.
    package func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }

    /// The first element of that name at any depth, in document order.
    package func descendant(_ name: String) -> XMLElement? {
        for child in children {
            if child.name == name { return child }
            if let found = child.descendant(name) { return found }
        }
        return nil
    }

    /// All elements of that name at any depth, in document order.
    package func descendants(_ name: String) -> [XMLElement] {
        children.flatMap { ($0.name == name ? [$0] : []) + $0.descendants(name) }
    }
}

/// What was wrong with an XML text, and at which byte.
package struct XMLError: Error, CustomStringConvertible, Sendable {
    package var message: String
    package var offset: Int
    package var description: String { "not acceptable XML at byte \(offset): \(message)" }
}

extension XMLElement {
    /// Parses a document and returns its root element.
    ///
    /// A document type declaration is refused, so that no entity can be declared and none can expand: the "billion
    /// laughs" and external-entity attacks have nothing to stand on. The five predefined entities and character
    /// references work.
    ///
    /// - Parameters:
    ///   - bytes: UTF-8; the caller bounds its length.
    ///   - maximumDepth: how deep elements may nest.
    ///   - maximumElements: how many elements there may be in all.
    package init(parsing bytes: [UInt8], maximumDepth: Int = 64, maximumElements: Int = 200_000) throws(XMLError) {
        var parser = XMLParser(bytes: bytes, maximumDepth: maximumDepth, maximumElements: maximumElements)
        self = try parser.document()
    }
}

private struct XMLParser {
    let bytes: [UInt8]
    let maximumDepth: Int
    let maximumElements: Int
    var at = 0
    var elements = 0

    init(bytes: [UInt8], maximumDepth: Int, maximumElements: Int) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
        self.maximumElements = maximumElements
    }

    private func fault(_ message: String) -> XMLError { XMLError(message: message, offset: at) }

    private func looking(at text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard at + count <= bytes.count else { return false }
        return text.withUTF8Buffer { expected in bytes[at..<(at + count)].elementsEqual(expected) }
    }

    private mutating func take(_ text: StaticString) -> Bool {
        guard looking(at: text) else { return false }
        at += text.utf8CodeUnitCount
        return true
    }

    private mutating func skip(past text: StaticString) throws(XMLError) {
        while at < bytes.count {
            if take(text) { return }
            at += 1
        }
        throw fault("the text ends inside a comment, instruction or section")
    }

    private mutating func skipSpace() {
        while at < bytes.count, Self.isSpace(bytes[at]) { at += 1 }
    }

    private static func isSpace(_ c: UInt8) -> Bool { c == 0x20 || c == 0x0A || c == 0x0D || c == 0x09 }

    mutating func document() throws(XMLError) -> XMLElement {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
        try skipMisc()
        guard at < bytes.count, bytes[at] == UInt8(ascii: "<") else { throw fault("no root element") }
        let root = try tree()
        try skipMisc()
        guard at == bytes.count else { throw fault("something follows the root element") }
        return root
    }

    private mutating func skipMisc() throws(XMLError) {
        while true {
            skipSpace()
            if take("<?") {
                try skip(past: "?>")
            } else if take("<!--") {
                try skip(past: "-->")
            } else if looking(at: "<!") {
                throw fault("document type declarations are not accepted")
            } else {
                return
            }
        }
    }

    /// An element with all that is inside. The open elements stand on an own stack, not on the thread's.
    private mutating func tree() throws(XMLError) -> XMLElement {
        var open: [OpenElement] = []
        while true {
            guard at < bytes.count else { throw fault("an element is not closed") }
            if bytes[at] != UInt8(ascii: "<") {
                guard !open.isEmpty else { throw fault("text outside the root element") }
                try text(into: &open[open.count - 1].text, until: UInt8(ascii: "<"))
                continue
            }
            var finished: XMLElement?
            if take("<!--") {
                try skip(past: "-->")
            } else if take("<![CDATA[") {
                let start = at
                try skip(past: "]]>")
                guard !open.isEmpty else { throw fault("a section outside the root element") }
                open[open.count - 1].text.append(contentsOf: bytes[start..<(at - 3)])
            } else if take("<?") {
                try skip(past: "?>")
            } else if looking(at: "<!") {
                throw fault("declarations are not accepted")
            } else if take("</") {
                let tag = try name()
                skipSpace()
                guard take(">"), let last = open.popLast(), last.tag == tag else {
                    throw fault("a closing tag does not match the element that is open")
                }
                finished = try close(last)
            } else {
                let start = at
                at += 1
                let (element, tag, scope, isEmpty) = try startTag(start, in: open.last?.scope ?? Self.outermostScope)
                elements += 1
                guard elements <= maximumElements else { throw fault("more than \(maximumElements) elements") }
                guard open.count < maximumDepth else { throw fault("nested deeper than \(maximumDepth) levels") }
                if isEmpty { finished = element } else { open.append(OpenElement(element, tag, scope)) }
            }
            if let finished {
                if open.isEmpty { return finished }
                open[open.count - 1].element.children.append(finished)
            }
        }
    }

    private func close(_ last: OpenElement) throws(XMLError) -> XMLElement {
        var element = last.element
        element.place = element.place.lowerBound..<at
        let trimmed = last.text.drop(while: Self.isSpace)
        let end = trimmed.lastIndex { !Self.isSpace($0) }.map { $0 + 1 } ?? trimmed.startIndex
        guard let value = String(validating: trimmed[..<end], as: UTF8.self) else { throw fault("text is not UTF-8") }
        element.text = value
        return element
    }

    /// An element that is not closed yet, and the namespaces that prefixes stand for inside it.
    private struct OpenElement {
        var element: XMLElement
        var tag: String
        var scope: [String: String]
        var text: [UInt8] = []

        init(_ element: XMLElement, _ tag: String, _ scope: [String: String]) {
            self.element = element
            self.tag = tag
            self.scope = scope
        }
    }

    private static let outermostScope = ["": "", "xml": "http://www.w3.org/XML/1998/namespace"]

    private mutating func startTag(
        _ start: Int, in outer: [String: String]
    ) throws(XMLError) -> (XMLElement, tag: String, scope: [String: String], isEmpty: Bool) {
        let tag = try name()
        var element = XMLElement(name: Self.local(tag))
        var prefixes = [Self.prefix(tag)]
        while true {
            skipSpace()
            let isEmpty = take("/>")
            if isEmpty || take(">") {
                element.place = start..<at
                let scope =
                    element.declarations.isEmpty ? outer : outer.merging(element.declarations) { $1 }
                let isDeclared = prefixes.dropFirst().allSatisfy { $0.isEmpty || scope[$0]?.isEmpty == false }
                element.namespace =
                    isDeclared ? scope[prefixes[0]].flatMap { $0.isEmpty && !prefixes[0].isEmpty ? nil : $0 } : nil
                return (element, tag, scope, isEmpty)
            }
            let attribute = try name()
            skipSpace()
            guard take("=") else { throw fault("an attribute has no value") }
            skipSpace()
            guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") || bytes[at] == UInt8(ascii: "'") else {
                throw fault("an attribute's value is not in quotes")
            }
            let quote = bytes[at]
            at += 1
            var value: [UInt8] = []
            try text(into: &value, until: quote)
            guard at < bytes.count, let string = String(validating: value, as: UTF8.self) else {
                throw fault("an attribute's value does not end or is not UTF-8")
            }
            at += 1
            guard element.attributes.count + element.declarations.count < 256 else {
                throw fault("an element has more than 256 attributes")
            }
            if attribute == "xmlns" {
                element.declarations[""] = string
            } else if Self.prefix(attribute) == "xmlns" {
                element.declarations[Self.local(attribute)] = string
            } else {
                element.attributes[Self.local(attribute)] = string
                prefixes.append(Self.prefix(attribute))
            }
        }
    }

    private static func local(_ name: String) -> String {
        name.split(separator: ":", maxSplits: 1).last.map(String.init) ?? name
    }

    private static func prefix(_ name: String) -> String {
        name.utf8.firstIndex(of: UInt8(ascii: ":")).map { String(name[..<$0]) } ?? ""
    }

    private mutating func name() throws(XMLError) -> String {
        let start = at
        loop: while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: ":"), 0x80...:
                at += 1
            default: break loop
            }
        }
        guard at > start, at - start <= 1024, let text = String(validating: bytes[start..<at], as: UTF8.self) else {
            throw fault("a name is missing or too long")
        }
        return text
    }

    private mutating func text(into out: inout [UInt8], until end: UInt8) throws(XMLError) {
        while at < bytes.count, bytes[at] != end {
            if bytes[at] == UInt8(ascii: "&") {
                try reference(into: &out)
            } else {
                out.append(bytes[at])
                at += 1
            }
        }
    }

    private mutating func reference(into out: inout [UInt8]) throws(XMLError) {
        guard let end = bytes[at..<min(at + 12, bytes.count)].firstIndex(of: UInt8(ascii: ";")) else {
            throw fault("an ampersand begins no entity")
        }
        let name = String(decoding: bytes[(at + 1)..<end], as: UTF8.self)
        switch name {
        case "amp": out.append(UInt8(ascii: "&"))
        case "lt": out.append(UInt8(ascii: "<"))
        case "gt": out.append(UInt8(ascii: ">"))
        case "quot": out.append(UInt8(ascii: "\""))
        case "apos": out.append(UInt8(ascii: "'"))
        default:
            guard name.hasPrefix("#"), let scalar = Self.character(name.dropFirst()) else {
                throw fault("unknown entity")
            }
            out.append(contentsOf: String(Character(scalar)).utf8)
        }
        at = end + 1
    }

    /// The character of a reference (XML 1.0 §4.1), decimal or after an `x` hexadecimal, if XML allows it (§2.2).
    private static func character(_ digits: Substring) -> Unicode.Scalar? {
        let isHexadecimal = digits.utf8.first == UInt8(ascii: "x")
        let digits = isHexadecimal ? digits.dropFirst() : digits
        // A sign would pass for a number otherwise.
        guard digits.utf8.allSatisfy({ Hex.value(of: $0) != nil }),
            let code = UInt32(digits, radix: isHexadecimal ? 16 : 10)
        else { return nil }
        switch code {
        case 0x09, 0x0A, 0x0D, 0x20...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF: return Unicode.Scalar(code)
        default: return nil
        }
    }
}
