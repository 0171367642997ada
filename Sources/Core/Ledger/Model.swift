package import Journal
package import TraceFormat
package import Wire

extension EventKind {
    package static let traceRegistered = EventKind("trace.registered")
}

/// A trace to be signed and registered.
package struct TraceDraft: Sendable, Hashable {
    package var name: String
    /// In bytes.
    package var size: Int64
    /// 64 lower-case hexadecimal digits.
    package var hash: String
    package var hashAlgorithm: TraceHashAlgorithm
    package var contents: [Trace.Content]?
    package var inputs: [Trace.Input]?
    package var event: TraceEvent
    /// Why the product is not recommended any more; with OBSOLETE alone.
    package var obsolescence: String?
    /// On whose behalf; it stands in the trace, not in the log.
    package var origin: String
    /// The collection's row id and the product's path in it, where it is one of the node's own.
    package var collection: Int64?
    package var product: String?
    /// Tells apart what can happen more than once: the TID of what it was. Nil for what happens once.
    package var occasion: Int64?

    package init(
        name: String, size: Int64, hash: String, hashAlgorithm: TraceHashAlgorithm = .blake3,
        contents: [Trace.Content]?,
        inputs: [Trace.Input]? = nil, event: TraceEvent, origin: String, collection: Int64?, product: String?,
        obsolescence: String? = nil, occasion: Int64? = nil
    ) {
        self.name = name
        self.size = size
        self.hash = hash
        self.hashAlgorithm = hashAlgorithm
        self.contents = contents
        self.inputs = inputs
        self.event = event
        self.origin = origin
        self.collection = collection
        self.product = product
        self.obsolescence = obsolescence
        self.occasion = occasion
    }
}

/// What shows that a trace is in the log.
package struct TraceProof: Sendable, Hashable {
    /// The log's entry, whose leaf hash the bundle is about.
    package var entry: [UInt8]
    /// A C2SP tlog-proof with the latest checkpoint.
    package var bundle: [UInt8]
}

/// What traces say of a file.
package enum TraceValidation: Sendable, Hashable {
    /// The best of the traces that have its name and hash.
    case traced(TraceID, Timestamp, SignatureStatus)
    /// Somebody who is trusted has signed that the product is not recommended any more.
    case obsolete(TraceID, Timestamp, reason: String)
    case unknown
}
