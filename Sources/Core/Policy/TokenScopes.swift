import IAMPolicy
import Identity
import Wire

/// What the scopes of a token leave of its account's rights, as a boundary: it grants nothing, but what it does not
/// allow is not allowed (WLCG Common JWT Profiles 1.3 §4.1).
enum TokenScopes {
    static let name = "scopes of the token"

    /// Nil where the scopes limit nothing.
    static func boundary(_ scopes: Scopes) throws -> AttachedPolicy? {
        guard let limit = scopes.limit else { return nil }
        var statements = limit.flatMap(statements(of:))
        if statements.isEmpty {
            statements = [["Sid": "NoRightsInScopes", "Effect": "Deny", "Action": "*", "Resource": "*"]]
        }
        let document: JSONValue = ["Version": "2012-10-17", "Statement": .array(statements)]
        return (name: name, document: try PolicyDocument(parsing: document.text, kind: .boundary))
    }

    private static func statements(of capability: Capability) -> [JSONValue] {
        let path = capability.path.map(escaped).joined(separator: "/")
        let bucket = capability.path.first.map { "arn:aws:s3:::" + escaped($0) } ?? "arn:aws:s3:::*"
        // Components count: `/foo/bar` is not `/foo/bargain`.
        let below = "arn:aws:s3:::" + (path.isEmpty ? "*" : path + "/*")
        let objects: [JSONValue] =
            capability.path.count > 1 && !capability.isFolder
            ? [.string("arn:aws:s3:::" + path), .string(below)] : [.string(below)]

        var list: [(String, JSONValue)] = [
            ("Effect", "Allow"),
            ("Action", ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"]),
            ("Resource", .string(bucket)),
        ]
        if capability.path.count > 1 {
            let key = capability.path.dropFirst().map(escaped).joined(separator: "/")
            list.append(("Condition", ["StringLike": ["s3:prefix": [.string(key), .string(key + "/*")]]]))
        }
        let stat = object(list)
        func allow(_ actions: JSONValue, _ resources: JSONValue, _ more: [(String, JSONValue)] = []) -> JSONValue {
            object([("Effect", "Allow"), ("Action", actions), ("Resource", resources)] + more)
        }
        switch capability.operation {
        case .read:
            var all = [
                stat, allow("s3:GetObject*", .array(objects)),
                allow(["s3:GetBucketLocation", "s3:GetBucketVersioning"], .string(bucket)),
            ]
            if capability.path.isEmpty { all.append(allow(["s3:ListAllMyBuckets", "stac:*"], "*")) }
            if let collection = capability.path.first, capability.path.count == 1 {
                let name = "arn:martlet:stac:::" + escaped(collection)
                all.append(
                    allow(
                        ["stac:GetCollection", "stac:GetItem", "stac:Search"], [.string(name), .string(name + "/*")]))
            }
            return all
        case .create:
            return [
                stat, allow(["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"], .array(objects)),
                allow(
                    "s3:PutObject", .array(objects), [("Condition", ["StringEquals": ["s3:if-none-match": "*"]])]),
            ]
        case .modify:
            return [
                stat,
                allow(
                    [
                        "s3:PutObject", "s3:PutObjectTagging", "s3:PutObjectVersionTagging", "s3:DeleteObject*",
                        "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
                    ], .array(objects)),
            ]
        case .stage: return [stat, allow(["s3:RestoreObject", "s3:GetObjectAttributes"], .array(objects))]
        case .poll: return [stat, allow("s3:GetObjectAttributes", .array(objects))]
        case .computeRead, .computeModify, .computeCreate, .computeCancel: return []
        }
    }

    private static func object(_ members: [(String, JSONValue)]) -> JSONValue {
        .object(JSONObject(members.map { JSONObject.Member(name: $0.0, value: $0.1) }))
    }

    /// A name in which nothing is a wildcard or a variable.
    private static func escaped(_ name: String) -> String {
        name.reduce(into: "") { out, c in out += "*?$".contains(c) ? "${\(c)}" : String(c) }
    }
}
