import Crypto
import TraceFormat
import Wire

/// A trace that has been checked and is signed, or is known not to be: all that does not depend on its place in the
/// log.
struct PreparedTrace: Sendable {
    let id: TraceID
    let event: TraceEvent
    let product: Trace.Product
    let hashAlgorithm: TraceHashAlgorithm
    let origin: String
    let obsolescence: String?
    /// JSON of what it says of its service.
    let service: [UInt8]?
    /// Of the events of the journal, where the product is the node's own.
    let collection: Int64?
    /// Its path in the collection.
    let place: String?
    let status: SignatureStatus
    /// As in ``Trace/Signature``.
    let algorithm: String
    /// In DER, or an OpenPGP key; empty where nobody signed it.
    let certificate: [UInt8]
    let certificateDigest: [UInt8]
    /// The last moment at which the certificate is valid.
    let expires: Timestamp?
    let signature: [UInt8]
    let message: [UInt8]
    let messageDigest: [UInt8]
    /// The product's JSON, where it is not simply what stands in the message.
    let body: [UInt8]?
    let hash: [UInt8]
    let contentHashes: [[UInt8]]
    /// What makes it the same trace as another: see ``Subject``.
    let subject: [UInt8]

    /// One of the node's own.
    ///
    /// - Throws: `.invalidDraft`.
    init(_ draft: TraceDraft, signer: TraceSigner) throws {
        try Limits.check(draft)
        let product = Trace.Product(
            name: draft.name, size: draft.size, hash: draft.hash, contents: draft.contents, inputs: draft.inputs)
        let message = product.message(event: draft.event)
        guard message.count <= Limits.messageBytesMax else {
            throw LedgerError(
                .invalidDraft,
                """
                the trace of \(Limits.excerpt(draft.name)) would have \(message.count) bytes; at most \
                \(Limits.messageBytesMax) are kept: leave the contents out
                """
            )
        }
        var subject = Subject(kind: "own")
        subject.add(String(draft.collection ?? 0))
        subject.add(draft.product ?? draft.name)
        subject.add(draft.hash)
        subject.add(draft.event.rawValue)
        if let occasion = draft.occasion { subject.add(String(occasion)) }
        try self.init(
            event: draft.event, product, draft.hashAlgorithm, origin: draft.origin, obsolescence: draft.obsolescence,
            collection: draft.collection, place: draft.product, status: .trusted, algorithm: TraceSigner.algorithm,
            certificate: (signer.certificate.der, signer.certificate.digest, signer.certificate.expires),
            signature: try signer.sign(message), message: message, messageDigest: Array(SHA256.hash(data: message)),
            isInMessage: true, subject: subject)
    }

    /// One that was handed in.
    ///
    /// - Throws: `.invalidDraft`.
    init(_ examined: ExaminedTrace, origin: String) throws {
        let given = examined.submission
        let message = examined.message
        let messageDigest = Array(message.digest)
        let signature = Base64.decode(given.signature.signature) ?? []
        let noCertificate = (der: [UInt8](), digest: Array(SHA256.hash(data: [UInt8]())), expires: Timestamp?.none)
        // Who hands in the same again, because the answer was lost, finds it there.
        var subject = Subject(kind: "given")
        subject.add(origin)
        subject.add(given.product.name)
        subject.add(given.product.hash.lowercased())
        subject.add(given.event.rawValue)
        subject.add(given.hashAlgorithm.rawValue)
        subject.add(given.obsolescence ?? "")
        subject.add(Hex.encode(messageDigest))
        if !message.isOwnForm {
            var json = JSONWriter()
            given.product.write(to: &json)
            subject.add(json.text)
        }
        subject.add(given.signature.certificate)
        if let service = given.service { subject.add(String(decoding: service.document, as: UTF8.self)) }
        // Where its signer has come to be trusted since, it is worth being registered again.
        subject.add(examined.status.rawValue)
        try self.init(
            event: given.event, given.product, given.hashAlgorithm, origin: origin, obsolescence: given.obsolescence,
            service: given.service?.document, collection: nil, place: nil, status: examined.status,
            algorithm: given.signature.algorithm,
            certificate: examined.signer.map { ($0.bytes, $0.digest, $0.expires) } ?? noCertificate,
            signature: signature, message: message.bytes, messageDigest: messageDigest,
            isInMessage: message.isOwnForm, subject: subject)
    }

    private init(
        event: TraceEvent, _ product: Trace.Product, _ hashAlgorithm: TraceHashAlgorithm, origin: String,
        obsolescence: String?, service: [UInt8]? = nil, collection: Int64?, place: String?, status: SignatureStatus,
        algorithm: String,
        certificate: (der: [UInt8], digest: [UInt8], expires: Timestamp?), signature: [UInt8], message: [UInt8],
        messageDigest: [UInt8], isInMessage: Bool, subject: Subject
    ) throws {
        id = .make()
        self.event = event
        self.product = product
        self.hashAlgorithm = hashAlgorithm
        self.origin = origin
        self.obsolescence = obsolescence
        self.service = service
        self.collection = collection
        self.place = place
        self.status = status
        self.algorithm = algorithm
        (self.certificate, certificateDigest, expires) = (certificate.der, certificate.digest, certificate.expires)
        self.signature = signature
        self.message = message
        self.messageDigest = messageDigest
        var json = JSONWriter()
        if !isInMessage { product.write(to: &json) }
        body = isInMessage ? nil : json.bytes
        hash = try Limits.hash(product.hash.lowercased(), of: product.name)
        // Equal files have one row in the index.
        var contentHashes = Set(
            try (product.contents ?? []).map { try Limits.hash($0.hash.lowercased(), of: $0.path) })
        contentHashes.remove(hash)
        self.contentHashes = Array(contentHashes)
        self.subject = subject.digest
    }

    func entry(timestamp: Timestamp) -> LogEntry {
        LogEntry(
            id: id, event: event, name: product.name, size: product.size, hash: Hex.encode(hash),
            hashAlgorithm: hashAlgorithm, messageDigest: messageDigest, certificateDigest: certificateDigest,
            signatureStatus: status, timestamp: timestamp)
    }
}

/// A digest of what two traces have to have in common to be one.
struct Subject: Sendable {
    private var hasher = SHA256()

    /// - Parameter kind: keeps what the node traces itself and what others hand in apart.
    init(kind: String) { add(kind) }

    /// Each part with its length, so that no two lists of parts give the same bytes.
    mutating func add(_ part: String) {
        withUnsafeBytes(of: UInt64(part.utf8.count).bigEndian) { hasher.update(bufferPointer: $0) }
        hasher.update(data: Array(part.utf8))
    }

    /// Somebody who finds another trace with the same digest keeps it from being registered by themselves.
    var digest: [UInt8] { Array(hasher.finalize().prefix(Self.byteCount)) }
    static let byteCount = 16
}
