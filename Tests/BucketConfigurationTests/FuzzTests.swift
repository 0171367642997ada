import BucketConfiguration
import Testing
import Wire

/// Documents that are nearly right: a parser takes or refuses them, and what it takes reads back as the same.
@Suite struct FuzzTests {
    private static let rounds = 1500

    private static let cors = "<CORSConfiguration>\(CORSTests.rules)</CORSConfiguration>"
    private static let lifecycle = """
        <LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter><And><Prefix>p</Prefix><Tag><Key>k</Key>
        <Value>v</Value></Tag><ObjectSizeLessThan>9</ObjectSizeLessThan></And></Filter><Expiration><Days>40</Days>
        </Expiration><Transition><Days>30</Days><StorageClass>STANDARD_IA</StorageClass></Transition></Rule><Rule>
        <Status>Disabled</Status><Prefix/><NoncurrentVersionExpiration><NoncurrentDays>9</NoncurrentDays>
        <NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>
        """
    private static let notification = """
        <NotificationConfiguration><TopicConfiguration><Id>t</Id><Topic>arn:martlet:webhook:::https://a/b</Topic>
        <Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>p</Value></FilterRule>
        </S3Key></Filter></TopicConfiguration></NotificationConfiguration>
        """
    private static let lock = """
        <ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>COMPLIANCE
        </Mode><Days>10</Days></DefaultRetention></Rule></ObjectLockConfiguration>
        """
    private static let logging = """
        <BucketLoggingStatus><LoggingEnabled><TargetBucket>b</TargetBucket><TargetPrefix>p</TargetPrefix>
        <TargetObjectKeyFormat><SimplePrefix/></TargetObjectKeyFormat></LoggingEnabled></BucketLoggingStatus>
        """
    private static let encryption = """
        <ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>
        <KMSMasterKeyID>k</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled>
        </Rule></ServerSideEncryptionConfiguration>
        """

    private struct Random {
        var state: UInt64

        mutating func below(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
    }

    private func fuzz<Document: ConfigurationDocument>(_ type: Document.Type, _ text: String) throws {
        let seed = Array(text.utf8)
        _ = try Document(parsing: seed)
        var random = Random(state: 0x9E37_79B9_7F4A_7C15)
        for round in 0..<Self.rounds {
            var bytes = seed
            for _ in 0...random.below(3) {
                let place = random.below(bytes.count)
                let length = min(random.below(24), bytes.count - place)
                switch random.below(5) {
                case 0: bytes[place] = UInt8(random.below(256))
                case 1: bytes.removeSubrange(place..<(place + length))
                case 2: bytes.insert(contentsOf: bytes[place..<(place + length)], at: random.below(bytes.count))
                case 3: bytes.insert(contentsOf: Array("9223372036854775807".utf8), at: place)
                default: bytes.swapAt(place, random.below(bytes.count))
                }
                if bytes.isEmpty { bytes = seed }
            }
            if let taken = try? Document(parsing: bytes) {
                #expect(taken.isStable, "round \(round): \(String(decoding: bytes, as: UTF8.self))")
            }
        }
    }

    @Test("mutated documents are taken or refused, never worse")
    func documents() throws {
        try fuzz(CORSConfiguration.self, Self.cors)
        try fuzz(LifecycleConfiguration.self, Self.lifecycle)
        try fuzz(NotificationConfiguration.self, Self.notification)
        try fuzz(ObjectLockConfiguration.self, Self.lock)
        try fuzz(LoggingConfiguration.self, Self.logging)
        try fuzz(EncryptionConfiguration.self, Self.encryption)
        try fuzz(TagSet.self, "<Tagging><TagSet><Tag><Key>a b</Key><Value>c</Value></Tag></TagSet></Tagging>")
        try fuzz(
            Retention.self,
            "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>")
        try fuzz(LegalHold.self, "<LegalHold><Status>ON</Status></LegalHold>")
        try fuzz(
            VersioningConfiguration.self, "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
        try fuzz(
            OwnershipControls.self,
            "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>")
        try fuzz(
            PublicAccessBlock.self,
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>")
        try fuzz(
            AccessControlPolicy.self,
            String(decoding: AccessControlPolicy(owner: "ada", acl: .publicReadWrite).bytes, as: UTF8.self))
        try fuzz(
            NewBucketConfiguration.self,
            """
            <CreateBucketConfiguration><LocationConstraint>x</LocationConstraint><Tags><Tag><Key>a</Key>
            <Value>b</Value></Tag></Tags></CreateBucketConfiguration>
            """)
        try fuzz(
            RequestPayment.self, "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>")
        try fuzz(
            AccelerateConfiguration.self, "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>")
        try fuzz(
            WebsiteConfiguration.self,
            "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument></WebsiteConfiguration>")
    }

    @Test("mutated tagging headers are taken or refused, and read back as the same")
    func header() throws {
        let seed = Array("project=eo+1&gr%C3%B6%C3%9Fe=a%2Fb&x=".utf8)
        var random = Random(state: 88_172_645_463_325_252)
        for _ in 0..<5000 {
            var bytes = seed
            for _ in 0...random.below(3) { bytes[random.below(bytes.count)] = UInt8(random.below(128)) }
            let text = String(decoding: bytes, as: UTF8.self)
            if let tags = try? TagSet(header: text) {
                #expect(try TagSet(header: tags.header) == tags, "\(text)")
            }
        }
    }
}
