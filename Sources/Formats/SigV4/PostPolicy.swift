package import Wire

/// What the signer of an upload form allows its users to send (Amazon S3 API Reference, "POST policy").
package struct PostPolicy: Sendable {
    private enum Condition: Sendable {
        case equals(field: String, value: String)
        case startsWith(field: String, prefix: String)
    }

    package let expiration: Timestamp
    /// How many bytes the file may have; nil where the policy does not say.
    package let lengthRange: ClosedRange<Int64>?
    private let conditions: [Condition]

    /// A policy of this many bytes, in base64, is looked at.
    package static let bytesMax = 64 << 10

    /// Reads the form field `policy`.
    ///
    /// - Throws: ``PostPolicyError`` `.malformed`.
    package init(base64: String) throws(PostPolicyError) {
        guard base64.utf8.count <= Self.bytesMax else { throw .malformed("it has more than \(Self.bytesMax) bytes") }
        guard let bytes = Base64.decode(base64.filter { !$0.isWhitespace }),
            let json = try? JSONValue(parsing: bytes, maximumDepth: 8), let policy = json.object
        else { throw .malformed("it is not the base64 of a JSON object") }
        guard let text = policy["expiration"]?.string else { throw .malformed("expiration is missing") }
        guard let expiration = Timestamp(rfc3339: text) else {
            throw .malformed("'\(text.prefix(40))' is no expiration such as 2026-01-31T12:00:00Z")
        }
        guard let list = policy["conditions"]?.array else { throw .malformed("conditions are missing") }
        self.expiration = expiration
        var conditions: [Condition] = []
        var range: ClosedRange<Int64>?
        for entry in list {
            if let members = entry.object?.members {
                guard members.count == 1, let member = members.first, let value = member.value.string else {
                    throw .malformed("a simple condition is an object with exactly one member, a string")
                }
                conditions.append(.equals(field: member.name.lowercased(), value: value))
            } else if let parts = entry.array {
                let (condition, length) = try Self.condition(parts)
                if let condition { conditions.append(condition) }
                // Of several the narrowest counts; an empty one can be met by nothing.
                if let length {
                    let lower = max(length.lowerBound, range?.lowerBound ?? 0)
                    let upper = min(length.upperBound, range?.upperBound ?? .max)
                    guard lower <= upper else { throw .malformed("its content-length-ranges leave no length") }
                    range = lower...upper
                }
            } else {
                throw .malformed("a condition is an object or a list")
            }
        }
        self.conditions = conditions
        lengthRange = range
    }

    private static func condition(
        _ parts: [JSONValue]
    ) throws(PostPolicyError) -> (Condition?, ClosedRange<Int64>?) {
        guard parts.count == 3, let name = parts[0].string?.lowercased() else {
            throw .malformed("a condition in a list has three parts")
        }
        if name == "content-length-range" {
            let bounds = parts.dropFirst().compactMap { $0.integer ?? $0.string.flatMap { Int64($0) } }
            guard bounds.count == 2, bounds[0] >= 0, bounds[0] <= bounds[1] else {
                throw .malformed("content-length-range has two numbers, from 0 on, the second not the smaller one")
            }
            return (nil, bounds[0]...bounds[1])
        }
        guard let field = parts[1].string?.lowercased(), field.hasPrefix("$"), let value = parts[2].string else {
            throw .malformed("a condition has a field such as $key and a string")
        }
        switch name {
        case "eq": return (.equals(field: String(field.dropFirst()), value: value), nil)
        case "starts-with": return (.startsWith(field: String(field.dropFirst()), prefix: value), nil)
        default: throw .malformed("'\(name.prefix(40))' is no condition: eq, starts-with or content-length-range")
        }
    }

    /// Fields that a policy does not speak of.
    private static let exempt: Set<String> = [
        "x-amz-signature", "file", "policy", "bucket", "awsaccesskeyid", "signature",
    ]

    /// Checks a form against its policy.
    ///
    /// - Parameter fields: the form's, without the file; `key` with the file's name in its place.
    /// - Throws: ``PostPolicyError`` `.refused`, with what was not met.
    package func check(
        _ fields: [(name: String, value: String)], bucket: String, now: Timestamp
    ) throws(PostPolicyError) {
        guard now < expiration else { throw .refused("Policy expired.") }
        func value(_ name: String) -> String? {
            name == "bucket" ? bucket : fields.first { $0.name.lowercased() == name }?.value
        }
        var named: Set<String> = []
        for condition in conditions {
            switch condition {
            case .equals(let field, let expected):
                named.insert(field)
                guard value(field) == expected else { throw Self.failed("eq", field, expected) }
            case .startsWith(let field, let prefix):
                named.insert(field)
                // A list of types is allowed where each of them is.
                let values =
                    field == "content-type" ? value(field)?.split(separator: ",") : value(field).map { [$0[...]] }
                guard let values, values.allSatisfy({ $0.drop { $0 == " " }.utf8.starts(with: prefix.utf8) }) else {
                    throw Self.failed("starts-with", field, prefix)
                }
            }
        }
        for field in fields {
            let name = field.name.lowercased()
            guard named.contains(name) || Self.exempt.contains(name) || name.hasPrefix("x-ignore-") else {
                throw .refused("Extra input fields: \(name.prefix(80))")
            }
        }
    }

    private static func failed(_ operation: String, _ field: String, _ value: String) -> PostPolicyError {
        .refused("Policy Condition failed: [\"\(operation)\", \"$\(field.prefix(80))\", \"\(value.prefix(200))\"]")
    }
}

