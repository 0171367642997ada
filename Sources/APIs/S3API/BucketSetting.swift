import BucketConfiguration
import NIOHTTP1
import Objects

/// What can be set for a bucket by a document of its own, by the name of its sub-resource.
enum BucketSetting: String, Sendable, CaseIterable {
    case policy, cors, tagging, lifecycle, website, encryption, publicAccessBlock, ownershipControls
    case logging, notification, requestPayment, accelerate
    case objectLock = "object-lock"

    var name: SettingName { SettingName(rawValue) }

    /// The actions of S3 have names of their own ("Actions, resources, and condition keys for Amazon S3").
    var readAction: String { "s3:Get" + actionName }
    /// DELETE of most asks for the right to PUT.
    var writeAction: String { "s3:Put" + actionName }
    var deleteAction: String { self == .policy ? "s3:DeleteBucketPolicy" : writeAction }

    private var actionName: String {
        switch self {
        case .policy: "BucketPolicy"
        case .cors: "BucketCORS"
        case .tagging: "BucketTagging"
        case .lifecycle: "LifecycleConfiguration"
        case .website: "BucketWebsite"
        case .encryption: "EncryptionConfiguration"
        case .publicAccessBlock: "BucketPublicAccessBlock"
        case .ownershipControls: "BucketOwnershipControls"
        case .logging: "BucketLogging"
        case .notification: "BucketNotification"
        case .requestPayment: "BucketRequestPayment"
        case .accelerate: "AccelerateConfiguration"
        case .objectLock: "BucketObjectLockConfiguration"
        }
    }

    /// Whether S3 has a DELETE for it. The others are set to nothing by a PUT.
    var isDeletable: Bool {
        switch self {
        case .policy, .cors, .tagging, .lifecycle, .website, .encryption, .publicAccessBlock, .ownershipControls: true
        case .logging, .notification, .requestPayment, .accelerate, .objectLock: false
        }
    }

    /// S3's error where it was not set; nil where ``unset`` is the answer.
    var missing: S3Error.Code? {
        switch self {
        case .policy: .init("NoSuchBucketPolicy", .notFound)
        case .objectLock: .init("ObjectLockConfigurationNotFoundError", .notFound)
        case .cors: .init("NoSuchCORSConfiguration", .notFound)
        case .tagging: .init("NoSuchTagSet", .notFound)
        case .lifecycle: .init("NoSuchLifecycleConfiguration", .notFound)
        case .website: .init("NoSuchWebsiteConfiguration", .notFound)
        case .publicAccessBlock: .init("NoSuchPublicAccessBlockConfiguration", .notFound)
        case .ownershipControls: .init("OwnershipControlsNotFoundError", .notFound)
        case .encryption, .logging, .notification, .requestPayment, .accelerate: nil
        }
    }

    /// The document of a bucket that was told nothing.
    var unset: [UInt8] {
        switch self {
        case .encryption: EncryptionConfiguration().bytes
        case .logging: LoggingConfiguration().bytes
        case .notification: NotificationConfiguration().bytes
        case .requestPayment: RequestPayment().bytes
        case .accelerate: AccelerateConfiguration().bytes
        default: []
        }
    }
}
