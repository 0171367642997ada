package import Wire

/// What a new bucket is to be (CreateBucket).
package struct NewBucketConfiguration: ConfigurationDocument {
    package static let root: StaticString = "CreateBucketConfiguration"

    package var region: String?
    package var tags: TagSet?

    /// - Throws: ``ConfigurationError`` `NotImplemented` for a directory bucket.
    package init(_ root: XMLElement) throws(ConfigurationError) {
        try root.allow("LocationConstraint", "Location", "Bucket", "Tags")
        guard root["Location"] == nil, root["Bucket"] == nil else {
            throw ConfigurationError(.notImplemented, "there are no directory buckets here, only general purpose ones")
        }
        region = try root.optional("LocationConstraint")?.text
        if let element = try root.optional("Tags") { tags = try TagSet(in: element) }
    }

    package func write(to xml: inout XMLWriter) {
        if let region { xml.element("LocationConstraint", region) }
        if let tags { xml.element("Tags") { xml in tags.writeTags(to: &xml) } }
    }
}

/// Who pays for requests (PutBucketRequestPayment).
package struct RequestPayment: ConfigurationDocument {
    package static let root: StaticString = "RequestPaymentConfiguration"

    package enum Payer: String, Sendable, CaseIterable {
        case bucketOwner = "BucketOwner"
        case requester = "Requester"
    }

    package var payer = Payer.bucketOwner

    package init() {}

    package init(_ root: XMLElement) throws(ConfigurationError) {
        try root.allow("Payer")
        guard let payer = try root.choice("Payer", Payer.self) else {
            throw ConfigurationError(.malformedXML, "a RequestPaymentConfiguration has a Payer")
        }
        self.payer = payer
    }

    package func write(to xml: inout XMLWriter) { xml.element("Payer", payer.rawValue) }
}

/// Amazon's transfer acceleration (PutBucketAccelerateConfiguration). Here it is never set.
package struct AccelerateConfiguration: ConfigurationDocument {
    package static let root: StaticString = "AccelerateConfiguration"

    package enum Status: String, Sendable, CaseIterable {
        case enabled = "Enabled"
        case suspended = "Suspended"
    }

    package var status: Status?

    package init() {}

    package init(_ root: XMLElement) throws(ConfigurationError) {
        try root.allow("Status")
        status = try root.choice("Status", Status.self)
    }

    package func write(to xml: inout XMLWriter) {
        if let status { xml.element("Status", status.rawValue) }
    }
}

/// A bucket as a web site (PutBucketWebsite): read only so far as to tell a website from nonsense, since no bucket is
/// one here.
package struct WebsiteConfiguration: ConfigurationDocument {
    package static let root: StaticString = "WebsiteConfiguration"

    package var indexSuffix: String?
    package var errorKey: String?
    package var redirectHost: String?

    package init(_ root: XMLElement) throws(ConfigurationError) {
        try root.allow("IndexDocument", "ErrorDocument", "RedirectAllRequestsTo", "RoutingRules")
        indexSuffix = try root.optional("IndexDocument")?.required("Suffix").text
        errorKey = try root.optional("ErrorDocument")?.required("Key").text
        redirectHost = try root.optional("RedirectAllRequestsTo")?.required("HostName").text
        guard indexSuffix != nil || redirectHost != nil else {
            throw ConfigurationError(
                .invalidArgument, "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty")
        }
        if let suffix = indexSuffix, suffix.isEmpty || suffix.contains("/") {
            throw ConfigurationError(.invalidArgument, "The IndexDocument Suffix is not well formed")
        }
    }

    package func write(to xml: inout XMLWriter) {
        if let indexSuffix { xml.element("IndexDocument") { $0.element("Suffix", indexSuffix) } }
        if let errorKey { xml.element("ErrorDocument") { $0.element("Key", errorKey) } }
        if let redirectHost { xml.element("RedirectAllRequestsTo") { $0.element("HostName", redirectHost) } }
    }
}
