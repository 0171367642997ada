import BucketConfiguration
import Testing
import Wire

@Suite struct SettingsTests {
    private func tags(_ count: Int) -> String {
        "<TagSet>" + (0..<count).map { "<Tag><Key>k\($0)</Key><Value>v</Value></Tag>" }.joined() + "</TagSet>"
    }

    @Test("tags have S3's limits and characters, in XML and in the header")
    func tagging() throws {
        let header = try TagSet(header: "project=eo+1&empty=&gr%C3%B6%C3%9Fe=a%2Fb")
        #expect(header.tags.map(\.key) == ["project", "empty", "größe"] && header.tags[0].value == "eo 1")
        #expect(try TagSet(header: header.header) == header && header.isStable)
        #expect(try TagSet(header: "").tags.isEmpty)
        #expect(TagSet.fault(tags(50)) == nil && TagSet.fault(tags(51)) == "BadRequest")
        #expect(throws: ConfigurationError.self) { try TagSet.parse(tags(11)).checkForObject() }
        let long = String(repeating: "k", count: 129)
        for (document, code) in [
            ("<Tag><Key>\(long)</Key><Value/></Tag>", "InvalidTag"), ("<Tag><Key/><Value/></Tag>", "InvalidTag"),
            ("<Tag><Key>a;b</Key><Value/></Tag>", "InvalidTag"), ("<Tag><Key>aws:x</Key><Value/></Tag>", "InvalidTag"),
            ("<Tag><Key>a</Key><Value>\(long)\(long)</Value></Tag>", "InvalidTag"),
            ("<Tag><Key>a</Key><Value/></Tag><Tag><Key>a</Key><Value/></Tag>", "InvalidTag"),
            ("<Tag><Key>a</Key></Tag>", "MalformedXML"),
        ] {
            #expect(TagSet.fault("<TagSet>\(document)</TagSet>") == code, "\(document.prefix(40))")
        }
        #expect(throws: ConfigurationError.self) { try TagSet(header: "a=%zz") }
        #expect(throws: ConfigurationError.self) { try TagSet(header: "a=1&a=2") }
    }

    @Test("the switches of public access are off where they are not named")
    func publicAccess() throws {
        let block = try PublicAccessBlock.parse("<BlockPublicAcls>TRUE</BlockPublicAcls>")
        #expect(block.blocksPublicACLs && !block.ignoresPublicACLs && block.isStable)
        #expect(PublicAccessBlock.fault("<BlockPublicAcls>yes</BlockPublicAcls>") == "MalformedXML")
        let controls = try OwnershipControls.parse(
            "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>")
        #expect(controls.ownership == .bucketOwnerEnforced && controls.isStable)
        #expect(OwnershipControls.fault("<Rule><ObjectOwnership>Me</ObjectOwnership></Rule>") == "MalformedXML")
        #expect(OwnershipControls.fault("") == "MalformedXML")
    }

