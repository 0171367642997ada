package import Wire

/// Names and values that people give to a bucket or an object (PutBucketTagging, PutObjectTagging).
package struct TagSet: ConfigurationDocument {
    package static let root: StaticString = "Tagging"
    package static let objectTagsMax = 10
    package static let bucketTagsMax = 50
    private static let keyLengthMax = 128
    private static let valueLengthMax = 256

    package struct Tag: Sendable, Hashable {
        package var key: String
        package var value: String

        package init(key: String, value: String) {
            self.key = key
            self.value = value
        }
    }

    package private(set) var tags: [Tag]

    /// - Throws: ``ConfigurationError`` `InvalidTag`, `BadRequest` for too many.
    package init(_ tags: [Tag] = [], max: Int = TagSet.bucketTagsMax) throws(ConfigurationError) {
        guard tags.count <= max else {
            throw ConfigurationError(
                .badRequest, "\(max == Self.objectTagsMax ? "Object" : "Bucket") tags cannot be greater than \(max)")
        }
        var seen: Set<String> = []
        for tag in tags {
            try Self.check(tag)
            guard seen.insert(tag.key).inserted else {
                throw ConfigurationError(.invalidTag, "Cannot provide multiple Tags with the same key")
            }
        }
        self.tags = tags
    }

    /// Of a bucket; the tags of an object are checked further by ``checkForObject()``.
    package init(_ root: XMLElement) throws(ConfigurationError) {
        try root.allow("TagSet")
        try self.init(in: try root.required("TagSet"))
    }

    /// The tags that are directly in an element.
    init(in element: XMLElement) throws(ConfigurationError) {
        try element.allow("Tag")
        var tags: [Tag] = []
        for child in element.children { tags.append(try Self.tag(child)) }
        try self.init(tags)
    }

    static func tag(_ element: XMLElement) throws(ConfigurationError) -> Tag {
        try element.allow("Key", "Value")
        return Tag(key: try element.required("Key").text, value: try element.required("Value").text)
    }

    package func checkForObject() throws(ConfigurationError) {
        _ = try TagSet(tags, max: Self.objectTagsMax)
    }

    /// Reads the header `x-amz-tagging`: `key=value&…`, form-encoded.
    ///
    /// - Throws: ``ConfigurationError`` `InvalidArgument` for broken encoding, `InvalidTag`, `BadRequest`.
    package init(header: String) throws(ConfigurationError) {
        guard header.utf8.count <= 16 << 10 else {
            throw ConfigurationError(.invalidArgument, "the header x-amz-tagging may have up to 16 KiB")
        }
        var tags: [Tag] = []
        for pair in header.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let key = PercentEncoding.decode(parts[0], plusIsSpace: true),
                let value = PercentEncoding.decode(parts.count == 2 ? parts[1] : "", plusIsSpace: true)
            else {
                throw ConfigurationError(
                    .invalidArgument, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query")
            }
            tags.append(Tag(key: key, value: value))
        }
        try self.init(tags, max: Self.objectTagsMax)
    }

    /// The form of the header `x-amz-tagging`.
    package var header: String {
        tags.map { PercentEncoding.encode($0.key) + "=" + PercentEncoding.encode($0.value) }.joined(separator: "&")
    }

    static func check(_ tag: Tag) throws(ConfigurationError) {
        guard (1...keyLengthMax).contains(tag.key.utf16.count), isAllowed(tag.key) else {
            throw ConfigurationError(
                .invalidTag,
                "The TagKey you have provided is invalid: 1 to \(keyLengthMax) letters, digits, spaces and + - = . _ : / @"
            )
        }
        guard tag.value.utf16.count <= valueLengthMax, isAllowed(tag.value) else {
            throw ConfigurationError(
                .invalidTag,
                "The TagValue you have provided is invalid: up to \(valueLengthMax) letters, digits, spaces and + - = . _ : / @"
            )
        }
        guard !tag.key.lowercased().hasPrefix("aws:") else {
            throw ConfigurationError(.invalidTag, "System tags cannot be added/updated by requester")
        }
    }

    private static func isAllowed(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { c in
            if c.isASCII {
                return c.properties.isAlphabetic || ("0"..."9").contains(c) || " +-=._:/@".unicodeScalars.contains(c)
            }
            switch c.properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
                .letterNumber, .otherNumber, .spaceSeparator, .nonspacingMark, .spacingMark:
                return true
            default: return false
            }
        }
    }

    package func write(to xml: inout XMLWriter) {
        xml.element("TagSet") { xml in writeTags(to: &xml) }
    }

    func writeTags(to xml: inout XMLWriter) {
        for tag in tags { Self.write(tag, to: &xml) }
    }

    static func write(_ tag: Tag, to xml: inout XMLWriter) {
        xml.element("Tag") {
            $0.element("Key", tag.key)
            $0.element("Value", tag.value)
        }
    }
}
