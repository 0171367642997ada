/// Why a signed request, or the body that belongs to it, is refused.
///
/// Messages name the header or parameter and what it should be. They never hold a secret, a signing key or the
/// signature that would have been right.
package struct SignatureError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of fault it is; a face maps it to its own error code.
    package struct Code: Hashable, Sendable {
        package let name: String

        /// A parameter is missing, twice there, too long or not of the form that the standard gives it.
        package static let malformed = Code(name: "malformed")
        /// Signature Version 2, SigV4A (ECDSA), or an algorithm that does not exist.
        package static let severalSignatures = Code(name: "severalSignatures")
        package static let unsupportedAlgorithm = Code(name: "unsupportedAlgorithm")
        /// `host` is not among the signed headers.
        package static let hostNotSigned = Code(name: "hostNotSigned")
        /// A header that changes the request's meaning is there but not signed.
        package static let headerNotSigned = Code(name: "headerNotSigned")
        /// A header that the signature or the protocol needs is not in the request.
        package static let headerMissing = Code(name: "headerMissing")
        /// A presigned URL after its time.
        package static let expired = Code(name: "expired")
        /// A presigned URL before its time.
        package static let notYetValid = Code(name: "notYetValid")
        /// The request's time is more than 15 minutes from this machine's.
        package static let timeTooSkewed = Code(name: "timeTooSkewed")
        /// The credential scope's date, service or end is not what it has to be.
        package static let scopeMismatch = Code(name: "scopeMismatch")
        /// The signature is not the one that this request and this secret give.
        package static let signatureMismatch = Code(name: "signatureMismatch")
        /// `x-amz-content-sha256` is none of the values that it may have.
        package static let payloadHashInvalid = Code(name: "payloadHashInvalid")
        /// A chunk's signature in an `aws-chunked` body is wrong, or that of the trailers.
        package static let chunkSignatureMismatch = Code(name: "chunkSignatureMismatch")
        /// An `aws-chunked` body breaks the framing.
        package static let malformedChunk = Code(name: "malformedChunk")
        /// A trailer is malformed, missing or was not announced.
        package static let malformedTrailer = Code(name: "malformedTrailer")
        /// The body ended early, or its decoded length is not the announced one.
        package static let incompleteBody = Code(name: "incompleteBody")
        /// The body is longer than announced or than is accepted.
        package static let tooLarge = Code(name: "tooLarge")
    }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { "\(code.name): \(message)" }
}
