import CQL2
import Wire

/// The properties of an item as stored: only what is asked for is parsed.
struct PropertyBytes {
    let bytes: [UInt8]
    private let members: [JSONSpans.Member]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        members = JSONSpans.members(bytes, at: 0)
    }

    /// The value of a property; of one within an object, by a path with dots. Nil if there is none.
    ///
    /// `properties.` before a name makes no difference.
    subscript(_ name: String) -> JSONValue? {
        let name = Self.name(name)
        if let whole = value(name) { return whole }
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count > 1, parts.count <= 8 else { return nil }
        return parts.dropFirst().reduce(value(parts[0])) { $0?[$1] }
    }

    /// A property's name as it stands in an item's properties.
    static func name(_ name: String) -> String {
        name.hasPrefix("properties.") ? String(name.dropFirst("properties.".count)) : name
    }

    private func value(_ name: String) -> JSONValue? {
        // The last one counts where a name comes twice.
        guard let member = members.last(where: { bytes[$0.name].elementsEqual(name.utf8) }) else { return nil }
        return try? JSONValue(parsing: Array(bytes[member.value]))
    }
}
