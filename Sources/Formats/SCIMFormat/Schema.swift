package import Wire

/// One attribute of a schema (RFC 7643 §7).
package struct SCIMAttribute: Sendable {
    package enum Kind: String, Sendable { case string, boolean, dateTime, reference, complex, binary }
    package enum Mutability: String, Sendable { case readWrite, readOnly, immutable, writeOnly }
    package enum Returned: String, Sendable { case `default`, always, never, request }
    package enum Uniqueness: String, Sendable { case none, server }

    package var name: String
    package var description: String
    package var kind = Kind.string
    package var isMultiValued = false
    package var isRequired = false
    package var isCaseExact = false
    package var mutability = Mutability.readWrite
    package var returned = Returned.default
    package var uniqueness = Uniqueness.none
    package var canonicalValues: [String] = []
    package var referenceTypes: [String] = []
    package var parts: [SCIMAttribute] = []
}

/// The attributes of one kind of resource, or an extension of it.
package struct SCIMSchema: Sendable {
    package var id: String
    package var name: String
    package var description: String
    package var attributes: [SCIMAttribute]

    package static let all = [user, enterpriseUser, group]

    package func attribute(_ name: String) -> SCIMAttribute? { Self.find(name, in: attributes) }

    static func find(_ name: String, in attributes: [SCIMAttribute]) -> SCIMAttribute? {
        let lower = name.lowercased()
        return attributes.first { $0.name.lowercased() == lower }
    }

    /// Whether a URN before an attribute says nothing that its name does not say.
    static func isCore(_ id: String) -> Bool {
        let lower = id.lowercased()
        return lower == user.id.lowercased() || lower == group.id.lowercased()
    }

    /// Ids are compared byte by byte, all else without regard to case.
    static func isCaseExact(_ path: AttributePath) -> Bool {
        let name = path.name.lowercased()
        let sub = path.sub?.lowercased()
        switch name {
        case "id", "externalid": return true
        case "members", "groups": return sub == nil || sub == "value" || sub == "$ref"
        case "meta": return sub == "version" || sub == "location"
        default: return false
        }
    }
}

// MARK: The schemas of RFC 7643 §4

extension SCIMSchema {
    package static let user = SCIMSchema(
        id: "urn:ietf:params:scim:schemas:core:2.0:User", name: "User", description: "An account",
        attributes: [
            .init(
                name: "userName", description: "The name to log in with: 1 to 64 letters, digits, or . _ @ -",
                isRequired: true, mutability: .immutable, uniqueness: .server),
            .init(
                name: "name", description: "The parts of a person's name", kind: .complex,
                parts: [
                    "formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix",
                ].map { .init(name: $0, description: "A part of the name") }),
            .init(name: "displayName", description: "The name that is shown to others"),
            .init(name: "nickName", description: "How the person is called"),
            .init(
                name: "profileUrl", description: "A page about the person", kind: .reference,
                referenceTypes: ["external"]),
            .init(name: "title", description: "Such as Vice President"),
            .init(name: "userType", description: "The relation to the institute"),
            .init(name: "preferredLanguage", description: "As in Accept-Language"),
            .init(name: "locale", description: "Such as en-US"),
            .init(name: "timezone", description: "Such as Europe/Paris"),
            .init(name: "active", description: "Whether the account opens anything", kind: .boolean),
            .init(
                name: "password", description: "Sets the password; it is never told", mutability: .writeOnly,
                returned: .never),
            plural("emails", "Addresses; the primary one is the account's, and no other account may have it"),
            plural("phoneNumbers", "Telephone numbers"),
            plural("ims", "Addresses for messages"),
            plural("photos", "Pictures of the person", value: .reference),
            .init(
                name: "addresses", description: "Postal addresses", kind: .complex, isMultiValued: true,
                parts: ["formatted", "streetAddress", "locality", "region", "postalCode", "country", "type"].map {
                    .init(name: $0, description: "A part of the address")
                } + [.init(name: "primary", description: "Whether it is the preferred one", kind: .boolean)]),
            .init(
                name: "groups", description: "The groups that the account is a direct member of", kind: .complex,
                isMultiValued: true, mutability: .readOnly,
                parts: [
                    .init(name: "value", description: "The group's id", isCaseExact: true, mutability: .readOnly),
                    .init(
                        name: "$ref", description: "The group's address", kind: .reference, mutability: .readOnly,
                        referenceTypes: ["Group"]),
                    .init(name: "display", description: "The group's name", mutability: .readOnly),
                    .init(name: "type", description: "direct", mutability: .readOnly),
                ]),
            plural("entitlements", "Kept for other systems; here they give no right"),
            plural("roles", "Kept for other systems; here they give no right"),
        ])

    package static let enterpriseUser = SCIMSchema(
        id: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", name: "EnterpriseUser",
        description: "What institutes know of their people",
        attributes: ["employeeNumber", "costCenter", "organization", "division", "department"].map {
            .init(name: $0, description: "As the institute has it")
        } + [
            .init(
                name: "manager", description: "Whom the person reports to", kind: .complex,
                parts: [
                    .init(name: "value", description: "The manager's id", isCaseExact: true),
                    .init(
                        name: "$ref", description: "The manager's address", kind: .reference, referenceTypes: ["User"]),
                    .init(name: "displayName", description: "The manager's name"),
                ])
        ])

