import Crypto
package import Wire

/// What the transparency log holds of a trace: digests and names, below 1 kB for any name of up to 400 bytes.
///
/// It is a function of the trace, so whoever has the trace can compute its leaf. It says nothing of people: the origin
/// is not in it, and the certificate only as a digest, since nothing can be taken out of a log again.
package struct LogEntry: Hashable, Sendable {
    package var id: TraceID
    package var event: TraceEvent
    package var name: String
    package var size: Int64
    package var hash: String
    package var hashAlgorithm: TraceHashAlgorithm
    /// SHA-256 of the signed message.
    package var messageDigest: [UInt8]
    /// SHA-256 of the certificate in DER.
    package var certificateDigest: [UInt8]
    /// What the service says that it found; so it cannot say otherwise later.
    package var signatureStatus: SignatureStatus?
    package var timestamp: Timestamp

    /// The form of the entry. A log keeps the forms of all its entries for good, so a new form has a new number.
    static let version = 1

    package init(
        id: TraceID, event: TraceEvent, name: String, size: Int64, hash: String, hashAlgorithm: TraceHashAlgorithm,
        messageDigest: [UInt8], certificateDigest: [UInt8], signatureStatus: SignatureStatus?, timestamp: Timestamp
    ) {
        self.id = id
        self.event = event
        self.name = name
        self.size = size
        self.hash = hash
        self.hashAlgorithm = hashAlgorithm
        self.messageDigest = messageDigest
        self.certificateDigest = certificateDigest
        self.signatureStatus = signatureStatus
        self.timestamp = timestamp
    }

    /// - Throws: ``TraceError``: `malformed` if the certificate is not Base64.
    package init(_ trace: Trace) throws(TraceError) {
        guard let certificate = Base64.decode(trace.signature.certificate) else {
            throw TraceError(.malformed, "the certificate of trace \(trace.id) must be Base64")
        }
        self.init(
            id: trace.id, event: trace.event, name: trace.product.name, size: trace.product.size,
            hash: trace.product.hash.lowercased(),
            hashAlgorithm: trace.hashAlgorithm,
            messageDigest: Array(SHA256.hash(data: Array(trace.signature.message.utf8))),
            certificateDigest: Array(SHA256.hash(data: certificate)), signatureStatus: trace.signatureStatus,
            timestamp: trace.timestamp)
    }

    /// The entry's bytes: compact JSON with its members in alphabetical order.
    package var bytes: [UInt8] {
        var json = JSONWriter(capacity: 512)
        json.object {
            $0.member("certificate_sha256", Hex.encode(certificateDigest))
            $0.member("event", event.rawValue)
            $0.member("hash", hash)
            $0.member("hash_algorithm", hashAlgorithm.rawValue)
            $0.member("id", id.text)
            $0.member("message_sha256", Hex.encode(messageDigest))
            $0.member("name", name)
            if let signatureStatus { $0.member("signature_status", signatureStatus.rawValue) }
            $0.member("size", size)
            $0.member("timestamp", timestamp.rfc3339)
            $0.member("version", Self.version)
        }
        return json.bytes
    }
}
