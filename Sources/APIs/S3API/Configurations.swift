import BucketConfiguration
import HTTPSupport
import IAMPolicy
import Identity
import NIOHTTP1
import Notifications
import Objects
import Policy
import Wire

// GET, PUT and DELETE of a bucket's settings. What was handed in is kept in its normal form and given back as it is.
extension S3Service {
    func getConfiguration(_ setting: BucketSetting, _ bucket: String, _ caller: Caller) async throws -> Response {
        try await require(caller, setting.readAction, on: bucket)
        let type = setting == .policy ? "application/json" : "application/xml"
        if let document = try await objects.setting(setting.name, of: bucket) {
            return Response(.ok, type: type, text: document)
        }
        if setting == .objectLock, try await objects.collection(bucket).hasObjectLock {
            return Response(.ok, type: type, bytes: ObjectLockConfiguration().bytes)
        }
        if let missing = setting.missing {
            throw S3Error(missing, "the bucket '\(bucket)' has no \(setting.rawValue) configuration")
        }
        return Response(.ok, type: type, bytes: setting.unset)
    }

    func deleteConfiguration(_ setting: BucketSetting, _ bucket: String, _ caller: Caller) async throws -> Response {
        try await require(caller, setting.deleteAction, on: bucket)
        try await objects.deleteSetting(setting.name, of: bucket, by: caller.principal.name)
        return Response(.noContent)
    }

    func putConfiguration(
        _ setting: BucketSetting, _ bucket: String, _ request: Request, _ caller: Caller
    ) async throws -> Response {
        try await require(caller, setting.writeAction, on: bucket)
        // Before the body is looked at: a configuration is never taken for a new bucket.
        _ = try await objects.collection(bucket)
        let body = try await Payload(request, caller).collect(upTo: ConfigurationLimits.bytesMax)
        if let document = try await document(setting, bucket, body, caller) {
            if setting == .objectLock { try await objects.enableObjectLock(of: bucket, by: caller.principal.name) }
            try await objects.putSetting(setting.name, of: bucket, to: document, by: caller.principal.name)
        } else {
            try await objects.deleteSetting(setting.name, of: bucket, by: caller.principal.name)
        }
        return Response(setting == .policy ? .noContent : .ok)
    }

    /// What is kept of a body; nil where it says that nothing is set.
    ///
    /// - Throws: ``S3Error`` `NotImplemented` for what would be a promise that is not kept.
    private func document(
        _ setting: BucketSetting, _ bucket: String, _ body: [UInt8], _ caller: Caller
    ) async throws -> String? {
        switch setting {
        case .policy: return try await policy(body, bucket)
        case .cors: return text(try CORSConfiguration(parsing: body))
        case .lifecycle: return text(try LifecycleConfiguration(parsing: body))
        case .publicAccessBlock: return text(try PublicAccessBlock(parsing: body))
        case .objectLock:
            let lock = try ObjectLockConfiguration(parsing: body)
            guard try await objects.collection(bucket).versioning != .off else {
                throw S3Error(
                    .invalidBucketState,
                    "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
            }
            return text(lock)
        case .tagging:
            let tags = try TagSet(parsing: body)
            return tags.tags.isEmpty ? nil : text(tags)
        case .encryption:
            let encryption = try EncryptionConfiguration(parsing: body)
            guard encryption.algorithm != .kmsDualLayer else {
                throw S3Error(.notImplemented, "dual-layer encryption is not implemented: use aws:kms or AES256")
            }
            return text(encryption)
        case .ownershipControls:
            let controls = try OwnershipControls(parsing: body)
            if controls.ownership == .bucketOwnerEnforced, try await objects.access(ofCollection: bucket).acl.isPublic {
                throw S3Error(
                    .invalidBucketACLWithObjectOwnership,
                    "the bucket has a public ACL, which BucketOwnerEnforced would turn off: set it to private first")
            }
            return text(controls)
        case .logging: return try await logging(try LoggingConfiguration(parsing: body), caller)
        case .notification: return try await notification(try NotificationConfiguration(parsing: body))
        case .requestPayment:
            guard try RequestPayment(parsing: body).payer == .bucketOwner else {
                throw S3Error(.notImplemented, "nobody pays for requests here")
            }
            return nil
        case .accelerate:
            _ = try AccelerateConfiguration(parsing: body)
            throw S3Error(.notImplemented, "there is no transfer acceleration here")
        case .website:
            _ = try WebsiteConfiguration(parsing: body)
            throw S3Error(.notImplemented, "buckets are not served as web sites: website is off on this node")
        }
    }

    private func text(_ document: some ConfigurationDocument) -> String {
        String(decoding: document.bytes, as: UTF8.self)
    }

    private func policy(_ body: [UInt8], _ bucket: String) async throws -> String {
        let malformed = S3Error.Code("MalformedPolicy", .badRequest)
        guard let text = String(validating: body, as: UTF8.self), text.utf8.first == UInt8(ascii: "{") else {
            throw S3Error(malformed, "Policies must be valid JSON and the first byte must be '{'")
        }
        let isPublic: Bool
        do throws(PolicyStoreError) {
            isPublic = try ResourceAccess.check(policy: text, of: bucket)
        } catch {
            throw S3Error(malformed, error.message)
        }
        if isPublic, try await objects.access(ofCollection: bucket).block.blocksPublicPolicy {
            throw S3Error(
                .accessDenied, "the bucket's public access block refuses public policies (BlockPublicPolicy)")
        }
        return text
    }

    private func logging(_ logging: LoggingConfiguration, _ caller: Caller) async throws -> String? {
        guard let target = logging.target else { return nil }
        do {
            _ = try await objects.collection(target.bucket)
        } catch let error as ObjectsError where error.code == .noSuchCollection {
            throw S3Error(
                .init("InvalidTargetBucketForLogging", .badRequest), "The target bucket for logging does not exist")
        }
        // Nobody has logs written where they might not write themselves.
        try await require(
            caller, "s3:PutObject", on: ObjectAddress(bucket: target.bucket, key: target.prefix + "*"))
        return text(logging)
    }

    private func notification(_ notification: NotificationConfiguration) async throws -> String? {
        for target in notification.targets {
            switch target.destination {
            case .address(let url):
                guard !PublicAddress.isForbidden(host: PublicAddress.host(ofURL: url)) else {
                    throw Self.unknown(
                        target, "events go into the node's own network only by a webhook of its operator")
                }
            case .name(let name):
                guard try await notifications.address(of: name) != nil else {
                    throw Self.unknown(target, "there is no webhook of that name")
                }
            case nil:
                throw Self.unknown(
                    target, "a destination here is \(NotificationTarget.webhookPrefix)NAME or …:https://host/path")
            }
        }
        return notification.targets.isEmpty ? nil : text(notification)
    }

    private static func unknown(_ target: NotificationTarget, _ reason: String) -> S3Error {
        S3Error(
            .invalidArgument,
            "Unable to validate the following destination configurations: '\(target.arn.prefix(200))': \(reason)")
    }

    /// Whether the public may do something, by policy alone (GetBucketPolicyStatus).
    func getPolicyStatus(_ bucket: String, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:GetBucketPolicyStatus", on: bucket)
        guard try await objects.setting(.policy, of: bucket) != nil else {
            throw S3Error(.init("NoSuchBucketPolicy", .notFound), "the bucket '\(bucket)' has no policy")
        }
        let isPublic = try await objects.access(ofCollection: bucket).isPolicyPublic
        return Self.xml("PolicyStatus") { $0.element("IsPublic", isPublic) }
    }
}
