import BucketConfiguration
import Ciphers
import Journal
import Vault
import Wire

/// With what an object is encrypted besides its collection's key.
package enum ObjectEncryption: Sendable, Hashable {
    /// Nothing (SSE-S3).
    case collection
    /// A key that the client sends with each request (SSE-C). `check` tells it from others, and from it nothing
    /// follows.
    case customer(check: [UInt8], origin: VersionID? = nil)
    /// One of the node's named keys (SSE-KMS).
    case kms(KMSUse)

    /// Whether the node can read what is encrypted so by itself.
    var isReadableByNode: Bool { if case .customer = self { false } else { true } }

    /// The version that data keys are made for: another one where this is a copy that shares its bytes.
    func origin(of version: VersionID) -> VersionID {
        switch self {
        case .collection: version
        case .customer(_, let origin): origin ?? version
        case .kms(let use): use.origin ?? version
        }
    }

    /// As it is for a copy that shares a version's bytes, and so their data keys. It takes no key to make one: what the
    /// copy is read with is what the version is read with.
    func shared(from version: VersionID) -> ObjectEncryption {
        switch self {
        case .collection: return self
        case .customer(let check, let origin): return .customer(check: check, origin: origin ?? version)
        case .kms(var use):
            use.origin = use.origin ?? version
            return .kms(use)
        }
    }

    /// What `versions` and `uploads` keep: the named key, and a JSON object. Nil twice for ``collection``.
    var stored: (key: String?, text: String?) {
        switch self {
        case .collection: return (nil, nil)
        case .customer(let check, let origin):
            var json = JSONWriter()
            json.object {
                $0.member("customer", Hex.encode(check))
                if let origin { $0.member("origin", origin.text) }
            }
            return (nil, json.text)
        case .kms(let use):
            var json = JSONWriter()
            json.object {
                $0.member("generation", use.generation)
                if let context = use.context { $0.member("context", context) }
                $0.member("bucketKey", use.usesBucketKey)
                if let origin = use.origin { $0.member("origin", origin.text) }
            }
            return (use.key, json.text)
        }
    }

    /// Reads ``stored``.
    ///
    /// - Throws: ``ObjectsError`` `.damaged`: to take such a row for one without further keys would be to lie.
    init(key: String?, text: String?) throws {
        guard key != nil || text != nil else {
            self = .collection
            return
        }
        let json = text.flatMap { try? JSONValue(parsing: $0) }
        let origin = json?["origin"]?.string.flatMap { VersionID($0) }
        if let key, let generation = json?["generation"]?.integer {
            self = .kms(
                KMSUse(
                    key: key, generation: generation, context: json?["context"]?.string,
                    usesBucketKey: json?["bucketKey"]?.bool == true, origin: origin))
        } else if key == nil, let check = json?["customer"]?.string.flatMap({ Hex.decode($0) }) {
            self = .customer(check: check, origin: origin)
        } else {
            throw ObjectsError(.damaged, "how a version is encrypted is not told by its row: it was altered")
        }
    }
}

/// Which of the node's named keys encrypts an object.
package struct KMSUse: Sendable, Hashable {
    /// The key's id.
    package var key: String
    package var generation: Int64
    /// What the client bound it to: the text of a JSON object.
    package var context: String?
    /// Whether the client asked for S3's bucket keys. It changes nothing here, and is told back.
    package var usesBucketKey: Bool
    var origin: VersionID?
}

/// A key of a client's own (SSE-C). It lives as long as the request that brought it: it is neither stored nor logged.
package struct CustomerKey: Sendable {
    package static let byteCount = AEADKey.byteCount

    fileprivate let key: AEADKey

    /// - Parameter bytes: ``byteCount`` of them.
    /// - Throws: ``CipherError`` for another count.
    package init(_ bytes: [UInt8]) throws {
        key = try AEADKey(bytes)
    }

    /// By what it is known again at one version.
    func check(of version: VersionID) throws -> [UInt8] {
        try key.derive(salt: version.bytes, info: Array("martlet customer key check".utf8))
    }
}

