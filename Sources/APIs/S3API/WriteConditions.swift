import BucketConfiguration
import HTTPSupport
import IAMPolicy
import Policy

extension S3Service {
    /// Condition keys by which policies ask what is said of an object that is to be written, by the header that says it
    /// ("Actions, resources, and condition keys for Amazon S3").
    private static let conditionKeys: [String: String] = [
        "if-match": "s3:if-match", "if-none-match": "s3:if-none-match", "x-amz-acl": "s3:x-amz-acl",
        "x-amz-metadata-directive": "s3:x-amz-metadata-directive",
        "x-amz-object-lock-legal-hold": "s3:object-lock-legal-hold", "x-amz-object-lock-mode": "s3:object-lock-mode",
        "x-amz-object-lock-retain-until-date": "s3:object-lock-retain-until-date",
        "x-amz-server-side-encryption": "s3:x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id": "s3:x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-customer-algorithm": "s3:x-amz-server-side-encryption-customer-algorithm",
        "x-amz-storage-class": "s3:x-amz-storage-class",
    ]

    /// The caller, in the circumstances of a write.
    ///
    /// - Throws: `ConfigurationError` for tags that are none.
    func withConditions(_ caller: Caller, _ request: Request) throws -> Caller {
        var caller = caller
        for (name, value) in request.headers {
            guard let first = name.utf8.first, first | 0x20 == UInt8(ascii: "x") || first | 0x20 == UInt8(ascii: "i")
            else { continue }
            let name = name.lowercased()
            if let key = Self.conditionKeys[name] {
                caller.context.values[key] = [value]
            } else if name == "x-amz-tagging" {
                let tags = try TagSet(header: value).tags
                for tag in tags { caller.context.values[PolicyKeys.requestTag + tag.key] = [tag.value] }
                caller.context.values["s3:RequestObjectTagKeys"] = tags.map(\.key)
            } else if name == "x-amz-copy-source" {
                let source = try Self.copySource(request)
                caller.context.values["s3:x-amz-copy-source"] = ["\(source.bucket)/\(source.key)"]
            }
        }
        return caller
    }
}
