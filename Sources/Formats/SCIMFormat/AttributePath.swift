/// The notation of an attribute (RFC 7644 §3.10): `userName`, `name.familyName`,
/// `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department`.
package struct AttributePath: Hashable, Sendable {
    /// The URN before the name, where there is one.
    package var schema: String?
    package var name: String
    package var sub: String?

    package init(_ name: String, _ sub: String? = nil, schema: String? = nil) {
        self.name = name
        self.sub = sub
        self.schema = schema
    }

    /// - Throws: ``SCIMError`` `.invalidPath`.
    package init(parsing text: some StringProtocol) throws(SCIMError) {
        var rest = String(text)
        guard rest.utf8.count <= 256 else { throw SCIMError(.invalidPath, "an attribute's name is too long") }
        if rest.lowercased().hasPrefix("urn:") {
            // Versions in a URN have dots, so the last colon parts it from the name.
            guard let colon = rest.lastIndex(of: ":") else { throw Self.malformed(text) }
            schema = String(rest[..<colon])
            rest = String(rest[rest.index(after: colon)...])
        }
        let parts = rest.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, parts.allSatisfy(Self.isName) else { throw Self.malformed(text) }
        name = parts[0]
        sub = parts.count == 2 ? parts[1] : nil
    }

    private static func malformed(_ text: some StringProtocol) -> SCIMError {
        SCIMError(.invalidPath, "'\(text.prefix(80))' is no attribute such as userName or name.familyName")
    }

    static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first else { return false }
        func isLetter(_ c: UInt8) -> Bool { (c | 0x20) >= UInt8(ascii: "a") && (c | 0x20) <= UInt8(ascii: "z") }
        guard isLetter(first) || first == UInt8(ascii: "$") else { return false }
        return text.utf8.dropFirst().allSatisfy {
            isLetter($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
        }
    }
}
