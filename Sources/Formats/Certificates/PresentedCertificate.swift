import Crypto
import Wire

/// A certificate that a client showed when it opened its connection, whoever issued it: what is proved is that the
/// client has its key, and nothing else. A class, so that requests that come without one carry no more than a nil.
package final class PresentedCertificate: Sendable {
    /// In DER.
    package let der: [UInt8]
    /// What the client sent with it, to lead to an authority; in DER.
    package let others: [[UInt8]]
    /// SHA-256 of `der`.
    package let fingerprint: [UInt8]
    /// The same in base64url: `x5t#S256` of tokens that are bound to it (RFC 8705 §3.1).
    package let thumbprint: String

    package init(der: [UInt8], others: [[UInt8]] = []) {
        self.der = der
        self.others = others
        fingerprint = Array(SHA256.hash(data: der))
        thumbprint = Base64.encodeURL(fingerprint)
    }
}
