import HTTPSupport
import NIOHTTP1
import SCIMFormat
import Wire

/// What a client can find out about this server (RFC 7644 §4).
extension SCIMService {
    static func discovery(_ call: Call) throws -> Response {
        guard call.method == .GET else { throw Problem.methodNotAllowed("GET") }
        guard call.query["filter"] == nil else {
            throw Failure(.forbidden, "what the server says of itself cannot be filtered")
        }
        switch (call.path[0], call.path.count) {
        case ("ServiceProviderConfig", 1): return configuration(call)
        case ("Schemas", 1):
            return list(SCIMSchema.all) { $0.write(&$1, location: "\(call.base)/Schemas/\($0.id)") }
        case ("Schemas", 2):
            guard let schema = SCIMSchema.all.first(where: { $0.id.lowercased() == call.path[1].lowercased() }) else {
                throw Failure(.notFound, "there is no schema '\(call.path[1].prefix(128))'")
            }
            var json = JSONWriter()
            schema.write(&json, location: "\(call.base)/Schemas/\(schema.id)")
            return response(.ok, json.bytes)
        case ("ResourceTypes", 1): return list(resourceTypes) { write($0, &$1, call) }
        case ("ResourceTypes", 2):
            guard let type = resourceTypes.first(where: { $0.name == call.path[1] }) else {
                throw Failure(.notFound, "there is no type of resources '\(call.path[1].prefix(128))'")
            }
            var json = JSONWriter()
            write(type, &json, call)
            return response(.ok, json.bytes)
        default: throw Failure(.notFound, "there is nothing at this address")
        }
    }

    private typealias ResourceType = (name: String, endpoint: String, schema: SCIMSchema, extensions: [SCIMSchema])

    private static let resourceTypes: [ResourceType] = [
        ("User", "/Users", .user, [.enterpriseUser]), ("Group", "/Groups", .group, []),
    ]

    private static func write(_ type: ResourceType, _ json: inout JSONWriter, _ call: Call) {
        json.object {
            $0.member("schemas", ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"])
            $0.member("id", type.name)
            $0.member("name", type.name)
            $0.member("description", type.schema.description)
            $0.member("endpoint", type.endpoint)
            $0.member("schema", type.schema.id)
            if !type.extensions.isEmpty {
                $0.key("schemaExtensions")
                $0.array { json in
                    for schema in type.extensions {
                        json.object {
                            $0.member("schema", schema.id)
                            $0.member("required", false)
                        }
                    }
                }
            }
            $0.key("meta")
            $0.object {
                $0.member("resourceType", "ResourceType")
                $0.member("location", "\(call.base)/ResourceTypes/\(type.name)")
            }
        }
    }

    private static func list<Value>(_ values: [Value], _ write: (Value, inout JSONWriter) -> Void) -> Response {
        var json = JSONWriter()
        json.object {
            $0.member("schemas", ["urn:ietf:params:scim:api:messages:2.0:ListResponse"])
            $0.member("totalResults", values.count)
            $0.member("itemsPerPage", values.count)
            $0.member("startIndex", 1)
            $0.key("Resources")
            $0.array { json in for value in values { write(value, &json) } }
        }
        return response(.ok, json.bytes)
    }

    private static func configuration(_ call: Call) -> Response {
        func supported(_ json: inout JSONWriter, _ name: String, _ isSupported: Bool) {
            json.key(name)
            json.object { $0.member("supported", isSupported) }
        }
        var json = JSONWriter()
        json.object {
            $0.member("schemas", ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"])
            supported(&$0, "patch", true)
            $0.key("bulk")
            $0.object {
                $0.member("supported", true)
                $0.member("maxOperations", bulkOperationsMax)
                $0.member("maxPayloadSize", bodyBytesMax)
            }
            $0.key("filter")
            $0.object {
                $0.member("supported", true)
                $0.member("maxResults", ListQuery.countMax)
            }
            supported(&$0, "changePassword", true)
            supported(&$0, "sort", true)
            supported(&$0, "etag", true)
            $0.key("pagination")
            $0.object {
                $0.member("cursor", true)
                $0.member("index", true)
                $0.member("defaultPaginationMethod", "index")
                $0.member("defaultPageSize", ListQuery.countDefault)
                $0.member("maxPageSize", ListQuery.countMax)
            }
            $0.key("authenticationSchemes")
            $0.array {
                $0.object {
                    $0.member("type", "oauthbearertoken")
                    $0.member("name", "OAuth bearer token")
                    $0.member("description", "An access token of this node's OpenID provider")
                    $0.member("specUri", "https://www.rfc-editor.org/info/rfc6750")
                    $0.member("primary", true)
                }
            }
            $0.key("meta")
            $0.object {
                $0.member("resourceType", "ServiceProviderConfig")
                $0.member("location", "\(call.base)/ServiceProviderConfig")
            }
        }
        return response(.ok, json.bytes)
    }
}
