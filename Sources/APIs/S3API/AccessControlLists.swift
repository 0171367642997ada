import BucketConfiguration
import HTTPSupport
import Identity
import NIOHTTP1
import Objects
import Policy
import Wire

// Access is a matter of policies. A canned ACL is what S3 makes of it: a short name for a resource policy.
extension S3Service {
    func getBucketACL(_ bucket: String, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:GetBucketAcl", on: bucket)
        let owner = try await objects.collection(bucket).owner
        let access = try await objects.access(ofCollection: bucket)
        return Self.answer(AccessControlPolicy(owner: owner, acl: access.hasACLs ? access.acl : .private))
    }

    func getObjectACL(_ address: ObjectAddress, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:GetObjectAcl", on: address)
        _ = try await objects.head(
            collection: address.bucket, key: address.key, version: address.version, readable: false)
        let owner = try await objects.collection(address.bucket).owner
        let hasACLs = try await objects.access(ofCollection: address.bucket).hasACLs
        let acl =
            hasACLs
            ? try await objects.acl(ofObject: address.key, version: address.version, in: address.bucket) : .private
        return Self.answer(AccessControlPolicy(owner: owner, acl: acl))
    }

    private static func answer(_ document: AccessControlPolicy) -> Response {
        Response(.ok, type: "application/xml", bytes: document.bytes)
    }

    func putBucketACL(_ bucket: String, _ request: Request, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:PutBucketAcl", on: bucket)
        let owner = try await objects.collection(bucket).owner
        let acl = try await handedIn(request, caller, owner: owner)
        try await check(acl, bucket)
        if acl.grants.isEmpty {
            try await objects.deleteSetting(.acl, of: bucket, by: caller.principal.name)
        } else {
            try await objects.putSetting(.acl, of: bucket, to: acl.rawValue, by: caller.principal.name)
        }
        return Response(.ok)
    }

    func putObjectACL(_ address: ObjectAddress, _ request: Request, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:PutObjectAcl", on: address)
        let version = try await objects.head(
            collection: address.bucket, key: address.key, version: address.version, readable: false)
        let owner = try await objects.collection(address.bucket).owner
        let acl = try await handedIn(request, caller, owner: owner)
        try await check(acl, address.bucket)
        try await objects.setACL(acl, of: version, in: address.bucket, by: caller.principal.name)
        return Response(.ok)
    }

    /// The settings that `x-amz-acl` and `x-amz-object-ownership` of a new bucket ask for.
    func newBucketAccess(
        _ bucket: String, _ request: Request, _ caller: Caller
    ) async throws -> [SettingName: String] {
        let acl = try Self.cannedACL(request) ?? .private
        let named = request.header("x-amz-object-ownership")
        let ownership = named.flatMap(OwnershipControls.Ownership.init(rawValue:))
        if let named, ownership == nil {
            throw S3Error(.invalidArgument, "Invalid x-amz-object-ownership header: '\(named.prefix(40))'")
        }
        if !acl.grants.isEmpty {
            guard ownership != .bucketOwnerEnforced else {
                throw S3Error(
                    .invalidBucketACLWithObjectOwnership,
                    "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
            }
            try await require(caller, "s3:PutBucketAcl", on: bucket)
        }
        var settings: [SettingName: String] = [:]
        if !acl.grants.isEmpty { settings[.acl] = acl.rawValue }
        if let ownership {
            try await require(caller, BucketSetting.ownershipControls.writeAction, on: bucket)
            settings[.ownershipControls] = String(decoding: OwnershipControls(ownership).bytes, as: UTF8.self)
        }
        return settings
    }

    /// The ACL of a `?acl`: in a header, or in the body.
    private func handedIn(_ request: Request, _ caller: Caller, owner: String) async throws -> CannedACL {
        let named = try Self.cannedACL(request)
        let body = try await Payload(request, caller).collect(upTo: 64 << 10)
        if let named {
            guard body.isEmpty else {
                throw S3Error(
                    .init("UnexpectedContent", .badRequest), "an ACL is in a header or in the body, not in both")
            }
            return named
        }
        guard !body.isEmpty else {
            throw S3Error(
                .init("MissingSecurityHeader", .badRequest), "a ?acl has x-amz-acl or an <AccessControlPolicy>")
        }
        let policy = try AccessControlPolicy(parsing: body)
        guard policy.owner == owner else {
            throw S3Error(.accessDenied, "the owner is '\(owner.prefix(64))', and an ACL does not change that")
        }
        return policy.acl
    }

    /// `x-amz-acl` of a request.
    ///
    /// - Throws: ``S3Error`` `InvalidArgument`; `AccessControlListNotSupported` for grants to single accounts.
    static func cannedACL(_ request: Request) throws -> CannedACL? {
        if let grant = request.headers.first(where: { $0.name.lowercased().hasPrefix("x-amz-grant-") }) {
            throw S3Error(
                .accessControlListNotSupported, "access is given by policies, not by \(grant.name.lowercased())")
        }
        guard let name = request.header("x-amz-acl") else { return nil }
        guard let acl = CannedACL(rawValue: name) else {
            let known = CannedACL.allCases.map(\.rawValue).joined(separator: ", ")
            throw S3Error(.invalidArgument, "x-amz-acl is one of \(known), not '\(name.prefix(40))'")
        }
        return acl
    }

    /// What a PUT, copy or new upload says of its object. It is private unless `x-amz-acl` says otherwise, and the
    /// caller may say so.
    func description(
        of request: Request, _ address: ObjectAddress, _ caller: Caller
    ) async throws -> ObjectDescription {
        var description = try ObjectHeaders.description(of: request)
        if let acl = try Self.cannedACL(request), acl.isPublic {
            try await require(caller, "s3:PutObjectAcl", on: address)
            try await check(acl, address.bucket)
            description.acl = acl
        }
        description.encryption = try await encryptionPlan(of: request, in: address, caller)
        return description
    }

    /// Refuses an ACL that the bucket does not let in. `private` and `bucket-owner-full-control` always are.
    private func check(_ acl: CannedACL, _ bucket: String) async throws {
        guard !acl.grants.isEmpty else { return }
        let access = try await objects.access(ofCollection: bucket)
        guard access.hasACLs else {
            throw S3Error(.accessControlListNotSupported, "The bucket does not allow ACLs (BucketOwnerEnforced)")
        }
        if acl.isPublic, access.block.blocksPublicACLs {
            throw S3Error(.accessDenied, "the bucket's public access block refuses public ACLs (BlockPublicAcls)")
        }
    }
}
