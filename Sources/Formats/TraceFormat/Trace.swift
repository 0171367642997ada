package import Wire

/// A signed statement about a product at one moment of its life, as the Copernicus Data Space's traceability service
/// has it (its API, version 1.1.0).
package struct Trace: Hashable, Sendable {
    package var id: TraceID
    package var event: TraceEvent
    package var product: Product
    /// Of every hash in the trace.
    package var hashAlgorithm: TraceHashAlgorithm
    package var signature: Signature
    /// Why the product is not recommended any more; with OBSOLETE alone.
    package var obsolescence: String?
    package var service: Service?
    /// When the service registered it.
    package var timestamp: Timestamp
    /// The account that registered it.
    package var origin: String
    /// What the service found of the signature when it registered the trace; nil from services that do not tell.
    package var signatureStatus: SignatureStatus?
    /// Since when the signer's key may have been in other hands, where the service has come to know that it was when
    /// the trace was registered.
    package var signerRevokedSince: Timestamp?

    package init(
        id: TraceID, event: TraceEvent, product: Product, hashAlgorithm: TraceHashAlgorithm, signature: Signature,
        obsolescence: String? = nil, service: Service? = nil, timestamp: Timestamp, origin: String,
        signatureStatus: SignatureStatus? = nil,
        signerRevokedSince: Timestamp? = nil
    ) {
        self.id = id
        self.event = event
        self.product = product
        self.hashAlgorithm = hashAlgorithm
        self.signature = signature
        self.obsolescence = obsolescence
        self.service = service
        self.timestamp = timestamp
        self.origin = origin
        self.signatureStatus = signatureStatus
        self.signerRevokedSince = signerRevokedSince
    }

    /// A file, or files that belong together.
    package struct Product: Hashable, Sendable {
        package var name: String
        /// In bytes.
        package var size: Int64
        /// In hexadecimal digits, by custom lower case.
        package var hash: String
        /// Its files, or members where it is an archive; nil where the trace does not tell.
        package var contents: [Content]?
        /// The products that it was made from; nil where the trace does not tell.
        package var inputs: [Input]?

        package init(name: String, size: Int64, hash: String, contents: [Content]? = nil, inputs: [Input]? = nil) {
            self.name = name
            self.size = size
            self.hash = hash
            self.contents = contents
            self.inputs = inputs
        }
    }

    package struct Content: Hashable, Sendable {
        package var path: String
        package var hash: String

        package init(path: String, hash: String) {
            self.path = path
            self.hash = hash
        }
    }

    package struct Input: Hashable, Sendable {
        package var name: String
        /// Empty in some traces of the public service.
        package var hash: String

        package init(name: String, hash: String) {
            self.name = name
            self.hash = hash
        }
    }

    /// All four are empty in a trace that nobody signed.
    package struct Signature: Hashable, Sendable {
        /// Base64: PKCS #1 v1.5 or a DER ECDSA signature, over the SHA-256 of `message`; or one of Ed25519 over it; or
        /// a detached one of OpenPGP.
        package var signature: String
        /// `RSA-SHA256`, `ECDSA-SHA256`, `Ed25519` or `OpenPGP`.
        package var algorithm: String
        /// Base64 of an X.509 certificate in DER, or of an OpenPGP public key.
        package var certificate: String
        /// What was signed. See ``Trace/Product/message(event:)``.
        package var message: String

        package init(signature: String, algorithm: String, certificate: String, message: String) {
            self.signature = signature
            self.algorithm = algorithm
            self.certificate = certificate
            self.message = message
        }

        /// The algorithm of signatures that other programs verify: see ``OpenPGPKey``.
        package static let openPGP = "OpenPGP"

        /// Of a trace that nobody signed.
        package static let none = Signature(signature: "", algorithm: "", certificate: "", message: "")

        package var isEmpty: Bool {
            signature.isEmpty && algorithm.isEmpty && certificate.isEmpty && message.isEmpty
        }
    }
}

/// What happened to the product.
package enum TraceEvent: String, Hashable, Sendable, CaseIterable {
    /// It was made.
    case create = "CREATE"
    /// It was copied to another place.
    case copy = "COPY"
    /// It was removed from a place.
    case delete = "DELETE"
    /// It is not recommended any more.
    case obsolete = "OBSOLETE"
}

/// What a service found of a trace's signature when it registered it. Invalid ones are not registered.
package enum SignatureStatus: String, Hashable, Sendable, CaseIterable {
    /// Valid, by a certificate of an authority that the service trusts.
    case trusted
    /// Valid, by a certificate that vouches for itself.
    case unknown
    case unsigned
}

/// All give 32 bytes.
package enum TraceHashAlgorithm: String, Hashable, Sendable, CaseIterable {
    case blake3 = "BLAKE3"
    /// SHA3-256.
    case sha3 = "SHA3"
    case sha256 = "SHA256"

    /// Reads a name in any case, also with a hyphen or with its length, as in `SHA3-256`: so it was called in 2021.
    package init?(name: String) {
        switch name.uppercased() {
        case "BLAKE3", "BLAKE3-256": self = .blake3
        case "SHA3", "SHA3-256": self = .sha3
        case "SHA256", "SHA-256": self = .sha256
        default: return nil
        }
    }
}
