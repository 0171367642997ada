import TraceFormat
import Wire

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
    package static let contentsMax = TraceSubmission.contentsMax
    package static let nameBytesMax = TraceSubmission.nameBytesMax
    package static let originBytesMax = 256
    static let messageBytesMax = 16 << 20
    static let sizeMax = TraceSubmission.sizeMax

    /// - Throws: `.invalidDraft`.
    static func check(_ draft: TraceDraft) throws {
        func refuse(_ why: String) -> LedgerError {
            LedgerError(.invalidDraft, "no trace can be made of \(excerpt(draft.name)): \(why)")
        }
        guard draft.name.isTraceName else {
            throw refuse("a name has 1 to \(nameBytesMax) bytes without control characters")
        }
        try check(origin: draft.origin)
        guard (0...sizeMax).contains(draft.size) else {
            throw refuse("its size is \(draft.size) bytes; 0 to \(sizeMax) are possible")
        }
        guard (draft.event == .obsolete) == (draft.obsolescence != nil),
            draft.obsolescence.map({ (1...TraceSubmission.obsolescenceBytesMax).contains($0.utf8.count) }) ?? true
        else {
            throw refuse(
                "OBSOLETE has a reason of 1 to \(TraceSubmission.obsolescenceBytesMax) bytes, and no other event has one"
            )
        }
        let contents = draft.contents ?? []
        guard contents.count <= contentsMax, draft.inputs?.count ?? 0 <= contentsMax else {
            throw refuse("it has more than \(contentsMax) contents or inputs; a larger product is traced without them")
        }
        _ = try hash(draft.hash, of: draft.name)
        for content in contents { _ = try hash(content.hash, of: content.path) }
        if let product = draft.product, !product.isTraceName {
            throw refuse("a product's path has 1 to \(nameBytesMax) bytes without control characters")
        }
        if let content = contents.first(where: { $0.path.isEmpty || $0.path.utf8.contains(0) }) {
            throw refuse("the path \(excerpt(content.path)) of a content must not be empty or contain a NUL character")
        }
    }

    static func check(origin: String) throws {
        guard origin.isTraceText(bytesMax: originBytesMax) else {
            throw LedgerError(
                .invalidDraft, "an origin has 1 to \(originBytesMax) bytes without control characters, not this one")
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

    static func excerpt(_ text: String) -> String { text.utf8.count <= 100 ? "'\(text)'" : "'\(text.prefix(100))…'" }
}
