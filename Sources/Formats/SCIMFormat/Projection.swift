package import Wire

/// Which attributes of a resource are told (RFC 7644 §3.9).
package struct AttributeSelection: Sendable {
    private var only: [AttributePath]?
    private var without: [AttributePath] = []

    /// - Parameters:
    ///   - attributes: the parameter `attributes`, names with commas between them.
    ///   - excluded: the parameter `excludedAttributes`.
    /// - Throws: ``SCIMError`` `.invalidPath`, or `.invalidValue` for both at once.
    package init(attributes: String?, excluded: String?) throws(SCIMError) {
        guard attributes == nil || excluded == nil else {
            throw SCIMError(.invalidValue, "either attributes or excludedAttributes can be given, not both")
        }
        only = try attributes.map(Self.paths)
        without = try excluded.map(Self.paths) ?? []
    }

    private static func paths(_ text: String) throws(SCIMError) -> [AttributePath] {
        var paths: [AttributePath] = []
        for part in text.split(separator: ",").prefix(100) {
            let name = part.drop { $0 == " " }
            // A URN alone means all of that extension.
            if SCIMSchema.all.contains(where: { $0.id.lowercased() == name.lowercased() }) {
                paths.append(AttributePath(String(name)))
            } else {
                paths.append(try AttributePath(parsing: name))
            }
        }
        return paths
    }

    /// Whether an attribute is told at all: what is not need not be looked up.
    package func includes(_ name: String) -> Bool {
        if let only { return only.contains { Self.top($0).lowercased() == name.lowercased() } }
        return !without.contains { Self.top($0).lowercased() == name.lowercased() && $0.sub == nil }
    }

    private static func top(_ path: AttributePath) -> String {
        if let schema = path.schema, !SCIMSchema.isCore(schema) { return schema }
        return path.name
    }

    /// The resource with what was asked for. `schemas` and `id` are always told.
    package func applied(to resource: JSONObject) -> JSONObject {
        JSONObject(
            resource.members.compactMap { member in
                if ["schemas", "id"].contains(member.name) { return member }
                guard includes(member.name) else { return nil }
                let asked = (only ?? without).filter { Self.top($0).lowercased() == member.name.lowercased() }
                let isExtension = member.name.lowercased().hasPrefix("urn:")
                let names = asked.compactMap { isExtension && $0.schema != nil ? $0.name : $0.sub }
                guard !names.isEmpty, names.count == asked.count else { return member }
                return .init(name: member.name, value: Self.part(of: member.value, names, keeps: only != nil))
            })
    }

    private static func part(of value: JSONValue, _ names: [String], keeps: Bool) -> JSONValue {
        let names = Set(names.map { $0.lowercased() })
        switch value {
        case .array(let values): return .array(values.map { part(of: $0, Array(names), keeps: keeps) })
        case .object(let object):
            return .object(JSONObject(object.members.filter { names.contains($0.name.lowercased()) == keeps }))
        default: return value
        }
    }
}
