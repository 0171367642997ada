package import Wire

/// A document of S3's XML (AWS S3 API 2006-03-01) that is read, checked and written back.
package protocol ConfigurationDocument: Sendable, Hashable {
    /// The name of the root element.
    static var root: StaticString { get }

    /// The longest document, in bytes.
    static var bytesMax: Int { get }

    /// - Throws: ``ConfigurationError``, for whatever S3 would refuse.
    init(_ root: XMLElement) throws(ConfigurationError)

    /// Writes what is inside of the root element.
    func write(to xml: inout XMLWriter)
}

/// Bounds of every document.
package enum ConfigurationLimits {
    /// The longest document of any kind, in bytes: a thousand lifecycle rules with long prefixes.
    package static let bytesMax = 2 << 20
    static let depthMax = 12
    static let elementsMax = 60_000
    /// The longest name of a rule, in characters.
    static let idLengthMax = 255
    static let prefixBytesMax = 1024
}

package let s3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

extension ConfigurationDocument {
    /// 64 KiB, as S3 has it for CORS: some are read anew for each request.
    package static var bytesMax: Int { 64 << 10 }

    /// - Throws: ``ConfigurationError`` `MalformedXML` for what is no XML, too large, or has another root.
    package init(parsing bytes: [UInt8]) throws(ConfigurationError) {
        try self.init(XMLElement.configuration(bytes, root: Self.root, max: Self.bytesMax))
    }

    /// The document in its normal form, which reads back as the same.
    package var bytes: [UInt8] {
        var xml = XMLWriter()
        xml.open(Self.root, [("xmlns", s3Namespace)])
        write(to: &xml)
        xml.close(Self.root)
        return xml.bytes
    }
}

extension XMLElement {
    static func configuration(
        _ bytes: [UInt8], root: StaticString, max: Int
    ) throws(ConfigurationError) -> XMLElement {
        guard bytes.count <= max else {
            throw ConfigurationError(
                .malformedXML, "a <\(root)> may have up to \(max) bytes, this one has \(bytes.count)")
        }
        // XML 1.0 §2.2 has no form for them, so they could not be given back.
        guard bytes.allSatisfy({ $0 >= 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }) else {
            throw ConfigurationError(.malformedXML, "the document has a control character")
        }
        let element: XMLElement
        do throws(XMLError) {
            element = try XMLElement(
                parsing: bytes, maximumDepth: ConfigurationLimits.depthMax,
                maximumElements: ConfigurationLimits.elementsMax)
        } catch {
            throw ConfigurationError(.malformedXML, error.description)
        }
        guard element.name == "\(root)" else {
            throw ConfigurationError(.malformedXML, "the document is <\(root)>, not <\(element.name.prefix(64))>")
        }
        return element
    }

    /// Refuses children of other names: what is not understood would be a promise that is not kept.
    func allow(_ names: String...) throws(ConfigurationError) {
        for child in children where !names.contains(child.name) {
            throw ConfigurationError(.malformedXML, "<\(name.prefix(64))> has no element <\(child.name.prefix(64))>")
        }
    }

    /// The child of a name that may come once.
    func optional(_ child: String) throws(ConfigurationError) -> XMLElement? {
        var found: XMLElement?
        for element in children where element.name == child {
            guard found == nil else {
                throw ConfigurationError(.malformedXML, "<\(name.prefix(64))> has more than one <\(child)>")
            }
            found = element
        }
        return found
    }

    func required(_ child: String) throws(ConfigurationError) -> XMLElement {
        guard let found = try optional(child) else {
            throw ConfigurationError(.malformedXML, "<\(name.prefix(64))> needs a <\(child)>")
        }
        return found
    }

    /// A child with a whole number of up to 15 digits.
    func integer(_ child: String) throws(ConfigurationError) -> Int64? {
        guard let text = try optional(child)?.text else { return nil }
        guard text.utf8.count <= 16, let value = Int64(text) else {
            throw ConfigurationError(.malformedXML, "<\(child)> is a whole number, not '\(text.prefix(40))'")
        }
        return value
    }

    func boolean(_ child: String) throws(ConfigurationError) -> Bool? {
        switch try optional(child)?.text.lowercased() {
        case nil: return nil
        case "true": return true
        case "false": return false
        default: throw ConfigurationError(.malformedXML, "<\(child)> is true or false")
        }
    }

    /// A child with a moment in ISO 8601, or a day alone.
    func date(_ child: String) throws(ConfigurationError) -> Timestamp? {
        guard let text = try optional(child)?.text else { return nil }
        guard let date = Timestamp(rfc3339: text.utf8.count == 10 ? text + "T00:00:00Z" : text) else {
            throw ConfigurationError(.malformedXML, "<\(child)> is a date of ISO 8601, not '\(text.prefix(40))'")
        }
        return date
    }

    /// The text of a child that is one of a few.
    func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ child: String, _ type: Choice.Type
    ) throws(ConfigurationError) -> Choice? {
        guard let text = try optional(child)?.text else { return nil }
        guard let value = Choice(rawValue: text) else {
            let values = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw ConfigurationError(.malformedXML, "<\(child)> is one of \(values), not '\(text.prefix(40))'")
        }
        return value
    }

    /// The name of a rule.
    func ruleID(_ child: String) throws(ConfigurationError) -> String? {
        guard let text = try optional(child)?.text, !text.isEmpty else { return nil }
        guard text.count <= ConfigurationLimits.idLengthMax else {
            throw ConfigurationError(
                .invalidArgument,
                "the name of a rule has up to \(ConfigurationLimits.idLengthMax) characters, this one \(text.count)")
        }
        return text
    }
}
