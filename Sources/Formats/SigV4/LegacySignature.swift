import Crypto
package import Wire

/// A signature of the version before SigV4 (Amazon S3 Developer Guide, "Signing and authenticating REST requests"):
/// HMAC-SHA1 with the secret itself.
///
/// It is taken where boto3, aws-cli 1 and s3cmd still make it unless told otherwise, for endpoints that are not
/// Amazon's: in presigned URLs and upload forms. Requests are not signed so. Whatever it does not cover is refused.
package struct LegacySignature: Sendable {
    package let accessKeyID: String
    package let sessionToken: String?
    private let signature: [UInt8]
    /// What was signed.
    private let text: [UInt8]
    /// When a URL ends; nil for a form, whose policy says it.
    private let expires: Timestamp?

    /// Parameters that are part of what is signed.
    private static let signedParameters: Set<String> = [
        "acl", "cors", "delete", "lifecycle", "location", "logging", "notification", "object-lock", "partNumber",
        "policy", "replication", "requestPayment", "tagging", "uploadId", "uploads", "versionId", "versioning",
        "versions", "website", "response-cache-control", "response-content-disposition", "response-content-encoding",
        "response-content-language", "response-content-type", "response-expires",
    ]
    /// Parameters that repeat headers, or make up the signature.
    private static let otherParameters: Set<String> = [
        "AWSAccessKeyId", "Expires", "Signature", "content-md5", "content-type", "x-amz-security-token",
    ]

    /// Finds it in the query of a presigned URL.
    ///
    /// - Parameter resource: the path as on the wire, with the bucket before it where the host names that.
    /// - Returns: nil where there is none.
    /// - Throws: `SignatureError` for one that is malformed, or does not cover all parameters.
    package static func find(
        in head: RequestHead, resource: String
    ) throws(SignatureError) -> LegacySignature? {
        guard let key = try head.parameter("AWSAccessKeyId"), let signature = try head.parameter("Signature") else {
            return nil
        }
        guard try head.single("authorization") == nil, !head.query.has("X-Amz-Signature") else {
            throw SignatureError(.severalSignatures, "a request is signed once: by header or by query")
        }
        guard let text = try head.parameter("Expires"), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let expires = Int64(text), expires < 1 << 40
        else { throw SignatureError(.malformed, "Expires is a time in seconds since 1970") }
        var lines = [head.method]
        for name in ["content-md5", "content-type"] { lines.append(try head.single(name) ?? "") }
        lines.append(text)
        var amazon: [String: String] = [:]
        let token = try head.parameter("x-amz-security-token")
        if let token { amazon["x-amz-security-token"] = token }
        for (name, value) in head.headers where name.hasPrefix("x-amz-") {
            let value = String(decoding: Authorization.trim(Array(value.utf8)[...]), as: UTF8.self)
            amazon[name] = amazon[name].map { $0 + "," + value } ?? value
        }
        lines += amazon.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { "\($0.key):\($0.value)" }
        var signed: [(name: String, value: String?)] = []
        for item in head.query.items where !otherParameters.contains(item.name) {
            guard signedParameters.contains(item.name) else {
                throw SignatureError(
                    .headerNotSigned,
                    "the parameter '\(item.name.prefix(64))' is not covered by this signature; use AWS4-HMAC-SHA256")
            }
            signed.append(item)
        }
        signed.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        let query = signed.map { item in item.value.map { "\(item.name)=\($0)" } ?? item.name }.joined(separator: "&")
        lines.append(query.isEmpty ? resource : "\(resource)?\(query)")
        return try LegacySignature(
            key: key, token: token, signature, text: lines.joined(separator: "\n"),
            expires: Timestamp(microseconds: expires * 1_000_000))
    }

    /// Finds it in the fields of an upload form: the string to sign is the policy as it stands there.
    ///
    /// - Parameter field: the value of a field by its name in lower case.
    /// - Returns: nil where there is none.
    package static func find(
        policy: String, _ field: (String) -> String?
    ) throws(SignatureError) -> LegacySignature? {
        guard let key = field("awsaccesskeyid"), let signature = field("signature"), field("x-amz-signature") == nil
        else { return nil }
        return try LegacySignature(
            key: key, token: field("x-amz-security-token"), signature, text: policy, expires: nil)
    }

    private init(
        key: String, token: String?, _ signature: String, text: String, expires: Timestamp?
    ) throws(SignatureError) {
        guard !key.isEmpty, let bytes = Base64.decode(signature), bytes.count == Insecure.SHA1.byteCount else {
            throw SignatureError(.malformed, "Signature is the base64 of 20 bytes, made for an AWSAccessKeyId")
        }
        (accessKeyID, sessionToken) = (key, token)
        (self.signature, self.text, self.expires) = (bytes, Array(text.utf8), expires)
    }

    /// Checks that a URL has not ended, and ends within seven days, as those of SigV4 do.
    package func checkTime(now: Timestamp) throws(SignatureError) {
        guard let expires else { return }
        guard now.seconds <= expires.seconds else {
            throw SignatureError(.expired, "the URL expired at \(expires.rfc3339)")
        }
        guard expires.seconds - now.seconds <= 604_800 + Authorization.allowedSkew else {
            throw SignatureError(.notYetValid, "a URL is signed for seven days at most; this ends \(expires.rfc3339)")
        }
    }

    /// - Throws: `SignatureError` `.signatureMismatch`, after a comparison that takes the same time wherever they
    ///   differ.
    package func verify(secret: [UInt8]) throws(SignatureError) {
        let key = SymmetricKey(data: secret)
        guard HMAC<Insecure.SHA1>.isValidAuthenticationCode(signature, authenticating: text, using: key) else {
            throw SignatureError(
                .signatureMismatch, "the signature is not that of this request; check the secret and the headers")
        }
    }
}
