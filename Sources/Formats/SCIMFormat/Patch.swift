package import Wire

/// One operation of a patch (RFC 7644 §3.5.2).
package struct PatchOperation: Sendable {
    package enum Kind: String, Sendable { case add, remove, replace }

    package static let countMax = 1000

    package var kind: Kind
    package var path: PatchPath?
    package var value: JSONValue?

    package init(_ kind: Kind, _ path: PatchPath? = nil, _ value: JSONValue? = nil) {
        self.kind = kind
        self.path = path
        self.value = value
    }

    /// Reads the body of a PATCH.
    ///
    /// - Throws: ``SCIMError`` `.invalidSyntax`, `.invalidPath`.
    package static func operations(of body: JSONValue) throws(SCIMError) -> [PatchOperation] {
        guard let list = body.object?.member("Operations")?.array, !list.isEmpty else {
            throw SCIMError(.invalidSyntax, "the body needs 'Operations', a list of at least one")
        }
        guard list.count <= countMax else { throw SCIMError(.tooMany, "more than \(countMax) operations") }
        var operations: [PatchOperation] = []
        for entry in list {
            guard let object = entry.object, let name = object.member("op")?.string,
                let kind = Kind(rawValue: name.lowercased())
            else { throw SCIMError(.invalidSyntax, "the op of an operation is add, remove or replace") }
            var path: PatchPath?
            if let text = object.member("path")?.string, !text.isEmpty { path = try PatchPath(parsing: text) }
            let value = object.member("value")
            guard kind == .remove || value != nil else {
                throw SCIMError(.invalidSyntax, "the operation '\(name)' needs a value")
            }
            guard kind != .remove || path != nil else { throw SCIMError(.noTarget, "to remove, a path is needed") }
            operations.append(PatchOperation(kind, path, value))
        }
        return operations
    }
}

extension SCIMSchema {
    /// Applies operations, one after the other, to a resource of this schema with extensions.
    ///
    /// - Throws: ``SCIMError`` `.mutability` for a read-only attribute, `.noTarget` where a filter finds nothing to
    ///   replace, `.invalidPath` for an unknown attribute.
    package func apply(
        _ operations: [PatchOperation], to resource: JSONObject, extensions: [SCIMSchema] = []
    ) throws(SCIMError) -> JSONObject {
        var resource = resource
        for operation in operations { try apply(operation, &resource, extensions) }
        return resource
    }

    private func apply(
        _ operation: PatchOperation, _ resource: inout JSONObject, _ extensions: [SCIMSchema]
    ) throws(SCIMError) {
        guard let path = operation.path else {
            guard let members = operation.value?.object?.members else {
                throw SCIMError(.invalidValue, "without a path the value is an object")
            }
            for member in members where member.name.lowercased() != "schemas" {
                let target = try PatchPath(parsing: member.name)
                // What a client may not set is left alone here, as in a PUT: whole resources are sent like this.
                if extensions.allSatisfy({ $0.id != target.attribute.name }),
                    try isReadOnly(target.attribute, extensions)
                {
                    continue
                }
                try apply(PatchOperation(operation.kind, target, member.value), &resource, extensions)
            }
            return
        }
        if let found = extensions.first(where: { $0.id == path.attribute.name }) {
            try apply(operation, toAll: found, &resource, extensions)
            return
        }
        guard try !isReadOnly(path.attribute, extensions) else {
            throw SCIMError(.mutability, "'\(path.attribute.name)' is read-only")
        }
        let attribute = try definition(of: path.attribute, extensions)
        if let schema = path.attribute.schema, !Self.isCore(schema) {
            let name = extensions.first { $0.id.lowercased() == schema.lowercased() }?.id ?? schema
            var inner = resource.member(name)?.object ?? JSONObject()
            try change(&inner, attribute, path, operation)
            resource[name] = inner.members.isEmpty ? JSONValue?.none : .object(inner)
        } else {
            try change(&resource, attribute, path, operation)
        }
    }

    /// An operation on all of an extension.
    private func apply(
        _ operation: PatchOperation, toAll schema: SCIMSchema, _ resource: inout JSONObject, _ extensions: [SCIMSchema]
    ) throws(SCIMError) {
        if operation.kind != .add { resource[schema.id] = nil }
        guard operation.kind != .remove else { return }
        guard let members = operation.value?.object?.members else {
            throw SCIMError(.invalidValue, "the value of '\(schema.id)' is an object")
        }
        for member in members where member.name.lowercased() != "schemas" {
            let target = PatchPath(try AttributePath(parsing: schema.id + ":" + member.name))
            try apply(PatchOperation(.add, target, member.value), &resource, extensions)
        }
    }

    private func definition(
        of path: AttributePath, _ extensions: [SCIMSchema]
    ) throws(SCIMError) -> SCIMAttribute {
        if path.name.lowercased() == "externalid" { return .init(name: "externalId", description: "") }
        let schema = path.schema.flatMap { id in extensions.first { $0.id.lowercased() == id.lowercased() } } ?? self
        guard let attribute = schema.attribute(path.name) else {
            throw SCIMError(.invalidPath, "there is no attribute '\(path.name)'")
        }
        if let sub = path.sub, Self.find(sub, in: attribute.parts) == nil {
            throw SCIMError(.invalidPath, "'\(attribute.name)' has no sub-attribute '\(sub)'")
        }
        return attribute
    }

