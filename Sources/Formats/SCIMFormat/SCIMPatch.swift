package import Wire

/// What a change is made to.
struct PatchPath: Sendable {
    var attribute: AttributePath
    var filter: SCIMFilter?
    var part: String?
}

/// Changes to a resource (RFC 7644 §3.5.2), carried out on its JSON.
package struct SCIMPatch: Sendable {
    package static let operationsMax = 1000

    private enum Kind: String { case add, replace, remove }
    private struct Change: Sendable {
        var kind: Kind
        var path: PatchPath?
        var value: JSONValue?
    }

    private var changes: [Change] = []

    /// Reads a `PatchOp` message. Words are taken in any case, as some clients write them.
    ///
    /// - Throws: ``SCIMError`` `.invalidSyntax`, `.invalidPath`.
    package init(_ message: JSONValue) throws(SCIMError) {
        guard let operations = message.object?.ignoringCase("operations")?.array, !operations.isEmpty,
            operations.count <= Self.operationsMax
        else {
            throw SCIMError(400, .invalidSyntax, "'Operations' is a list of 1 to \(Self.operationsMax) changes")
        }
        for operation in operations {
            guard let kind = Kind(rawValue: operation["op"]?.string?.lowercased() ?? "") else {
                throw SCIMError(400, .invalidSyntax, "'op' is add, replace or remove")
            }
            var change = Change(kind: kind, value: operation["value"])
            if let text = operation["path"]?.string {
                guard text.utf8.count <= SCIMFilter.bytesMax else {
                    throw SCIMError(400, .invalidPath, "a path has at most \(SCIMFilter.bytesMax) bytes")
                }
                var parser = FilterParser(text)
                do { change.path = try parser.changePath() } catch {
                    throw SCIMError(400, .invalidPath, error.description)
                }
            }
            if kind == .remove, change.path == nil { throw SCIMError(400, .noTarget, "'remove' needs a 'path'") }
            if kind != .remove, change.value == nil {
                throw SCIMError(400, .invalidSyntax, "'\(kind.rawValue)' needs a 'value'")
            }
            changes.append(change)
        }
    }

    /// Whether a change concerns an attribute.
    package func touches(_ name: String) -> Bool {
        changes.contains { change in
            change.path.map { $0.attribute.name == name } ?? (change.value?.object?.ignoringCase(name) != nil)
        }
    }

    /// - Throws: ``SCIMError`` `.noTarget`, `.invalidValue`.
    package func apply(to resource: inout JSONObject) throws(SCIMError) {
        for change in changes {
            guard let path = change.path else {
                guard let members = change.value?.object?.members else {
                    throw SCIMError(400, .invalidValue, "without a 'path' the value is an object")
                }
                for member in members {
                    // Some clients write paths as names: "name.givenName".
                    let attribute = try AttributePath(member.name)
                    try Self.set(attribute, member.value, isAdded: change.kind == .add, &resource)
                }
                continue
            }
            switch (change.kind, path.filter) {
            case (.remove, nil): try Self.remove(path.attribute, change.value, &resource)
            case (_, let filter?): try Self.change(path, where: filter, change.kind, change.value, &resource)
            default:
                try Self.set(path.attribute, change.value ?? .null, isAdded: change.kind == .add, &resource)
            }
        }
    }

    private static func name(_ name: String, in object: JSONObject) -> String {
        object.members.last { $0.name.lowercased() == name }?.name ?? name
    }

    private static func set(
        _ path: AttributePath, _ value: JSONValue, isAdded: Bool, _ object: inout JSONObject
    ) throws(SCIMError) {
        let key = name(path.name, in: object)
        let before = object[key]
        if let sub = path.sub {
            var inner = before?.object ?? JSONObject()
            inner[name(sub, in: inner)] = value
            object[key] = .object(inner)
            return
        }
        if isAdded, let list = before?.array {
            let new = value.array ?? [value]
            object[key] = .array(list + new.filter { !list.contains($0) })
        } else if let old = before?.object, let new = value.object {
            var merged = old
            for member in new.members { merged[name(member.name.lowercased(), in: merged)] = member.value }
            object[key] = .object(merged)
        } else {
            object[key] = value
        }
    }

    private static func remove(
        _ path: AttributePath, _ value: JSONValue?, _ object: inout JSONObject
    ) throws(SCIMError) {
        let key = name(path.name, in: object)
        if let sub = path.sub {
            guard var inner = object[key]?.object else { return }
            inner[name(sub, in: inner)] = nil
            object[key] = .object(inner)
        } else if let list = object[key]?.array, let unwanted = value?.array ?? value.map({ [$0] }), !unwanted.isEmpty {
            // Some clients name the values that go instead of filtering for them.
            let names = Set(unwanted.compactMap { $0["value"]?.string ?? $0.string })
            object[key] = .array(list.filter { !names.contains($0["value"]?.string ?? "") })
        } else {
            object[key] = nil
        }
    }

    private static func change(
        _ path: PatchPath, where filter: SCIMFilter, _ kind: Kind, _ value: JSONValue?, _ object: inout JSONObject
    ) throws(SCIMError) {
        let key = name(path.attribute.name, in: object)
        var list = object[key]?.array ?? []
        let chosen = list.indices.filter { filter.matches(list[$0]) }
        if kind == .remove, path.part == nil {
            for index in chosen.reversed() { list.remove(at: index) }
            object[key] = .array(list)
            return
        }
        if chosen.isEmpty, kind != .remove {
            // What is added where nothing matches becomes a value that does.
            guard case .compare(let attribute, .eq, let wanted) = filter else {
                throw SCIMError(400, .noTarget, "no value of '\(path.attribute.name)' is meant")
            }
            var made = JSONObject()
            made[attribute.name] = wanted
            if let part = path.part {
                made[part] = value
            } else {
                for member in value?.object?.members ?? [] { made[member.name] = member.value }
            }
            object[key] = .array(list + [.object(made)])
            return
        }
        for index in chosen {
            var item = list[index].object ?? JSONObject()
            if let part = path.part {
                item[name(part, in: item)] = kind == .remove ? nil : value
            } else {
                guard let members = value?.object?.members else {
                    throw SCIMError(400, .invalidValue, "the value that replaces one with parts is an object")
                }
                for member in members { item[name(member.name.lowercased(), in: item)] = member.value }
            }
            list[index] = .object(item)
        }
        object[key] = .array(list)
    }
}
