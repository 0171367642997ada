import Crypto
import TraceFormat
import Wire

/// A draft that has been checked and signed: all that does not depend on its place in the log.
struct PreparedTrace: Sendable {
    let draft: TraceDraft
    let id: TraceID
    let hash: [UInt8]
    let contentHashes: [[UInt8]]
    let message: [UInt8]
    let messageDigest: [UInt8]
    /// In DER.
    let signature: [UInt8]

    init(_ draft: TraceDraft, signer: TraceSigner) throws {
        try Limits.check(draft)
        self.draft = draft
        id = .make()
        hash = try Limits.hash(draft.hash, of: draft.name)
        // Equal files have one row in the index.
        var contentHashes = Set(try (draft.contents ?? []).map { try Limits.hash($0.hash, of: $0.path) })
        contentHashes.remove(hash)
        self.contentHashes = Array(contentHashes)
        let product = Trace.Product(
            name: draft.name, size: draft.size, hash: draft.hash, contents: draft.contents, inputs: draft.inputs)
        message = product.message(event: draft.event)
        guard message.count <= Limits.messageBytesMax else {
            throw LedgerError(
                .invalidDraft,
                """
                the trace of \(Limits.excerpt(draft.name)) would have \(message.count) bytes; at most \
                \(Limits.messageBytesMax) are kept: leave the contents out
                """
            )
        }
        messageDigest = Array(SHA256.hash(data: message))
        signature = try signer.sign(message)
    }

    /// What the unique index holds for traces of what is not the node's own.
    var collection: Int64 { draft.collection ?? 0 }
    var product: String { draft.product ?? draft.name }

    func trace(timestamp: Timestamp, signer: TraceSigner) -> Trace {
        Trace(
            id: id, event: draft.event,
            product: Trace.Product(
                name: draft.name, size: draft.size, hash: draft.hash, contents: draft.contents, inputs: draft.inputs),
            hashAlgorithm: draft.hashAlgorithm,
            signature: Trace.Signature(
                signature: Base64.encode(signature), algorithm: TraceSigner.algorithm,
                certificate: Base64.encode(signer.certificate), message: String(decoding: message, as: UTF8.self)),
            timestamp: timestamp, origin: draft.origin)
    }

    func entry(timestamp: Timestamp, signer: TraceSigner) -> LogEntry {
        LogEntry(
            id: id, event: draft.event, name: draft.name, size: draft.size, hash: draft.hash,
            hashAlgorithm: draft.hashAlgorithm, messageDigest: messageDigest,
            certificateDigest: signer.certificateDigest, timestamp: timestamp)
    }
}

extension TraceDraft {
    /// Checks that a trace can be made of it: in ``Ledger/register(_:by:)`` one that none can be made of refuses all.
    ///
    /// - Throws: ``LedgerError`` `.invalidDraft`.
    package func check() throws { try Limits.check(self) }
}

/// What a trace of the node's own may be.
package enum Limits {
    /// Drafts in one call, so in one transaction under the ledger's lock.
    package static let batchMax = 1000
    /// Files of a product and its inputs; a larger product is traced by its digest alone.
    package static let contentsMax = 100_000
    package static let nameBytesMax = 1024
    package static let originBytesMax = 256
    static let messageBytesMax = 16 << 20
    /// Beyond it a JSON number is not exact everywhere: nine petabytes.
    static let sizeMax: Int64 = 1 << 53 - 1

    /// - Throws: `.invalidDraft`.
    static func check(_ draft: TraceDraft) throws {
        func refuse(_ why: String) -> LedgerError {
            LedgerError(.invalidDraft, "no trace can be made of \(excerpt(draft.name)): \(why)")
        }
        guard isText(draft.name, bytesMax: nameBytesMax) else {
            throw refuse("a name has 1 to \(nameBytesMax) bytes without control characters")
        }
        guard isText(draft.origin, bytesMax: originBytesMax) else {
            throw refuse("an origin has 1 to \(originBytesMax) bytes without control characters")
        }
        guard (0...sizeMax).contains(draft.size) else {
            throw refuse("its size is \(draft.size) bytes; 0 to \(sizeMax) are possible")
        }
        let contents = draft.contents ?? []
        guard contents.count <= contentsMax, draft.inputs?.count ?? 0 <= contentsMax else {
            throw refuse("it has more than \(contentsMax) contents or inputs; a larger product is traced without them")
        }
        if let product = draft.product, !isText(product, bytesMax: nameBytesMax) {
            throw refuse("a product's path has 1 to \(nameBytesMax) bytes without control characters")
        }
        if let content = contents.first(where: { $0.path.isEmpty || $0.path.utf8.contains(0) }) {
            throw refuse("the path \(excerpt(content.path)) of a content must not be empty or contain a NUL character")
        }
    }

    /// The bytes of a digest.
    static func hash(_ text: String, of name: String) throws -> [UInt8] {
        guard text.utf8.count == 64, let bytes = Hex.decode(text), Hex.encode(bytes) == text else {
            throw LedgerError(
                .invalidDraft,
                "the hash of \(excerpt(name)) must be 64 lower-case hexadecimal digits, not \(excerpt(text))")
        }
        return bytes
    }

    private static func isText(_ text: String, bytesMax: Int) -> Bool {
        (1...bytesMax).contains(text.utf8.count) && text.utf8.allSatisfy { $0 >= 0x20 }
    }

    static func excerpt(_ text: String) -> String { text.utf8.count <= 100 ? "'\(text)'" : "'\(text.prefix(100))…'" }
}