/// Why a form does not go with its policy.
package enum PostPolicyError: Error, Sendable, Hashable {
    /// The policy itself cannot be read.
    case malformed(String)
    /// The form is not what the policy allows.
    case refused(String)
}

/// Who signed a form: the string to sign is its policy as it stands in the form.
package struct PostSignature: Sendable {
    package let accessKeyID: String
    package let scope: CredentialScope
    package let sessionToken: String?
    private let signature: String

    /// - Parameter field: the value of a field by its name in lower case.
    /// - Throws: `SignatureError` where a field is missing or malformed, or the signature is of another version.
    package init(_ field: (String) -> String?) throws(SignatureError) {
        guard field("signature") == nil || field("x-amz-signature") != nil else {
            throw SignatureError(.malformed, "a form with a field 'signature' has the field AWSAccessKeyId too")
        }
        guard field("x-amz-algorithm") == "AWS4-HMAC-SHA256" else {
            throw SignatureError(.unsupportedAlgorithm, "the field x-amz-algorithm must be AWS4-HMAC-SHA256")
        }
        guard let credential = field("x-amz-credential"), let date = field("x-amz-date"),
            let signature = field("x-amz-signature")
        else {
            throw SignatureError(
                .malformed, "a signed form has the fields x-amz-credential, x-amz-date and x-amz-signature")
        }
        (accessKeyID, scope) = try CredentialScope.parse(credential: Array(credential.utf8)[...])
        guard scope.service == "s3" else {
            throw SignatureError(.scopeMismatch, "the credential scope must name the service s3")
        }
        guard let time = Timestamp(basic: date), time.basic.utf8.starts(with: scope.date.utf8) else {
            throw SignatureError(.scopeMismatch, "the credential scope's date is not that of x-amz-date")
        }
        sessionToken = field("x-amz-security-token")
        self.signature = signature
    }

    /// - Parameters:
    ///   - policy: the field as it came, in base64.
    ///   - key: of ``accessKeyID`` for ``scope``.
    /// - Throws: `SignatureError` `.signatureMismatch`.
    package func verify(policy: String, key: SigningKey) throws(SignatureError) {
        guard key.scope == scope, key.verifies(signature, of: Array(policy.utf8)) else {
            throw SignatureError(.signatureMismatch, "the signature is not that of this policy; check the secret")
        }
    }
}