    @Test("default encryption is AES256, or a key service's")
    func encryption() throws {
        func rule(_ inside: String, _ more: String = "") -> String {
            "<Rule><ApplyServerSideEncryptionByDefault>\(inside)</ApplyServerSideEncryptionByDefault>\(more)</Rule>"
        }
        let kms = try EncryptionConfiguration.parse(
            rule(
                "<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>",
                "<BucketKeyEnabled>true</BucketKeyEnabled>"))
        #expect(kms.algorithm == .kms && kms.keyID == "k" && kms.usesBucketKey && kms.isStable)
        #expect(EncryptionConfiguration().isStable)
        #expect(EncryptionConfiguration.fault(rule("<SSEAlgorithm>DES</SSEAlgorithm>")) == "MalformedXML")
        #expect(
            EncryptionConfiguration.fault(
                rule("<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>")) == "InvalidArgument")
    }

    @Test("a lock has days or years, a retention both its parts, a hold its status")
    func locks() throws {
        func lock(_ inside: String) -> String {
            "<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\(inside)</DefaultRetention></Rule>"
        }
        let years = try ObjectLockConfiguration.parse(lock("<Mode>COMPLIANCE</Mode><Years>1</Years>"))
        #expect(years.isStable && years.defaultRetention?.mode == .compliance)
        let leap = try #require(Timestamp(year: 2024, month: 2, day: 29))
        #expect(years.defaultRetention?.end(from: leap) == Timestamp(year: 2025, month: 3, day: 1))
        #expect(try ObjectLockConfiguration.parse("<ObjectLockEnabled>Enabled</ObjectLockEnabled>").isStable)
        for (inside, code) in [
            ("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>", "MalformedXML"),
            ("<Mode>GOVERNANCE</Mode>", "MalformedXML"), ("<Days>1</Days>", "MalformedXML"),
            ("<Mode>GOVERNANCE</Mode><Days>0</Days>", "InvalidArgument"),
            ("<Mode>GOVERNANCE</Mode><Days>36501</Days>", "InvalidArgument"),
            ("<Mode>governance</Mode><Days>1</Days>", "MalformedXML"),
        ] {
            #expect(ObjectLockConfiguration.fault(lock(inside)) == code, "\(inside)")
        }
        let retention = try Retention.parse(
            "<Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00.000Z</RetainUntilDate>")
        #expect(retention.isStable)
        #expect(throws: ConfigurationError.self) { try retention.check(now: try #require(retention.until)) }
        #expect(Retention.fault("<Mode>GOVERNANCE</Mode>") == "MalformedXML" && Retention.fault("") == nil)
        #expect(try LegalHold.parse("<Status>ON</Status>").status == .on)
        #expect(LegalHold.fault("<Status>on</Status>") == "MalformedXML")
    }

    @Test("an ACL is one of the canned ones, or refused")
    func acls() throws {
        for acl in CannedACL.allCases where acl != .bucketOwnerRead && acl != .bucketOwnerFullControl {
            let policy = AccessControlPolicy(owner: "ada", acl: acl)
            #expect(policy.isStable, "\(acl)")
        }
        let document = AccessControlPolicy(owner: "ada", acl: .publicRead)
        let text = String(decoding: document.bytes, as: UTF8.self)
        #expect(text.contains("AllUsers") && text.contains(#"xsi:type="Group""#))
        func fault(_ old: String, _ new: String) -> String? {
            do throws(ConfigurationError) {
                _ = try AccessControlPolicy(parsing: Array(text.split(separator: old).joined(separator: new).utf8))
                return nil
            } catch { return error.code.name }
        }
        #expect(fault("READ", "READ") == nil && fault("READ", "WRITE_ACP") == "NotImplemented")
        #expect(fault("READ", "SEE") == "MalformedACLError")
        #expect(fault("AllUsers", "Somebody") == "InvalidArgument")
        #expect(AccessControlPolicy.fault("") == "MalformedACLError")
        #expect(CannedACL.publicRead.objectActions.contains("s3:GetObject"))
        #expect(!CannedACL.publicRead.bucketActions.contains("s3:PutObject"))
        #expect(CannedACL.publicReadWrite.bucketActions.contains("s3:PutObject"))
        #expect(CannedACL.logDeliveryWrite.bucketActions.isEmpty && CannedACL.private.objectActions.isEmpty)
    }

    @Test("the small ones")
    func small() throws {
        let logging = try LoggingConfiguration.parse(
            """
            <LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix>p/</TargetPrefix><TargetObjectKeyFormat>
            <PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix>
            </TargetObjectKeyFormat></LoggingEnabled>
            """)
        #expect(logging.isStable && logging.target?.bucket == "logs")
        #expect(try LoggingConfiguration.parse("").target == nil)
        #expect(LoggingConfiguration.fault("<LoggingEnabled/>") == "MalformedXML")
        #expect(try VersioningConfiguration.parse("<Status>Suspended</Status>").status == .suspended)
        #expect(VersioningConfiguration.fault("") == "IllegalVersioningConfigurationException")
        #expect(try RequestPayment.parse("<Payer>Requester</Payer>").payer == .requester)
        #expect(RequestPayment.fault("<Payer>Nobody</Payer>") == "MalformedXML")
        #expect(AccelerateConfiguration.fault("<Status>On</Status>") == "MalformedXML")
        #expect(WebsiteConfiguration.fault("") == "InvalidArgument")
        #expect(WebsiteConfiguration.fault("<IndexDocument><Suffix>index.html</Suffix></IndexDocument>") == nil)
    }

    @Test("a new bucket has a region and tags, and is no directory bucket")
    func newBucket() throws {
        let asked = try NewBucketConfiguration.parse(
            """
            <LocationConstraint>eu-north-1</LocationConstraint><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>
            """)
        #expect(asked.isStable && asked.region == "eu-north-1" && asked.tags?.tags == [.init(key: "a", value: "b")])
        #expect(try NewBucketConfiguration.parse("").tags == nil)
        #expect(NewBucketConfiguration.fault("<Bucket><Type>Directory</Type></Bucket>") == "NotImplemented")
        #expect(NewBucketConfiguration.fault("<Colour>blue</Colour>") == "MalformedXML")
        #expect(NewBucketConfiguration.fault("<Tags><Tag><Key>a</Key></Tag></Tags>") == "MalformedXML")
    }
}
