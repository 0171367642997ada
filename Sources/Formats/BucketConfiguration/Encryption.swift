package import Wire

/// How objects are encrypted whose PUT does not say it (PutBucketEncryption).
package struct EncryptionConfiguration: ConfigurationDocument {
    package static let root: StaticString = "ServerSideEncryptionConfiguration"

    package enum Algorithm: String, Sendable, CaseIterable {
        case aes256 = "AES256"
        case kms = "aws:kms"
        case kmsDualLayer = "aws:kms:dsse"
    }

    package var algorithm = Algorithm.aes256
    /// Of the key service; nil for the node's own key.
    package var keyID: String?
    package var usesBucketKey = false

    /// What a bucket has that was told nothing.
    package init() {}

    /// - Throws: ``ConfigurationError`` `MalformedXML`; `InvalidArgument` for a key id beside AES256.
    package init(_ root: XMLElement) throws(ConfigurationError) {
        try root.allow("Rule")
        let rule = try root.required("Rule")
        try rule.allow("ApplyServerSideEncryptionByDefault", "BucketKeyEnabled")
        usesBucketKey = try rule.boolean("BucketKeyEnabled") ?? false
        let byDefault = try rule.required("ApplyServerSideEncryptionByDefault")
        try byDefault.allow("SSEAlgorithm", "KMSMasterKeyID")
        guard let algorithm = try byDefault.choice("SSEAlgorithm", Algorithm.self) else {
            throw ConfigurationError(.malformedXML, "the default encryption needs an SSEAlgorithm")
        }
        self.algorithm = algorithm
        keyID = try byDefault.optional("KMSMasterKeyID")?.text
        if let keyID {
            guard algorithm != .aes256 else {
                throw ConfigurationError(
                    .invalidArgument,
                    "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
            }
            guard (1...2048).contains(keyID.utf8.count) else {
                throw ConfigurationError(.invalidArgument, "a KMSMasterKeyID has 1 to 2,048 bytes")
            }
        }
    }

    package func write(to xml: inout XMLWriter) {
        xml.element("Rule") { xml in
            xml.element("ApplyServerSideEncryptionByDefault") {
                $0.element("SSEAlgorithm", algorithm.rawValue)
                if let keyID { $0.element("KMSMasterKeyID", keyID) }
            }
            xml.element("BucketKeyEnabled", usesBucketKey)
        }
    }
}