    private func isReadOnly(_ path: AttributePath, _ extensions: [SCIMSchema]) throws(SCIMError) -> Bool {
        if ["id", "meta", "schemas"].contains(path.name.lowercased()) { return true }
        return try definition(of: path, extensions).mutability == .readOnly
    }

    private func change(
        _ object: inout JSONObject, _ attribute: SCIMAttribute, _ path: PatchPath, _ operation: PatchOperation
    ) throws(SCIMError) {
        let name = attribute.name
        let sub = path.attribute.sub.map { Self.find($0, in: attribute.parts)?.name ?? $0 }
        let value = operation.value ?? .null
        // Under the schema's own name from here on.
        let present = object.member(name)
        for member in object.members where member.name.lowercased() == name.lowercased() { object[member.name] = nil }
        object[name] = present
        guard attribute.isMultiValued else {
            guard path.filter == nil else { throw SCIMError(.invalidPath, "'\(name)' has one value: no filter fits") }
            object[name] = Self.changed(object[name], sub, operation.kind, value, isComplex: attribute.kind == .complex)
            return
        }
        var values = object[name]?.array ?? object[name].map { [$0] } ?? []
        if path.filter != nil || sub != nil {
            values = try Self.changed(values, path, sub, operation.kind, value)
        } else {
            let given = value.array ?? (value.isNull ? [] : [value])
            switch operation.kind {
            case .replace: values = given
            case .add: values = attribute.adding(given, to: values)
            // Some clients say in the value which ones.
            case .remove: values = given.isEmpty ? [] : attribute.removing(given, from: values)
            }
        }
        object[name] = values.isEmpty ? JSONValue?.none : .array(values)
    }

    /// A single value after an operation.
    private static func changed(
        _ before: JSONValue?, _ sub: String?, _ kind: PatchOperation.Kind, _ value: JSONValue, isComplex: Bool
    ) -> JSONValue? {
        guard let sub else {
            guard kind != .remove, !value.isNull else { return nil }
            guard isComplex, let new = value.object, let old = before?.object else { return value }
            return .object(merging(new, into: old))
        }
        var object = before?.object ?? JSONObject()
        object[sub] = kind == .remove || value.isNull ? JSONValue?.none : value
        return object.members.isEmpty ? JSONValue?.none : .object(object)
    }

    private static func merging(_ new: JSONObject, into old: JSONObject) -> JSONObject {
        var out = old
        for member in new.members {
            let name = out.members.first { $0.name.lowercased() == member.name.lowercased() }?.name ?? member.name
            out[name] = member.value
        }
        return out
    }

    /// The values that a filter (or none, for all) names, after an operation.
    private static func changed(
        _ before: [JSONValue], _ path: PatchPath, _ sub: String?, _ kind: PatchOperation.Kind, _ value: JSONValue
    ) throws(SCIMError) -> [JSONValue] {
        var values: [JSONValue] = []
        var found = 0
        for element in before {
            guard path.filter?.matches(element) ?? true else {
                values.append(element)
                continue
            }
            found += 1
            var object = element.object ?? JSONObject([.init(name: "value", value: element)])
            if let sub {
                object[sub] = kind == .remove || value.isNull ? JSONValue?.none : value
            } else if kind == .remove {
                continue
            } else if let new = value.object {
                object = merging(new, into: object)
            } else {
                object["value"] = value
            }
            values.append(.object(object))
        }
        guard found == 0 else { return onlyPrimary(values, sub: sub, value: value, path: path) }
        switch kind {
        case .remove: return values
        case .add:
            // As Microsoft's and others' clients expect: `emails[type eq "work"].value` makes the one for work.
            guard case .compare(let asked, .eq, let wanted)? = path.filter else { return values }
            var object = JSONObject([.init(name: asked.sub ?? asked.name, value: wanted)])
            if let sub { object[sub] = value } else if let new = value.object { object = merging(new, into: object) }
            return values + [.object(object)]
        case .replace: throw SCIMError(.noTarget, "the filter of the path finds nothing to replace")
        }
    }

    /// Where a value became the primary one, the others no longer are.
    private static func onlyPrimary(
        _ values: [JSONValue], sub: String?, value: JSONValue, path: PatchPath
    ) -> [JSONValue] {
        guard sub == "primary", value.bool == true, let filter = path.filter else { return values }
        return values.map { element in
            guard !filter.matches(element), var object = element.object, object["primary"] != nil else {
                return element
            }
            object["primary"] = false
            return .object(object)
        }
    }
}

extension SCIMAttribute {
    fileprivate func adding(_ given: [JSONValue], to before: [JSONValue]) -> [JSONValue] {
        var values = before
        var known = Set(before.map(identity))
        if given.contains(where: { $0["primary"]?.bool == true }) {
            values = values.map { element in
                guard var object = element.object, object["primary"]?.bool == true else { return element }
                object["primary"] = false
                return .object(object)
            }
        }
        for value in given where known.insert(identity(value)).inserted { values.append(value) }
        return values
    }

    fileprivate func removing(_ given: [JSONValue], from before: [JSONValue]) -> [JSONValue] {
        let gone = Set(given.map(identity))
        return before.filter { !gone.contains(identity($0)) }
    }

    /// What makes a value the same one: its `value`, with its type where clients may choose that; otherwise all of it.
    private func identity(_ value: JSONValue) -> JSONValue {
        guard let object = value.object, let inner = object.member("value") else { return value }
        let hasType = parts.contains { $0.name == "type" && $0.mutability == .readWrite }
        return .array([inner, hasType ? object.member("type") ?? .null : .null])
    }
}
