package import Wire

/// Four switches that keep a bucket from being opened to everybody (PutPublicAccessBlock).
package struct PublicAccessBlock: ConfigurationDocument {
    package static let root: StaticString = "PublicAccessBlockConfiguration"

    /// A public ACL is refused when it is handed in.
    package var blocksPublicACLs = false
    /// Public ACLs have no effect.
    package var ignoresPublicACLs = false
    /// A public policy is refused when it is handed in.
    package var blocksPublicPolicy = false
    /// A public policy gives nothing to whoever has not proved who they are.
    package var restrictsPublicBuckets = false

    package init() {}

    package init(_ root: XMLElement) throws(ConfigurationError) {
        try root.allow("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        blocksPublicACLs = try root.boolean("BlockPublicAcls") ?? false
        ignoresPublicACLs = try root.boolean("IgnorePublicAcls") ?? false
        blocksPublicPolicy = try root.boolean("BlockPublicPolicy") ?? false
        restrictsPublicBuckets = try root.boolean("RestrictPublicBuckets") ?? false
    }

    package func write(to xml: inout XMLWriter) {
        xml.element("BlockPublicAcls", blocksPublicACLs)
        xml.element("IgnorePublicAcls", ignoresPublicACLs)
        xml.element("BlockPublicPolicy", blocksPublicPolicy)
        xml.element("RestrictPublicBuckets", restrictsPublicBuckets)
    }
}

/// Who owns what is put into a bucket, and whether ACLs count (PutBucketOwnershipControls).
package struct OwnershipControls: ConfigurationDocument {
    package static let root: StaticString = "OwnershipControls"

    package enum Ownership: String, Sendable, CaseIterable {
        /// ACLs are off.
        case bucketOwnerEnforced = "BucketOwnerEnforced"
        case bucketOwnerPreferred = "BucketOwnerPreferred"
        case objectWriter = "ObjectWriter"
    }

    package var ownership: Ownership

    package init(_ ownership: Ownership) { self.ownership = ownership }

    package init(_ root: XMLElement) throws(ConfigurationError) {
        try root.allow("Rule")
        let rule = try root.required("Rule")
        try rule.allow("ObjectOwnership")
        guard let ownership = try rule.choice("ObjectOwnership", Ownership.self) else {
            throw ConfigurationError(.malformedXML, "the rule needs an ObjectOwnership")
        }
        self.ownership = ownership
    }

    package func write(to xml: inout XMLWriter) {
        xml.element("Rule") { $0.element("ObjectOwnership", ownership.rawValue) }
    }
}
