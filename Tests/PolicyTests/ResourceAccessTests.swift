import BucketConfiguration
import Database
import IAMPolicy
import Journal
import TestSupport
import Testing
import Wire

@testable import Identity
@testable import Policy

/// What collections say, without a store.
private struct Said: ResourceAccessSource {
    var access: [String: ResourceAccess]
    var acls: [String: CannedACL] = [:]

    func access(ofCollection name: String) async throws -> ResourceAccess { access[name] ?? .none }
    func acl(ofObject key: String, version: String?, in collection: String) async throws -> CannedACL {
        acls[version ?? key] ?? .private
    }
    func tags(
        ofObject key: String, version: String?, in collection: String
    ) async throws -> [(key: String, value: String)] {
        version.map { [("version", $0)] } ?? []
    }
}

@Suite struct ResourceAccessTests {
    private let context = RequestContext(address: "192.0.2.7", isSecure: true)
    private let ada = Principal(accountID: 7, name: "ada", kind: .person, groups: [], method: .token, accessKeyID: nil)
    private let admin = Principal(
        accountID: 1, name: "admin", kind: .person, groups: [administrators], method: .token, accessKeyID: nil)

    private func document(_ effect: String, _ principal: String, _ action: String, _ more: String = "") -> String {
        """
        {"Statement": [{"Effect": "\(effect)", "Principal": \(principal), "Action": "\(action)",
        "Resource": ["arn:aws:s3:::eo", "arn:aws:s3:::eo/*"]\(more)}]}
        """
    }

    private func access(
        policy: String? = nil, acl: CannedACL = .private, block: PublicAccessBlock? = nil,
        ownership: OwnershipControls.Ownership? = nil
    ) throws -> ResourceAccess {
        try ResourceAccess(collection: "eo", policy: policy, acl: acl, block: block, ownership: ownership)
    }

    private func allows(
        _ access: ResourceAccess, _ principal: Principal, _ action: String, _ resource: String = "arn:aws:s3:::eo/k",
        objectACL: CannedACL = .private
    ) async throws -> Bool {
        try await TestEngine.sqlite.withDatabase(Journal.migrations + Identity.migrations + Policies.migrations) {
            let journal = Journal(database: $0, node: "test")
            let gate = Gate(
                policies: try Policies(journal: journal), journal: journal,
                resources: Said(access: ["eo": access], acls: ["k": objectACL]))
            return try await gate.decide(principal, action, on: resource, context).isAllowed
        }
    }