/// What a client, or a collection's settings, say of the encryption of a new object.
package enum EncryptionChoice: Sendable {
    /// What the collection's settings say; nothing beside the collection's key where they say nothing.
    case byDefault
    case collection
    case customer(CustomerKey)
    /// - Parameters:
    ///   - key: by id, alias or ARN; nil for the node's own key for S3.
    ///   - context: the text of a JSON object of strings.
    case kms(key: String?, context: String?, usesBucketKey: Bool)
}

/// How a new object is going to be encrypted.
package struct EncryptionPlan: Sendable {
    enum Kind: Sendable {
        case collection
        case customer(CustomerKey)
        case kms(KMSKey, context: String?, usesBucketKey: Bool)
    }

    let kind: Kind

    static let collection = EncryptionPlan(kind: .collection)

    /// The named key that the caller must be allowed to use.
    package var kmsKey: KMSKey? { if case .kms(let key, _, _) = kind { key } else { nil } }
    /// What the caller bound it to.
    package var context: String? { if case .kms(_, let context, _) = kind { context } else { nil } }

    /// What is kept of it with the version.
    func encryption(of version: VersionID) throws -> ObjectEncryption {
        switch kind {
        case .collection: .collection
        case .customer(let key): .customer(check: try key.check(of: version))
        case .kms(let key, let context, let usesBucketKey):
            .kms(KMSUse(key: key.id, generation: key.newest, context: context, usesBucketKey: usesBucketKey))
        }
    }

    func second() throws -> SecondKey? {
        switch kind {
        case .collection: nil
        case .customer(let key): .customer(key)
        case .kms(let key, let context, _): .kms(try key.opened(key.newest), context: context)
        }
    }
}

/// What opens an object that its collection's key alone does not.
package struct ObjectUnlock: Sendable {
    package var customerKey: CustomerKey?
    /// Whether a named key may be used: the gate was asked about it, or it is the node that reads for itself.
    package var usesNamedKeys: Bool

    package init(customerKey: CustomerKey? = nil, usesNamedKeys: Bool = false) {
        self.customerKey = customerKey
        self.usesNamedKeys = usesNamedKeys
    }

    package static let none = ObjectUnlock()
    /// For workers.
    package static let node = ObjectUnlock(usesNamedKeys: true)
}

extension ObjectEncryption {
    /// Checks that the key that came with a request is the one that a version or upload was encrypted with.
    ///
    /// - Throws: ``ObjectsError`` `.keyRequired` where there is none, `.keyNotApplicable` where none is needed,
    ///   `.wrongKey`.
    func check(_ customerKey: CustomerKey?, of version: VersionID) throws {
        switch (self, customerKey) {
        case (.customer, nil):
            throw ObjectsError(
                .keyRequired,
                "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."
            )
        case (.customer(let check, _), let key?):
            guard constantTimeEquals(try key.check(of: origin(of: version)), check) else {
                throw ObjectsError(.wrongKey, "the object was encrypted with another customer key")
            }
        case (_, nil): break
        case (_, _?):
            throw ObjectsError(
                .keyNotApplicable, "The encryption parameters are not applicable to this object.")
        }
    }
}

extension ObjectVersion {
    /// Checks what a request brings to open this version, before anything is told of it.
    ///
    /// - Throws: ``ObjectsError`` `.keyRequired`, `.keyNotApplicable`, `.wrongKey`.
    package func check(_ unlock: ObjectUnlock) throws { try encryption.check(unlock.customerKey, of: id) }

    /// Whether the node can read the content by itself.
    package var isReadableByNode: Bool { encryption.isReadableByNode }
}

/// What a data key is made with, besides the secret that the collection's key seals for it.
///
/// The secret goes the way of all data keys: rotations reseal it, and destroying the collection's key destroys it.
/// Without the second key no data key comes of it.
enum SecondKey: Sendable {
    case customer(CustomerKey)
    case kms(AEADKey, context: String?)

    func dataKey(from secret: AEADKey, _ binding: [UInt8]) throws -> AEADKey {
        var salt = secret.withUnsafeBytes { Array($0) }
        defer { wipe(&salt) }
        var bytes: [UInt8]
        switch self {
        case .customer(let customer):
            bytes = try customer.key.derive(salt: salt, info: Array("martlet customer data key ".utf8) + binding)
        case .kms(let key, let context):
            let context = DigestAlgorithm.sha256.hash(Array((context ?? "").utf8))
            bytes = try key.derive(salt: salt, info: Array("martlet kms data key ".utf8) + binding + context)
        }
        defer { wipe(&bytes) }
        return try AEADKey(bytes)
    }
}

