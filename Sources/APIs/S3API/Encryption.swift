import Ciphers
import HTTPSupport
import Identity
import NIOHTTP1
import Objects
import Policy
import Wire

// SSE-S3, SSE-KMS and SSE-C (Amazon S3 User Guide, "Protecting data with server-side encryption"): the headers between
// S3 and Core.
extension S3Service {
    /// How a request wants its object encrypted; what the bucket's settings say where it does not say it. The caller
    /// has to be allowed to use a named key.
    func encryptionPlan(
        of request: Request, in address: ObjectAddress, _ caller: Caller
    ) async throws -> EncryptionPlan {
        try await gate.encryptionPlan(encryptionChoice(of: request), in: address.bucket, of: objects, caller)
    }

    private func encryptionChoice(of request: Request) throws -> EncryptionChoice {
        let headers = EncryptionHeaders(request)
        guard headers.areThere else { return .byDefault }
        let algorithm = request.header("x-amz-server-side-encryption")
        if let customer = try customerKey(of: request, headers) {
            guard algorithm == nil else {
                throw S3Error(
                    .invalidArgument,
                    "Server Side Encryption with Customer provided key is incompatible with the encryption method specified"
                )
            }
            return .customer(customer)
        }
        let key = request.header("x-amz-server-side-encryption-aws-kms-key-id")
        let context = request.header("x-amz-server-side-encryption-context")
        switch algorithm {
        case "aws:kms":
            return .kms(
                key: key, context: try context.map(Self.context),
                usesBucketKey: request.header("x-amz-server-side-encryption-bucket-key-enabled")?.lowercased() == "true"
            )
        case "aws:kms:dsse":
            throw S3Error(.notImplemented, "dual-layer encryption is not implemented: use aws:kms or AES256")
        case nil, "AES256":
            guard key == nil, context == nil else {
                throw S3Error(
                    .invalidArgument,
                    "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms"
                )
            }
            return algorithm == nil ? .byDefault : .collection
        default: throw S3Error(.invalidArgument, "The encryption method specified is not supported")
        }
    }

    /// An encryption context: base64 of a JSON object of strings. The same one is always the same text.
    private static func context(_ header: String) throws -> String {
        let json = Base64.decode(header).flatMap { try? JSONValue(parsing: $0) }
        guard let members = json?.object?.members, members.allSatisfy({ $0.value.string != nil }),
            header.utf8.count <= 8192
        else {
            throw S3Error(
                .invalidArgument,
                "x-amz-server-side-encryption-context is the base64 of a JSON object with strings, at most 8,192 bytes")
        }
        var text = JSONWriter()
        text.object { text in
            for member in members.sorted(by: { $0.name < $1.name }) {
                text.member(member.name, member.value.string ?? "")
            }
        }
        return text.text
    }

    // MARK: Reading

    /// What a version is read with. The key of a customer is in the request; a named one the caller has to be allowed
    /// to use.
    ///
    /// - Parameter source: whether the version is the source of a copy: then the headers have other names.
    /// - Throws: ``S3Error``, ``ObjectsError``, ``AccessDenied`` before anything is told of the object.
    func unlock(
        _ version: ObjectVersion, _ request: Request, _ caller: Caller, isSource: Bool = false
    ) async throws -> ObjectUnlock {
        let key = try customerKey(of: request, EncryptionHeaders(request, isSource: isSource))
        try version.check(ObjectUnlock(customerKey: key))
        return try await gate.unlock(version.encryption, with: key, of: objects, caller)
    }

    /// Checks the key of a customer where no bytes are read.
    func checkKey(of version: ObjectVersion, _ request: Request) throws {
        try version.check(ObjectUnlock(customerKey: try customerKey(of: request, EncryptionHeaders(request))))
    }

    /// What a part of an upload is encrypted with.
    func unlock(_ upload: Upload, _ request: Request, _ caller: Caller) async throws -> ObjectUnlock {
        let key = try customerKey(of: request, EncryptionHeaders(request))
        switch (upload.encryption, key) {
        case (.customer, nil):
            throw S3Error(
                .invalidRequest,
                "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters."
            )
        case (.collection, _?), (.kms, _?):
            throw S3Error(
                .invalidRequest,
                "The multipart upload initiate did not request encryption. Please resend the request without sending encryption parameters."
            )
        default: break
        }
        return try await gate.unlock(
            upload.encryption, with: key, of: objects, caller, action: "kms:GenerateDataKey")
    }

