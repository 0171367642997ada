package import Wire

/// S3's canned ACLs ("Access control list overview", Canned ACL).
package enum CannedACL: String, Sendable, CaseIterable {
    case `private` = "private"
    case publicRead = "public-read"
    case publicReadWrite = "public-read-write"
    case authenticatedRead = "authenticated-read"
    case bucketOwnerRead = "bucket-owner-read"
    case bucketOwnerFullControl = "bucket-owner-full-control"
    case logDeliveryWrite = "log-delivery-write"

    /// Whether it gives anything to people whom nobody has named. All who are signed in count as the public, as in S3.
    package var isPublic: Bool {
        switch self {
        case .publicRead, .publicReadWrite, .authenticatedRead: true
        case .private, .bucketOwnerRead, .bucketOwnerFullControl, .logDeliveryWrite: false
        }
    }

    /// What it gives besides the owner's full control. The owner of an object is the owner of its bucket here, so that
    /// the two canned ACLs for bucket owners give nothing further.
    package var grants: [AccessGrant] {
        switch self {
        case .private, .bucketOwnerRead, .bucketOwnerFullControl: []
        case .publicRead: [AccessGrant(.everyone, .read)]
        case .publicReadWrite: [AccessGrant(.everyone, .read), AccessGrant(.everyone, .write)]
        case .authenticatedRead: [AccessGrant(.authenticated, .read)]
        case .logDeliveryWrite: [AccessGrant(.logDelivery, .write), AccessGrant(.logDelivery, .readACP)]
        }
    }

    /// Whether what it gives is for all who are signed in, and not for everybody.
    package var isForAuthenticated: Bool { self == .authenticatedRead }

    /// The actions that it allows to the public as the ACL of a bucket ("Mapping of ACL permissions and access policy
    /// permissions", Amazon S3 User Guide).
    package var bucketActions: [String] {
        guard isPublic else { return [] }
        let reading = ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"]
        return self == .publicReadWrite ? reading + ["s3:PutObject", "s3:DeleteObject"] : reading
    }

    /// The actions that it allows to the public as the ACL of an object.
    package var objectActions: [String] { isPublic ? ["s3:GetObject", "s3:GetObjectVersion"] : [] }
}

package enum AccessPermission: String, Sendable, CaseIterable {
    case fullControl = "FULL_CONTROL"
    case read = "READ"
    case write = "WRITE"
    case readACP = "READ_ACP"
    case writeACP = "WRITE_ACP"
}

/// S3's predefined groups, by their addresses.
package enum AccessGroup: String, Sendable, CaseIterable {
    case everyone = "http://acs.amazonaws.com/groups/global/AllUsers"
    case authenticated = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
    case logDelivery = "http://acs.amazonaws.com/groups/s3/LogDelivery"
}

package struct AccessGrant: Sendable, Hashable {
    package var group: AccessGroup
    package var permission: AccessPermission

    package init(_ group: AccessGroup, _ permission: AccessPermission) {
        self.group = group
        self.permission = permission
    }
}

/// The document of `?acl` (PutBucketAcl, PutObjectAcl): an owner with full control, and what a canned ACL gives.
package struct AccessControlPolicy: ConfigurationDocument {
    package static let root: StaticString = "AccessControlPolicy"
    package static let grantsMax = 100

    package var owner: String
    package var acl: CannedACL

    package init(owner: String, acl: CannedACL) {
        self.owner = owner
        self.acl = acl
    }

    /// - Throws: ``ConfigurationError`` `MalformedACLError`; `NotImplemented` for grants that no canned ACL stands for:
    ///   single accounts are given access by policies.
    package init(_ root: XMLElement) throws(ConfigurationError) {
        do {
            try self.init(checked: root)
        } catch {
            // S3 has a name of its own for a document of ACLs that is none.
            throw error.code == .malformedXML ? ConfigurationError(.malformedACL, error.message) : error
        }
    }

    private init(checked root: XMLElement) throws(ConfigurationError) {
        try root.allow("Owner", "AccessControlList")
        let owner = try root.required("Owner").required("ID").text
        let list = try root.required("AccessControlList")
        try list.allow("Grant")
        guard list.children.count <= Self.grantsMax else {
            throw ConfigurationError(.malformedXML, "an ACL has up to \(Self.grantsMax) grants")
        }
        var grants: Set<AccessGrant> = []
        for grant in list.children {
            try grant.allow("Grantee", "Permission")
            let grantee = try grant.required("Grantee")
            guard let permission = try grant.choice("Permission", AccessPermission.self) else {
                throw ConfigurationError(.malformedXML, "a Grant has a Permission")
            }
            switch grantee.attributes["type"] {
            case "CanonicalUser":
                guard try grantee.required("ID").text == owner, permission == .fullControl else {
                    throw Self.unsupported("an account of its own")
                }
            case "Group":
                guard let group = AccessGroup(rawValue: try grantee.required("URI").text) else {
                    throw ConfigurationError(.invalidArgument, "Invalid group uri")
                }
                grants.insert(AccessGrant(group, permission))
            case "AmazonCustomerByEmail": throw Self.unsupported("an e-mail address")
            default: throw ConfigurationError(.malformedXML, "a Grantee is a CanonicalUser or a Group (xsi:type)")
            }
        }
        guard let acl = CannedACL.allCases.first(where: { Set($0.grants) == grants }) else {
            throw Self.unsupported("this set of permissions")
        }
        self.init(owner: owner, acl: acl)
    }

    private static func unsupported(_ what: String) -> ConfigurationError {
        ConfigurationError(
            .notImplemented, "an ACL cannot give access to \(what) here; a bucket policy can (PutBucketPolicy)")
    }

    package func write(to xml: inout XMLWriter) {
        Self.write(owner: owner, "Owner", [], to: &xml)
        xml.element("AccessControlList") { xml in
            xml.element("Grant") { xml in
                Self.write(owner: owner, "Grantee", Self.type("CanonicalUser"), to: &xml)
                xml.element("Permission", AccessPermission.fullControl.rawValue)
            }
            for grant in acl.grants {
                xml.element("Grant") { xml in
                    xml.open("Grantee", Self.type("Group"))
                    xml.element("URI", grant.group.rawValue)
                    xml.close("Grantee")
                    xml.element("Permission", grant.permission.rawValue)
                }
            }
        }
    }

    private static func type(_ name: String) -> [(StaticString, String)] {
        [("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"), ("xsi:type", name)]
    }

    private static func write(
        owner: String, _ element: StaticString, _ attributes: [(StaticString, String)], to xml: inout XMLWriter
    ) {
        xml.open(element, attributes)
        xml.element("ID", owner)
        xml.element("DisplayName", owner)
        xml.close(element)
    }
}
