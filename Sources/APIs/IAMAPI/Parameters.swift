import HTTPSupport
import Identity
import Policy
import Wire

/// The parameters of one action.
struct Parameters: Sendable {
    /// Members of a list that are taken at most.
    private static let membersMax = 100

    private let form: QueryItems

    /// - Throws: ``IAMError`` `ValidationError` for a parameter that the action does not have, or that comes twice.
    init(_ form: QueryItems, of operation: Operation) throws {
        var seen: Set<String> = []
        for item in form.items where item.name != "Action" && item.name != "Version" {
            guard operation.parameters.contains(Self.base(item.name)) else {
                throw IAMError(
                    .validationError, "'\(item.name.prefix(64))' is not known for \(operation.name) here")
            }
            guard seen.insert(item.name).inserted else {
                throw IAMError(.validationError, "\(item.name.prefix(64)) comes twice")
            }
        }
        self.form = form
    }

    private static func base(_ name: String) -> String {
        guard let dot = name.firstIndex(of: ".") else { return name }
        // Clients send an empty list as `Name`, or as `Name.member`.
        return name[dot...].hasPrefix(".member") ? String(name[..<dot]) : name
    }

    /// All of them, as they came.
    var all: [(name: String, value: String?)] { form.items }

    /// A value; nil where it is absent or empty.
    subscript(_ name: String) -> String? { form[name].flatMap { $0.isEmpty ? nil : $0 } }

    func required(_ name: String) throws -> String {
        guard let value = self[name] else { throw IAMError(.validationError, "\(name) is missing") }
        return value
    }

    /// Whether a parameter is there, by itself or as a list.
    func has(_ name: String) -> Bool { form.items.contains { Self.base($0.name) == name } }

    /// The values of a list, in the order of their numbers; empty members are left out.
    func members(_ name: String) throws -> [String] {
        let prefix = name + ".member."
        var members: [(number: Int, value: String)] = []
        for item in form.items where item.name.hasPrefix(prefix) {
            guard let number = Int(item.name.dropFirst(prefix.count)), members.count < Self.membersMax else {
                throw IAMError(.validationError, "\(name) has up to \(Self.membersMax) members, numbered from 1")
            }
            if let value = item.value, !value.isEmpty { members.append((number, value)) }
        }
        return members.sorted { $0.number < $1.number }.map(\.value)
    }

    func integer(_ name: String) throws -> Int64? {
        guard let text = self[name] else { return nil }
        guard let number = Int64(text) else { throw IAMError(.validationError, "\(name) is a number") }
        return number
    }

    /// Names here have no paths; AWS's root is the one that clients may give.
    func checkPath(_ name: String = "Path") throws {
        guard let path = self[name], path != "/" else { return }
        throw IAMError(.validationError, "\(name) is '/' here: names are kept without paths")
    }

    /// From where, and how many.
    func page() throws -> (after: String, limit: Int) {
        let limit = try integer("MaxItems") ?? 100
        guard (1...1000).contains(limit) else { throw IAMError(.validationError, "MaxItems is 1 to 1000") }
        guard let marker = self["Marker"] else { return ("", Int(limit)) }
        guard let bytes = Base64.decode(marker), let after = String(validating: bytes, as: UTF8.self),
            !after.utf8.contains(0)
        else { throw IAMError(.validationError, "the Marker is not one of this server's") }
        return (after, Int(limit))
    }
}

/// One request to perform an action.
struct Call: Sendable {
    let operation: Operation
    let parameters: Parameters
    let caller: Caller
    let gate: Gate

    var actor: String { caller.principal.name }

    /// Asks the gate for the action that this is.
    func permit(on resource: String, with values: [String: [String]] = [:]) async throws {
        var context = caller.context
        context.values.merge(values) { $1 }
        try await gate.require(
            caller.principal, "\(operation.service.rawValue):\(operation.name)", on: resource, context)
    }

    /// The user that the action is about: the caller, where none is named.
    func user() throws -> String {
        if let name = parameters["UserName"] { return name }
        guard caller.principal.accountID != nil else {
            throw IAMError(.validationError, "UserName is missing, and a role has none of its own")
        }
        return actor
    }
}

/// A page of something, of which one more was read than it may hold, to know whether there are more.
struct Page<Element> {
    var elements: ArraySlice<Element>
    var marker: String?

    init(_ found: [Element], limit: Int, name: (Element) -> String) {
        elements = found.prefix(limit)
        marker = found.count > limit ? elements.last.map { Base64.encodeURL(Array(name($0).utf8)) } : nil
    }

    /// The list, and how to go on.
    func write(_ list: StaticString, _ xml: inout XMLWriter, _ member: (inout XMLWriter, Element) -> Void) {
        xml.element(list) { xml in
            for element in elements { xml.element("member") { member(&$0, element) } }
        }
        xml.element("IsTruncated", marker != nil)
        if let marker { xml.element("Marker", marker) }
    }

    /// A list of names alone.
    func write(names list: StaticString, _ xml: inout XMLWriter) where Element == String {
        xml.element(list) { xml in for name in elements { xml.element("member", name) } }
        xml.element("IsTruncated", marker != nil)
        if let marker { xml.element("Marker", marker) }
    }
}
