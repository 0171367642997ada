/// Something that speaks against believing a trace.
package struct TraceFault: Hashable, Sendable, CustomStringConvertible {
    package struct Code: Hashable, Sendable {
        package let name: String

        /// Nobody signed it.
        package static let unsigned = Code(name: "unsigned")
        /// Its signature or certificate cannot be read, or is of a kind that is not accepted.
        package static let unreadableSignature = Code(name: "unreadableSignature")
        /// The signature is not one of the message by the certificate's key.
        package static let invalidSignature = Code(name: "invalidSignature")
        /// It is one of OpenPGP, which `gpgv` verifies and nobody here has asked.
        package static let notVerified = Code(name: "notVerified")
        /// The certificate was not valid yet, or not any more, at the trace's time.
        package static let certificateNotValid = Code(name: "certificateNotValid")
        /// Nobody vouches for the certificate whom the service trusts.
        package static let unknownSigner = Code(name: "unknownSigner")
        /// Its certificate was revoked, and it was registered when the key may have been in other hands.
        package static let revokedSigner = Code(name: "revokedSigner")
        /// The signed message says something else than the trace.
        package static let messageDiffers = Code(name: "messageDiffers")
        /// It is not shown that the log has this trace.
        package static let notInLog = Code(name: "notInLog")
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