/// What opens the data keys of one version.
struct VersionKeys: Sendable {
    var collection: CollectionKeys
    var second: SecondKey?
    var version: VersionID
    /// The version that the data keys are made for.
    var origin: VersionID

    /// - Parameter part: 0 for what is not in parts.
    func open(_ sealed: [UInt8], part: Int) throws -> AEADKey {
        let secret = try collection.openDataKey(sealed, version: version, part: part)
        return try second?.dataKey(from: secret, CollectionKeys.binding(origin, part)) ?? secret
    }
}

extension Objects {
    /// Decides how a new object of a collection is encrypted.
    ///
    /// - Throws: ``ObjectsError`` `.kmsNotFound`, `.kmsDisabled`, `.noSuchCollection`.
    package func encryptionPlan(_ choice: EncryptionChoice, in collection: String) async throws -> EncryptionPlan {
        switch choice {
        case .byDefault:
            guard let document = try await setting(.encryption, of: collection) else { return .collection }
            let configuration = try EncryptionConfiguration(parsing: Array(document.utf8))
            guard configuration.algorithm == .kms else { return .collection }
            return try await encryptionPlan(
                .kms(key: configuration.keyID, context: nil, usesBucketKey: configuration.usesBucketKey),
                in: collection)
        case .collection: return .collection
        case .customer(let key): return EncryptionPlan(kind: .customer(key))
        case .kms(let reference, let context, let usesBucketKey):
            let key = if let reference { try await kms.key(reference) } else { try await kms.managed() }
            try key.checkEnabled()
            journal.note(.use(ofKey: key.arn, for: "encrypt"))
            return EncryptionPlan(kind: .kms(key, context: context, usesBucketKey: usesBucketKey))
        }
    }

    /// What the collection's settings say, for a caller of whom the gate was asked nothing about keys.
    ///
    /// - Throws: ``ObjectsError`` `.kmsDenied` where that is a named key that not everybody may use.
    func defaultPlan(in collection: String, isSystem: Bool = false) async throws -> EncryptionPlan {
        let plan = try await encryptionPlan(.byDefault, in: collection)
        guard let key = plan.kmsKey, !key.isManaged, !isSystem else { return plan }
        throw ObjectsError(
            .kmsDenied, "objects of '\(collection)' are encrypted with \(key.arn), which this face does not use")
    }

    /// The keys that a version's bytes are read with.
    ///
    /// - Throws: ``ObjectsError`` `.keyDestroyed`, `.keyRequired`, `.wrongKey`, `.kmsDenied`, `.kmsDisabled`,
    ///   `.kmsDestroyed`.
    func versionKeys(of version: ObjectVersion, _ unlock: ObjectUnlock) async throws -> VersionKeys {
        let collection = try await keyring.key(ofCollection: version.collection)
        let second = try await secondKey(version.encryption, of: version.id, unlock)
        return VersionKeys(
            collection: collection, second: second, version: version.id,
            origin: version.encryption.origin(of: version.id))
    }

    func secondKey(
        _ encryption: ObjectEncryption, of version: VersionID, _ unlock: ObjectUnlock
    ) async throws -> SecondKey? {
        try encryption.check(unlock.customerKey, of: version)
        switch encryption {
        case .collection: return nil
        case .customer: return unlock.customerKey.map { .customer($0) }
        case .kms(let use):
            guard unlock.usesNamedKeys else {
                throw ObjectsError(
                    .kmsDenied, "the object is encrypted with the key \(use.key), which this face does not use")
            }
            let key = try await kms.key(use.key)
            try key.checkEnabled()
            journal.note(.use(ofKey: key.arn, for: "decrypt"))
            return .kms(try key.opened(use.generation), context: use.context)
        }
    }
}

extension AEADKey {
    /// 32 bytes that follow from the key (HKDF-SHA-256).
    fileprivate func derive(salt: [UInt8], info: [UInt8]) throws -> [UInt8] {
        var secret = withUnsafeBytes { Array($0) }
        defer { wipe(&secret) }
        return try hkdfSHA256(secret: secret, salt: salt, info: info, length: Self.byteCount)
    }
}
