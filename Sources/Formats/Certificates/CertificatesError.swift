/// Why a certificate could not be made or is not accepted. It never holds key material.
package struct CertificatesError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: Hashable, Sendable {
        /// A name, host, number of days or time that no certificate can carry.
        case invalidParameter
        /// A key or certificate that cannot be read.
        case malformed
        /// The key is not the one that the certificate is for.
        case keyMismatch
        /// The certificate is not one that may issue others.
        case notAuthority
        /// The authority's own time is over, so that nothing it issued would be accepted.
        case expired
        /// A certificate of the chain did not issue the one before it.
        case brokenChain
        /// A name or an act that the terms do not allow.
        case notAllowed
        case notFound
        /// A key of a kind that is not taken.
        case badKey
        /// What is revoked stays so.
        case alreadyRevoked
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