    package static let group = SCIMSchema(
        id: "urn:ietf:params:scim:schemas:core:2.0:Group", name: "Group", description: "A set of accounts and groups",
        attributes: [
            .init(name: "displayName", description: "The name of the group", isRequired: true, uniqueness: .server),
            .init(
                name: "members", description: "The direct members", kind: .complex, isMultiValued: true,
                parts: [
                    .init(
                        name: "value", description: "The id of an account or a group", isCaseExact: true,
                        mutability: .immutable),
                    .init(
                        name: "$ref", description: "Its address", kind: .reference, mutability: .immutable,
                        referenceTypes: ["User", "Group"]),
                    .init(
                        name: "type", description: "User or Group", mutability: .immutable,
                        canonicalValues: ["User", "Group"]),
                ]),
        ])

    private static func plural(
        _ name: String, _ description: String, value: SCIMAttribute.Kind = .string
    ) -> SCIMAttribute {
        .init(
            name: name, description: description, kind: .complex, isMultiValued: true,
            parts: [
                .init(
                    name: "value", description: "The value itself", kind: value,
                    referenceTypes: value == .reference ? ["external"] : []),
                .init(name: "display", description: "How it is shown"),
                .init(name: "type", description: "Such as work or home"),
                .init(name: "primary", description: "Whether it is the preferred one", kind: .boolean),
            ])
    }
}

// MARK: Checking

extension SCIMSchema {
    /// Values of one attribute, and members of one group in one request, that are taken.
    package static let valuesMax = 100_000

    /// What a client sent, as far as the schema knows it and lets clients set it, with the schema's own names.
    ///
    /// Unknown and read-only attributes are left out, as RFC 7644 §3.3 and §3.5.1 have it.
    ///
    /// - Throws: ``SCIMError`` `.invalidValue` for a value of another kind.
    package func cleaned(_ object: JSONObject) throws(SCIMError) -> JSONObject {
        try Self.cleaned(object, attributes, path: "")
    }

    private static func cleaned(
        _ object: JSONObject, _ attributes: [SCIMAttribute], path: String
    ) throws(SCIMError) -> JSONObject {
        var out = JSONObject()
        for attribute in attributes where attribute.mutability != .readOnly {
            guard let value = object.member(attribute.name), !value.isNull else { continue }
            let name = path + attribute.name
            if attribute.isMultiValued {
                // One value where several may stand is what some clients send.
                let values = value.array ?? [value]
                guard values.count <= valuesMax else {
                    throw SCIMError(.tooMany, "'\(name)' has more than \(valuesMax) values")
                }
                var kept: [JSONValue] = []
                kept.reserveCapacity(values.count)
                for value in values { kept.append(try cleaned(value, attribute, name)) }
                if !kept.isEmpty { out[attribute.name] = .array(try onePrimary(kept, name)) }
            } else {
                let kept = try cleaned(value, attribute, name)
                if kept.object?.members.isEmpty == true { continue }
                out[attribute.name] = kept
            }
        }
        return out
    }

    private static func cleaned(
        _ value: JSONValue, _ attribute: SCIMAttribute, _ name: String
    ) throws(SCIMError) -> JSONValue {
        func fault(_ wanted: String) -> SCIMError { SCIMError(.invalidValue, "'\(name)' has to be \(wanted)") }
        switch attribute.kind {
        case .complex:
            if let object = value.object { return .object(try cleaned(object, attribute.parts, path: name + ".")) }
            // A bare value stands for the object with that value.
            guard find("value", in: attribute.parts) != nil, value.string != nil else { throw fault("an object") }
            return .object(JSONObject([.init(name: "value", value: value)]))
        case .boolean:
            if value.bool != nil { return value }
            switch value.string?.lowercased() {
            case "true": return true
            case "false": return false
            default: throw fault("true or false")
            }
        case .string, .reference, .binary, .dateTime:
            guard let text = value.string else { throw fault("a string") }
            guard text.utf8.count <= 4096, !text.utf8.contains(0) else { throw fault("at most 4,096 bytes long") }
            return value
        }
    }

    private static func onePrimary(_ values: [JSONValue], _ name: String) throws(SCIMError) -> [JSONValue] {
        guard values.filter({ $0["primary"]?.bool == true }).count <= 1 else {
            throw SCIMError(.invalidValue, "of '\(name)' only one value may be the primary one")
        }
        return values
    }
}

// MARK: What is told of them

extension SCIMSchema {
    /// RFC 7643 §7.
    package func write(_ json: inout JSONWriter, location: String) {
        json.object {
            $0.member("schemas", ["urn:ietf:params:scim:schemas:core:2.0:Schema"])
            $0.member("id", id)
            $0.member("name", name)
            $0.member("description", description)
            $0.key("attributes")
            Self.write(attributes, &$0)
            $0.key("meta")
            $0.object {
                $0.member("resourceType", "Schema")
                $0.member("location", location)
            }
        }
    }

    private static func write(_ attributes: [SCIMAttribute], _ json: inout JSONWriter) {
        json.array { json in
            for attribute in attributes {
                json.object {
                    $0.member("name", attribute.name)
                    $0.member("type", attribute.kind.rawValue)
                    $0.member("multiValued", attribute.isMultiValued)
                    $0.member("description", attribute.description)
                    $0.member("required", attribute.isRequired)
                    if attribute.kind != .boolean, attribute.kind != .complex {
                        $0.member("caseExact", attribute.isCaseExact)
                    }
                    $0.member("mutability", attribute.mutability.rawValue)
                    $0.member("returned", attribute.returned.rawValue)
                    if attribute.kind != .boolean, attribute.kind != .complex {
                        $0.member("uniqueness", attribute.uniqueness.rawValue)
                    }
                    if !attribute.canonicalValues.isEmpty { $0.member("canonicalValues", attribute.canonicalValues) }
                    if !attribute.referenceTypes.isEmpty { $0.member("referenceTypes", attribute.referenceTypes) }
                    if !attribute.parts.isEmpty {
                        $0.key("subAttributes")
                        write(attribute.parts, &$0)
                    }
                }
            }
        }
    }
}