    @Test("a bucket policy allows whom it names; one for everybody allows nobody in particular too")
    func allow() async throws {
        let forAda = try access(
            policy: document("Allow", #"{"AWS": "arn:aws:iam::martlet:user/ada"}"#, "s3:GetObject"))
        #expect(try await allows(forAda, ada, "s3:GetObject"))
        #expect(try await !allows(forAda, .anonymous, "s3:GetObject"))
        #expect(try await !allows(forAda, ada, "s3:PutObject"))
        #expect(try await !allows(forAda, ada, "s3:GetObject", "arn:aws:s3:::other/k"))
        let forAll = try access(policy: document("Allow", #""*""#, "s3:GetObject"))
        #expect(try await allows(forAll, .anonymous, "s3:GetObject"))
        let forAccounts = try access(policy: document("Allow", #"{"AWS": "arn:aws:iam::martlet:*"}"#, "s3:GetObject"))
        #expect(try await allows(forAccounts, ada, "s3:GetObject"))
        #expect(try await !allows(forAccounts, .anonymous, "s3:GetObject"))
    }

    @Test("a deny of the bucket wins over everything but an administrator's way back")
    func deny() async throws {
        let closed = try access(policy: document("Deny", #""*""#, "s3:*"), acl: .publicReadWrite)
        #expect(try await !allows(closed, admin, "s3:GetObject"))
        #expect(try await !allows(closed, .anonymous, "s3:PutObject"))
        #expect(try await allows(closed, admin, "s3:DeleteBucketPolicy", "arn:aws:s3:::eo"))
        #expect(try await !allows(closed, ada, "s3:DeleteBucketPolicy", "arn:aws:s3:::eo"))
    }

    @Test("an ACL is a policy; the switches and the owner turn it off")
    func acls() async throws {
        let bucket = "arn:aws:s3:::eo"
        #expect(try await allows(access(acl: .publicRead), .anonymous, "s3:ListBucket", bucket))
        #expect(try await !allows(access(acl: .publicRead), .anonymous, "s3:GetObject"))
        #expect(try await !allows(access(acl: .publicRead), .anonymous, "s3:PutObject"))
        #expect(try await allows(access(acl: .publicReadWrite), .anonymous, "s3:PutObject"))
        #expect(try await !allows(access(acl: .authenticatedRead), .anonymous, "s3:ListBucket", bucket))
        #expect(try await allows(access(acl: .authenticatedRead), ada, "s3:ListBucket", bucket))
        #expect(try await allows(access(), .anonymous, "s3:GetObject", objectACL: .publicRead))
        #expect(try await !allows(access(), .anonymous, "s3:GetObject", objectACL: .authenticatedRead))
        #expect(try await allows(access(), ada, "s3:GetObject", objectACL: .authenticatedRead))
        #expect(try await !allows(access(), .anonymous, "s3:PutObject", objectACL: .publicReadWrite))
        var block = PublicAccessBlock()
        block.ignoresPublicACLs = true
        for off in [try access(acl: .publicRead, block: block), try access(ownership: .bucketOwnerEnforced)] {
            #expect(try await !allows(off, .anonymous, "s3:ListBucket", bucket))
            #expect(try await !allows(off, .anonymous, "s3:GetObject", objectACL: .publicRead))
        }
    }

    @Test("a public policy under RestrictPublicBuckets gives the public nothing, and others what it says")
    func restricted() async throws {
        var block = PublicAccessBlock()
        block.restrictsPublicBuckets = true
        let restricted = try access(policy: document("Allow", #""*""#, "s3:GetObject"), block: block)
        #expect(try await !allows(restricted, .anonymous, "s3:GetObject"))
        #expect(try await allows(restricted, ada, "s3:GetObject"))
        #expect(try await allows(restricted, .anonymous, "s3:GetObject", objectACL: .publicRead))
    }

    @Test(
        "a policy is public where a wildcard is kept to nothing fixed",
        arguments: [
            (#""*""#, "", true), (#"{"AWS": "*"}"#, "", true), (#"{"AWS": "arn:aws:iam::martlet:*"}"#, "", true),
            (#"{"AWS": "arn:aws:iam::martlet:user/ada"}"#, "", false),
            (#""*""#, #", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#, false),
            (#""*""#, #", "Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}"#, true),
            (#""*""#, #", "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#, true),
            (#""*""#, #", "Condition": {"StringEquals": {"aws:username": "ada"}}"#, false),
            (#""*""#, #", "Condition": {"StringLike": {"aws:username": "a*"}}"#, true),
            (#""*""#, #", "Condition": {"StringEquals": {"s3:prefix": "a"}}"#, true),
        ])
    func publicPolicies(principal: String, condition: String, isPublic: Bool) throws {
        let policy = document("Allow", principal, "s3:GetObject", condition)
        #expect(try ResourceAccess.check(policy: policy, of: "eo") == isPublic)
        #expect(try access(policy: policy).isPolicyPublic == isPublic)
        #expect(try !ResourceAccess.check(policy: document("Deny", principal, "s3:GetObject", condition), of: "eo"))
    }

    @Test("a policy speaks of its own bucket and of S3's actions")
    func checks() {
        for (policy, bucket) in [
            (document("Allow", #""*""#, "s3:GetObject"), "other"), (document("Allow", #""*""#, "s3:GetObject"), "e"),
            (document("Allow", #""*""#, "iam:CreateUser"), "eo"), ("{}", "eo"), ("", "eo"),
            (document("Allow", #""*""#, "s3:GetObject").replacing(#""Principal": "*", "#, with: ""), "eo"),
        ] {
            #expect(throws: PolicyStoreError.self) { try ResourceAccess.check(policy: policy, of: bucket) }
        }
    }
}