    // MARK: Customers' keys

    /// The key in a request, checked.
    ///
    /// - Throws: ``S3Error`` `InvalidRequest` over a connection that others can read.
    func customerKey(of request: Request, _ headers: EncryptionHeaders) throws -> CustomerKey? {
        guard headers.areThere, headers.algorithm != nil || headers.key != nil || headers.digest != nil else {
            return nil
        }
        func invalid(_ message: String) -> S3Error {
            S3Error(
                .invalidArgument,
                "Requests specifying Server Side Encryption with Customer provided keys must " + message)
        }
        guard acceptsKeys(over: request.connection) else {
            throw S3Error(
                .invalidRequest,
                "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection."
            )
        }
        guard let algorithm = headers.algorithm else { throw invalid("provide a valid encryption algorithm.") }
        guard algorithm == "AES256" else {
            throw S3Error(
                .init("InvalidEncryptionAlgorithmError", .badRequest),
                "The Encryption request you specified is not valid. Supported value: AES256.")
        }
        guard let text = headers.key else { throw invalid("provide an appropriate secret key.") }
        guard let digest = headers.digest else {
            throw invalid("provide the client calculated MD5 of the secret key.")
        }
        guard var bytes = Base64.decode(text), bytes.count == CustomerKey.byteCount else {
            throw S3Error(.invalidArgument, "The secret key was invalid for the specified algorithm.")
        }
        defer { for index in bytes.indices { bytes[index] = 0 } }
        guard Base64.decode(digest) == DigestAlgorithm.md5.hash(bytes) else {
            throw S3Error(
                .invalidArgument,
                "The calculated MD5 hash of the key did not match the hash that was provided.")
        }
        return try CustomerKey(bytes)
    }

    /// Whether a key may come this way: over TLS, from this machine itself, or through a proxy that speaks TLS with the
    /// clients, which `s3-url` tells.
    private func acceptsKeys(over connection: ConnectionInfo) -> Bool {
        connection.isSecure || isBehindTLS || connection.isLoopback
    }

    /// Whether a request says how its object is to be encrypted.
    func changesEncryption(_ request: Request) -> Bool {
        EncryptionHeaders(request).areThere || EncryptionHeaders(request, isSource: true).areThere
    }
}

/// The headers by which a request speaks of a customer's key.
struct EncryptionHeaders {
    /// Whether there are any of encryption at all: most requests have none, and pay for no more than this.
    let areThere: Bool
    private(set) var algorithm: String?
    private(set) var key: String?
    private(set) var digest: String?

    init(_ request: Request, isSource: Bool = false) {
        let prefix = (isSource ? "x-amz-copy-source-" : "x-amz-") + "server-side-encryption"
        areThere = request.headers.contains { name, _ in
            name.utf8.count >= prefix.utf8.count && name.lowercased().hasPrefix(prefix)
        }
        guard areThere else { return }
        algorithm = request.header(prefix + "-customer-algorithm")
        key = request.header(prefix + "-customer-key")
        digest = request.header(prefix + "-customer-key-md5")
    }
}

extension HTTPHeaders {
    /// What an answer says of an object's encryption.
    mutating func add(_ encryption: ObjectEncryption, _ request: Request) {
        switch encryption {
        case .collection: add(name: "x-amz-server-side-encryption", value: "AES256")
        case .customer:
            add(name: "x-amz-server-side-encryption-customer-algorithm", value: "AES256")
            if let digest = request.header("x-amz-server-side-encryption-customer-key-md5") {
                add(name: "x-amz-server-side-encryption-customer-key-MD5", value: digest)
            }
        case .kms(let use):
            add(name: "x-amz-server-side-encryption", value: "aws:kms")
            add(name: "x-amz-server-side-encryption-aws-kms-key-id", value: KMSKey.arn(use.key))
            if use.usesBucketKey { add(name: "x-amz-server-side-encryption-bucket-key-enabled", value: "true") }
        }
    }
}
