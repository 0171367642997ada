import Blobs
package import BucketConfiguration
import Ciphers
package import Wire

/// A set of products under one name: an S3 bucket, a STAC collection, a WebDAV top folder.
package struct Collection: Sendable, Hashable {
    package var id: Int64
    package var name: String
    /// The account that made it.
    package var owner: String
    package var created: Timestamp
    package var versioning: Versioning
    /// Whether its objects can be locked against deletion.
    package var hasObjectLock: Bool
    /// Whether it or its space has a quota.
    package var hasQuota = false
}

/// What becomes of an object that is written again or deleted.
package enum Versioning: String, Sendable {
    /// It is gone: a key has one version, called `null`.
    case off
    /// It is kept as a version of its own.
    case enabled
    /// Versions that there are stay; new ones are called `null`, and replace each other.
    case suspended
}

/// Names one version of one object for good. Its first six bytes are the time of its making in milliseconds (as in UUID
/// version 7), so that rows made one after the other lie side by side in their index.
package struct VersionID: Sendable, Hashable {
    package let bytes: [UInt8]

    init() {
        let milliseconds = UInt64(Timestamp.now.microseconds / 1000)
        var bytes = randomBytes(16)
        for i in 0..<6 { bytes[i] = UInt8(truncatingIfNeeded: milliseconds >> UInt64(40 - 8 * i)) }
        self.bytes = bytes
    }

    init(stored bytes: [UInt8]) { self.bytes = bytes }

    /// Reads 32 hexadecimal digits.
    package init?(_ text: String) {
        guard let bytes = Hex.decode(text), bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    package var text: String { Hex.encode(bytes) }
}

/// One immutable version of an object.
package struct ObjectVersion: Sendable {
    package var id: VersionID
    package var collection: Int64
    package var key: String
    /// Its place in the history of everything: the TID, and the place in the transaction (20 bits).
    package var number: Int64 = 0
    /// Whether it says that the key was deleted; it then has no content.
    package var isDeleteMarker = false
    /// Whether clients call it `null`: written while versioning was not enabled.
    package var isNull = true
    package var isCurrent = true
    package var created: Timestamp
    package var size: Int64
    /// Unquoted: the MD5 in hexadecimal, or `MD5-of-MD5s-N` for an object of N parts. Random under a customer's key.
    package var etag: String
    /// BLAKE3 of the whole content. Nil for an object of several parts until the Tracer has read it once, and under a
    /// customer's key: a digest would tell of the content.
    package var digest: [UInt8]?
    package var contentType: String
    /// The other headers that the client gave and gets back: `cache-control`, `x-amz-meta-…`; names in lower case.
    package var headers: [HeaderField]
    package var checksum: ObjectChecksum?
    /// How many parts a multipart upload had; 0 for a plain PUT.
    package var partCount: Int

    /// Tags in the order in which they were given.
    package var tags: [HeaderField] = []
    package var retention: ObjectRetention?
    /// Whether it may not be removed until somebody takes the hold off.
    package var hasLegalHold = false
    /// Whom it is open to, besides what policies say.
    package var acl = CannedACL.private
    package var encryption = ObjectEncryption.collection
    /// Why it is not given out; nil for all but a few.
    package var quarantine: Quarantine?

    var storage: Storage

    /// Names the object through all its versions, wherever it is moved: the number of the first. 0 until that is known.
    package var object: Int64 = 0

    /// The transaction that made it visible.
    package var tid: Int64 { number >> Self.ordinalBits }

    /// The version id as clients know it.
    package var name: String { isNull ? "null" : id.text }

    static let ordinalBits: Int64 = 20

    /// Where the bytes are. The number is in the database.
    enum Storage: Sendable {
        /// In the metadata store, in `inline_bytes`.
        case inline(sealedKey: [UInt8])
        case blob(BlobID, sealedKey: [UInt8])
        /// In the blobs of `parts`.
        case parts
    }
}

/// Until when a version may not be removed (S3 Object Lock).
package struct ObjectRetention: Sendable, Hashable {
    package var mode: RetentionMode
    package var until: Timestamp

    package init(mode: RetentionMode, until: Timestamp) {
        self.mode = mode
        self.until = until
    }
}

package struct HeaderField: Sendable, Hashable {
    package var name: String
    package var value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// The additional checksums of S3.
package enum ChecksumAlgorithm: String, Sendable, CaseIterable {
    case crc32 = "CRC32", crc32c = "CRC32C", crc64nvme = "CRC64NVME", sha1 = "SHA1", sha256 = "SHA256"
}

/// A checksum that is kept with an object and returned on request.
package struct ObjectChecksum: Sendable, Hashable {
    package enum Kind: String, Sendable {
        /// Of the whole content.
        case fullObject = "FULL_OBJECT"
        /// Of the checksums of the parts, one after the other.
        case composite = "COMPOSITE"
    }

    package var algorithm: ChecksumAlgorithm
    /// Base64; `-N` behind it for a composite one of N parts.
    package var value: String
    package var kind: Kind

    package init(algorithm: ChecksumAlgorithm, value: String, kind: Kind) {
        self.algorithm = algorithm
        self.value = value
        self.kind = kind
    }
}

/// What a client says of an object that it hands in.
package struct ObjectDescription: Sendable {
    package var contentType = "application/octet-stream"
    package var headers: [HeaderField] = []
    package var tags: [HeaderField] = []
    package var retention: ObjectRetention?
    package var hasLegalHold = false
    package var acl = CannedACL.private
    /// Nil for what the collection's settings say.
    package var encryption: EncryptionPlan?

    package init() {}
}

/// What a body has to be, where the client has said so. It is checked before anything becomes visible.
package struct BodyExpectations: Sendable {
    package var length: Int64?
    package var md5: [UInt8]?
    package var sha256: [UInt8]?
    /// Checksums to compute. One whose value came ahead of the body has it here.
    package var checksum: (algorithm: ChecksumAlgorithm, value: String?)?
    /// Asked once the body has ended, for values that follow it (trailers): algorithm and base64.
    package var trailing: (@Sendable () throws -> (algorithm: ChecksumAlgorithm, value: String)?)?
    /// Bytes beyond which the body is refused.
    package var lengthMax: Int64 = Limits.objectBytesMax
    /// How many bytes a quota has left, and which.
    var room: (bytes: Int64, quota: Quota)?

    package init() {}
}

package enum Limits {
    /// The largest body of one PUT, and of one part: 5 GiB, as in S3.
    package static let objectBytesMax: Int64 = 5 << 30
    /// The largest object: 5 TiB.
    package static let multipartBytesMax: Int64 = 5 << 40
    /// The smallest part that is not the last one: 5 MiB.
    package static let partBytesMin: Int64 = 5 << 20
    package static let partsMax = 10_000
    package static let keyBytesMax = 1024
    /// Objects that are moved, copied or removed together in one transaction.
    package static let treeObjectsMax = 10_000
    /// What clients call as they like; names are counted without this prefix.
    static let userPrefix = "x-amz-meta-"
    /// User metadata, names and values together: 2 KiB, as in S3.
    package static let userMetadataBytesMax = 2048
    /// All headers that are kept with an object, names and values together.
    package static let headerBytesMax = 8192
    /// Objects up to this size are kept in the metadata store. See docs/adr/0003.
    package static let inlineBytesMax: Int64 = 16 << 10
}
