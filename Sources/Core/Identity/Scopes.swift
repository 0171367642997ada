import Wire

/// The scopes of a token (RFC 6749 §3.3), each once, in the order in which they were asked for.
package struct Scopes: Sendable, Hashable {
    /// Scopes that one request may name, and bytes of all of them.
    private static let countMax = 100
    private static let bytesMax = 4096

    /// All that the account may do on this node. Without it, and without a capability, a token only tells who
    /// somebody is.
    package static let everything = "martlet"
    package static let offline = "offline_access"
    /// Says that a machine speaks for itself (WLCG Common JWT Profiles 1.3); it opens nothing.
    package static let host = "host.auth"

    package private(set) var names: [String]
    /// Those among them that are capabilities.
    package let capabilities: [Capability]

    package static let none = Scopes(known: [])

    /// Scopes that this program names itself.
    private init(known names: [String]) {
        self.names = names
        capabilities = []
    }

    /// - Throws: ``IdentityError`` `.invalidName` for characters that no scope has, a capability without a path or with
    ///   one that is not normalized, and for too many.
    package init(_ names: some Sequence<String>) throws {
        var unique: [String] = []
        var capabilities: [Capability] = []
        for name in names where !unique.contains(name) {
            guard unique.count < Self.countMax, !name.isEmpty,
                name.utf8.allSatisfy({ $0 == 0x21 || (0x23...0x5B).contains($0) || (0x5D...0x7E).contains($0) })
            else { throw IdentityError(.invalidName, "'\(name.prefix(100))' is no scope, or there are too many") }
            if let capability = try Capability(scope: name) { capabilities.append(capability) }
            unique.append(name)
        }
        self.names = unique
        self.capabilities = capabilities
    }

    /// Parses names with spaces between.
    package init(parsing text: String) throws {
        guard text.utf8.count <= Self.bytesMax else {
            throw IdentityError(.invalidName, "'scope' is longer than \(Self.bytesMax) bytes")
        }
        try self.init(text.split(separator: " ").map(String.init))
    }

    package var text: String { names.joined(separator: " ") }
    package var isEmpty: Bool { names.isEmpty }

    package func contains(_ name: String) -> Bool { names.contains(name) }

    /// What a token with these scopes may do here; nil for all that its account may.
    package var limit: [Capability]? { capabilities.isEmpty && contains(Self.everything) ? nil : capabilities }

    /// Whether these let something be made at a key, and nothing there be replaced.
    package func onlyCreate(_ collection: String, _ key: String) -> Bool {
        guard !capabilities.isEmpty else { return false }
        let path = [collection] + key.split(separator: "/").map(String.init)
        func give(_ operation: Capability.Operation) -> Bool {
            let wanted = Capability(operation: operation, path: path, isFolder: key.hasSuffix("/"))
            return capabilities.contains { $0.operation == operation && $0.covers(wanted) }
        }
        return give(.create) && !give(.modify)
    }

    /// Whether these scopes give another one: by its name, or by one that reaches further.
    package func cover(_ name: String) -> Bool {
        if names.contains(name) { return true }
        if name.hasPrefix("wlcg.groups:") { return names.contains("wlcg.groups") }
        guard let capability = try? Capability(scope: name) else { return false }
        return capabilities.contains { $0.covers(capability) }
            || (capabilities.isEmpty && names.contains(Self.everything))
    }

    /// Those of the scopes asked for that these cover.
    package func covered(of asked: Scopes) throws -> Scopes { try Scopes(asked.names.filter(cover)) }

    /// Whether these scopes give all of others.
    package func cover(_ others: Scopes) -> Bool { others.names.allSatisfy(cover) }

    package func adding(_ others: Scopes) throws -> Scopes { try Scopes(names + others.names) }
}

/// A right that a token carries itself (WLCG Common JWT Profiles 1.3 §4.1): an operation, and the path below which it
/// counts. Paths begin with the name of a collection.
package struct Capability: Sendable, Hashable {
    package enum Operation: String, Sendable, CaseIterable {
        case read = "storage.read"
        case create = "storage.create"
        case modify = "storage.modify"
        case stage = "storage.stage"
        case poll = "storage.poll"
        case computeRead = "compute.read"
        case computeModify = "compute.modify"
        case computeCreate = "compute.create"
        case computeCancel = "compute.cancel"

        var isStorage: Bool { rawValue.hasPrefix("storage.") }
    }

    package let operation: Operation
    /// The decoded components; none for everything.
    package let path: [String]
    /// A slash at the end: only what is below it is meant.
    package let isFolder: Bool

    init(operation: Operation, path: [String], isFolder: Bool) {
        self.operation = operation
        self.path = path
        self.isFolder = isFolder
    }

    /// Nil for a scope that is no capability.
    ///
    /// - Throws: ``IdentityError`` `.invalidName`.
    package init?(scope: String) throws {
        guard scope.hasPrefix("storage.") || scope.hasPrefix("compute.") else { return nil }
        func invalid(_ problem: String) -> IdentityError {
            IdentityError(.invalidName, "the scope '\(scope.prefix(200))' is no capability: \(problem)")
        }
        let colon = scope.firstIndex(of: ":") ?? scope.endIndex
        guard let operation = Operation(rawValue: String(scope[..<colon])) else {
            throw invalid("there is no such operation")
        }
        self.operation = operation
        guard operation.isStorage else {
            guard colon == scope.endIndex else { throw invalid("it takes no path") }
            path = []
            isFolder = false
            return
        }
        guard colon < scope.endIndex else { throw invalid("a path is needed, as in \(operation.rawValue):/collection") }
        let text = scope[scope.index(after: colon)...]
        guard text.hasPrefix("/") else { throw invalid("the path begins with a slash") }
        var parts = text.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        isFolder = parts.count > 1 && parts.last == ""
        if isFolder || parts == [""] { parts.removeLast() }
        path = try parts.map { part in
            guard let name = PercentEncoding.decode(part), !name.isEmpty, name != ".", name != "..",
                !name.utf8.contains(0), !name.contains("/")
            else { throw invalid("the path is not normalized") }
            return name
        }
    }

    /// Whether it gives another capability: the same or more, on the same path or above it.
    func covers(_ other: Capability) -> Bool {
        let isEnough = operation == other.operation || (operation == .modify && other.operation == .create)
        guard isEnough, other.path.starts(with: path) else { return false }
        return !isFolder || other.path.count > path.count || other.isFolder
    }
}
