package import Wire

/// A certificate with its private key (P-256). Its description leaves the key out.
package struct IssuedCertificate: Sendable, CustomStringConvertible, CustomReflectable {
    /// The private key: the 32 bytes of its scalar, big-endian.
    package let key: [UInt8]
    /// The private key as PKCS #8 (RFC 5958).
    package let keyPEM: String
    /// The certificate in DER.
    package let certificate: [UInt8]
    package let certificatePEM: String
    /// The last moment at which it is valid.
    package let expires: Timestamp

    package var description: String { "IssuedCertificate(expires \(expires.rfc3339))" }
    package var customMirror: Mirror { Mirror(self, children: ["expires": expires.rfc3339]) }
}
