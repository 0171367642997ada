package import Wire

/// Which pages of other sites browsers may let read a bucket (PutBucketCors; Fetch standard, "CORS protocol").
package struct CORSConfiguration: ConfigurationDocument {
    package static let root: StaticString = "CORSConfiguration"
    package static let rulesMax = 100

    package var rules: [CORSRule]

    /// - Throws: ``ConfigurationError`` `MalformedXML`; `InvalidRequest` for a method that S3 has not, more than one
    ///   `*` in a value, or one in an ExposeHeader.
    package init(_ root: XMLElement) throws(ConfigurationError) {
        try root.allow("CORSRule")
        guard (1...Self.rulesMax).contains(root.children.count) else {
            throw ConfigurationError(.malformedXML, "a CORS configuration has 1 to \(Self.rulesMax) rules")
        }
        rules = []
        for child in root.children { rules.append(try CORSRule(child)) }
    }

    package func write(to xml: inout XMLWriter) {
        for rule in rules {
            xml.element("CORSRule") { xml in
                if let id = rule.id { xml.element("ID", id) }
                for method in rule.methods { xml.element("AllowedMethod", method) }
                for origin in rule.origins { xml.element("AllowedOrigin", origin) }
                for header in rule.headers { xml.element("AllowedHeader", header) }
                for header in rule.exposedHeaders { xml.element("ExposeHeader", header) }
                if let seconds = rule.maxAgeSeconds { xml.element("MaxAgeSeconds", seconds) }
            }
        }
    }

    /// The first rule that lets a page of `origin` make such a request.
    ///
    /// - Parameter requestHeaders: the names in Access-Control-Request-Headers; none for the request itself.
    package func matching(origin: String, method: String, requestHeaders: [String] = []) -> CORSRule? {
        rules.first { $0.allows(origin: origin, method: method, requestHeaders: requestHeaders) }
    }
}

package struct CORSRule: Sendable, Hashable {
    package var id: String?
    /// With at most one `*` each, as are the header names.
    package var origins: [String]
    package var methods: [String]
    package var headers: [String]
    package var exposedHeaders: [String]
    package var maxAgeSeconds: Int64?

    private static let knownMethods = ["GET", "PUT", "HEAD", "POST", "DELETE"]
    /// Values of one kind in one rule.
    private static let valuesMax = 200

    init(_ rule: XMLElement) throws(ConfigurationError) {
        try rule.allow("ID", "AllowedOrigin", "AllowedMethod", "AllowedHeader", "ExposeHeader", "MaxAgeSeconds")
        id = try rule.ruleID("ID")
        origins = try Self.values(rule, "AllowedOrigin")
        methods = try Self.values(rule, "AllowedMethod")
        headers = try Self.values(rule, "AllowedHeader")
        exposedHeaders = try Self.values(rule, "ExposeHeader")
        maxAgeSeconds = try rule.integer("MaxAgeSeconds")
        guard !origins.isEmpty, !methods.isEmpty else {
            throw ConfigurationError(.malformedXML, "a CORS rule needs an AllowedOrigin and an AllowedMethod")
        }
        if let seconds = maxAgeSeconds, seconds < 0 {
            throw ConfigurationError(.malformedXML, "MaxAgeSeconds is a number of at least 0")
        }
        for method in methods where !Self.knownMethods.contains(method) {
            throw ConfigurationError(
                .invalidRequest,
                "Found unsupported HTTP method in CORS config. Unsupported method is \(method.prefix(40))")
        }
        for (name, list) in [("AllowedOrigin", origins), ("AllowedHeader", headers)] {
            for value in list where value.utf8.count(where: { $0 == UInt8(ascii: "*") }) > 1 {
                throw ConfigurationError(
                    .invalidRequest, "\(name) \"\(value.prefix(80))\" can not have more than one wildcard.")
            }
        }
        // They are sent back as they are: only what may stand in a header.
        for header in exposedHeaders where !Self.isToken(header) {
            throw ConfigurationError(
                .invalidRequest,
                "ExposeHeader \"\(header.prefix(80))\" is no header's name, and no wildcard may be in it")
        }
    }

    private static func values(_ rule: XMLElement, _ name: String) throws(ConfigurationError) -> [String] {
        let values = rule.all(name).map(\.text)
        guard values.count <= valuesMax, values.allSatisfy({ !$0.isEmpty && $0.utf8.count <= 1024 }) else {
            throw ConfigurationError(
                .malformedXML, "a rule has up to \(valuesMax) \(name), each of 1 to 1,024 bytes")
        }
        return values
    }

    /// A token of RFC 9110 §5.6.2, `*` left out.
    private static func isToken(_ text: String) -> Bool {
        text.utf8.allSatisfy { c in
            (0x30...0x39).contains(c) || (0x41...0x5A).contains(c) || (0x61...0x7A).contains(c)
                || "!#$%&'+-.^_`|~".utf8.contains(c)
        }
    }

    func allows(origin: String, method: String, requestHeaders: [String]) -> Bool {
        methods.contains(method) && origins.contains { Self.matches($0, origin) }
            && requestHeaders.allSatisfy { name in
                headers.contains { Self.matches($0.lowercased(), name.lowercased()) }
            }
    }

    /// Whether the rule is for every page, so that the answer names none.
    package var isForEveryOrigin: Bool { origins.contains("*") }

    private static func matches(_ pattern: String, _ text: String) -> Bool {
        guard let star = pattern.firstIndex(of: "*") else { return pattern == text }
        let (head, tail) = (pattern[..<star], pattern[pattern.index(after: star)...])
        return text.utf8.count >= head.utf8.count + tail.utf8.count && text.hasPrefix(head) && text.hasSuffix(tail)
    }
}
