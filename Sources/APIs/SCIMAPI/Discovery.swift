import HTTPSupport
import NIOHTTP1
import SCIMFormat
import Wire

/// What this face can do, told to whoever asks (RFC 7644 §4).
extension SCIMService {
    func discovery(_ act: Act) throws -> Result {
        guard act.method == .GET else { throw SCIMError(405, nil, "this address takes GET") }
        guard act.query["filter"] == nil else { throw SCIMError(403, nil, "what there is here is not filtered") }
        let kind = act.path[0]
        if kind == "ServiceProviderConfig" {
            guard act.path.count == 1 else { throw SCIMError(404, nil, "there is nothing at this address") }
            return Result(body: configuration)
        }
        let all = kind == "Schemas" ? [userDescription, groupDescription] : resourceTypes
        guard act.path.count > 1 else {
            return Result(
                body: [
                    "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                    "totalResults": .integer(Int64(all.count)), "startIndex": 1,
                    "itemsPerPage": .integer(Int64(all.count)), "Resources": .array(all),
                ])
        }
        guard act.path.count == 2, let one = all.first(where: { $0["id"]?.string == act.path[1] }) else {
            throw SCIMError(404, nil, "there is no '\(act.path[1].prefix(80))' here")
        }
        return Result(body: one)
    }

    private var configuration: JSONValue {
        [
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "patch": ["supported": true],
            "bulk": [
                "supported": true, "maxOperations": .integer(Int64(Self.bulkMax)),
                "maxPayloadSize": .integer(Int64(Self.bodyBytesMax)),
            ],
            "filter": ["supported": true, "maxResults": .integer(Int64(Self.pageMax))],
            "changePassword": ["supported": true], "sort": ["supported": true], "etag": ["supported": true],
            "pagination": [
                "cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": 100,
                "maxPageSize": .integer(Int64(Self.pageMax)),
            ],
            "authenticationSchemes": [
                [
                    "type": "oauthbearertoken", "name": "Bearer token",
                    "description": "A token of this node", "primary": true,
                ],
                ["type": "httpbasic", "name": "App password", "description": "A name with an app password"],
            ],
            "meta": [
                "resourceType": "ServiceProviderConfig", "location": .string(base + "/ServiceProviderConfig"),
            ],
        ]
    }

    private var resourceTypes: [JSONValue] {
        [("User", "Users", Self.userSchema), ("Group", "Groups", Self.groupSchema)].map { name, path, schema in
            [
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"], "id": .string(name),
                "name": .string(name), "endpoint": .string("/" + path), "schema": .string(schema),
                "meta": [
                    "resourceType": "ResourceType", "location": .string("\(base)/ResourceTypes/\(name)"),
                ],
            ]
        }
    }

    private var userDescription: JSONValue {
        schema(
            Self.userSchema, "User", "An account",
            [
                Self.attribute("userName", isRequired: true, mutability: "immutable", uniqueness: "server"),
                Self.attribute(
                    "name", type: "complex",
                    parts: [
                        Self.attribute("formatted"), Self.attribute("givenName"), Self.attribute("familyName"),
                    ]),
                Self.attribute("displayName"),
                Self.attribute("userType", mutability: "readOnly"),
                Self.attribute("active", type: "boolean"),
                Self.attribute("password", mutability: "writeOnly", returned: "never"),
                Self.attribute(
                    "emails", type: "complex", isMulti: true,
                    parts: [
                        Self.attribute("value", uniqueness: "server"),
                        Self.attribute("type", mutability: "readOnly"),
                        Self.attribute("primary", type: "boolean", mutability: "readOnly"),
                    ]),
                Self.attribute(
                    "groups", type: "complex", isMulti: true, mutability: "readOnly",
                    parts: [
                        Self.attribute("value", mutability: "readOnly"),
                        Self.attribute("$ref", type: "reference", mutability: "readOnly"),
                        Self.attribute("display", mutability: "readOnly"),
                        Self.attribute("type", mutability: "readOnly"),
                    ]),
            ])
    }

    private var groupDescription: JSONValue {
        schema(
            Self.groupSchema, "Group", "A group of accounts and of other groups",
            [
                Self.attribute("displayName", isRequired: true, mutability: "immutable", uniqueness: "server"),
                Self.attribute(
                    "members", type: "complex", isMulti: true,
                    parts: [
                        Self.attribute("value", mutability: "immutable"),
                        Self.attribute("$ref", type: "reference", mutability: "immutable"),
                        Self.attribute("display", mutability: "readOnly"),
                        Self.attribute("type", mutability: "readOnly"),
                    ]),
            ])
    }

    private func schema(_ id: String, _ name: String, _ description: String, _ attributes: [JSONValue]) -> JSONValue {
        [
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": .string(id), "name": .string(name),
            "description": .string(description), "attributes": .array(attributes),
            "meta": ["resourceType": "Schema", "location": .string("\(base)/Schemas/\(id)")],
        ]
    }

    private static func attribute(
        _ name: String, type: String = "string", isMulti: Bool = false, isRequired: Bool = false,
        mutability: String = "readWrite", returned: String = "default", uniqueness: String = "none",
        parts: [JSONValue] = []
    ) -> JSONValue {
        var out = JSONObject()
        out["name"] = .string(name)
        out["type"] = .string(type)
        out["multiValued"] = .bool(isMulti)
        out["description"] = .string(name)
        out["required"] = .bool(isRequired)
        out["caseExact"] = false
        out["mutability"] = .string(mutability)
        out["returned"] = .string(returned)
        out["uniqueness"] = .string(uniqueness)
        if type == "reference" { out["referenceTypes"] = ["User", "Group"] }
        if !parts.isEmpty { out["subAttributes"] = .array(parts) }
        return .object(out)
    }
}
