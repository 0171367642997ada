package import Wire

/// The name of an attribute, perhaps of a part of it (RFC 7644 §3.10), without its schema's URN. Case means nothing.
package struct AttributePath: Sendable, Equatable {
    /// In lower case.
    package var name: String
    package var sub: String?

    private static let schemas = [
        "urn:ietf:params:scim:schemas:core:2.0:user:", "urn:ietf:params:scim:schemas:core:2.0:group:",
    ]

    /// - Throws: ``SCIMError`` `.invalidPath`.
    package init(_ text: some StringProtocol) throws(SCIMError) {
        var text = text.lowercased()
        for schema in Self.schemas where text.hasPrefix(schema) { text.removeFirst(schema.count) }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let isFine = parts.allSatisfy { part in
            !part.isEmpty
                && part.utf8.allSatisfy {
                    $0 == UInt8(ascii: "$") || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
                        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                }
        }
        guard isFine, parts.count <= 2, text.utf8.count <= 128 else {
            throw SCIMError(400, .invalidPath, "'\(text.prefix(80))' is no name of an attribute, such as emails.value")
        }
        name = String(parts[0])
        sub = parts.count > 1 ? String(parts[1]) : nil
    }

    /// What it names in a resource. Of an attribute with several values it names all.
    package func values(in resource: JSONValue) -> [JSONValue] {
        guard let value = resource.object?.ignoringCase(name) else { return [] }
        guard let sub else { return value.array ?? [value] }
        return (value.array ?? [value]).flatMap { item in
            item.object?.ignoringCase(sub).map { $0.array ?? [$0] } ?? []
        }
    }
}

extension JSONObject {
    /// The member of a name in lower case, whatever its own case.
    package func ignoringCase(_ name: String) -> JSONValue? { members.last { $0.name.lowercased() == name }?.value }
}
