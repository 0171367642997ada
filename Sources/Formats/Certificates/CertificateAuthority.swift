import Crypto
import FoundationEssentials
import SwiftASN1
package import Wire
import X509

/// A node's own X.509 authority (RFC 5280): one P-256 key, whose certificate signs
/// others.
package struct CertificateAuthority: Sendable, CustomStringConvertible, CustomReflectable {
    /// The authority's certificate in DER: what its clients have to trust.
    package let certificate: [UInt8]
    package let certificatePEM: String
    /// The last moment at which it, or anything it issued, is valid.
    package let expires: Timestamp

    let privateKey: P256.Signing.PrivateKey
    let subject: DistinguishedName
    let keyIdentifier: SubjectKeyIdentifier
    let validity: Validity

    /// Makes a new key and a certificate for it, valid for ten years from an hour ago: a root, which may have
    /// authorities below it that issue end certificates.
    ///
    /// - Parameter name: the common name, 1 to 64 characters.
    /// - Throws: `.invalidParameter` for another name, or a clock that is far off.
    package static func create(name: String, now: Timestamp = .now) throws(CertificatesError) -> CertificateAuthority {
        let validity = try Validity(now: now, days: Validity.daysMax)
        let subject = try commonName(name)
        let key = P256.Signing.PrivateKey()
        let publicKey = Certificate.PublicKey(key.publicKey)
        let certificate = try building { () throws in
            try Certificate(
                version: .v3, serialNumber: randomSerial(), publicKey: publicKey,
                notValidBefore: validity.fromDate, notValidAfter: validity.untilDate,
                issuer: subject, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
                extensions: Certificate.Extensions {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 1))
                    Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                    SubjectKeyIdentifier(hash: publicKey)
                },
                issuerPrivateKey: Certificate.PrivateKey(key))
        }
        return try CertificateAuthority(key, certificate)
    }

    /// A new key of an authority: 32 bytes.
    package static func newKey() -> [UInt8] { Array(P256.Signing.PrivateKey().rawRepresentation) }

    /// The private key as PKCS #8 (RFC 5958), to be kept where nobody else reads it.
    package var keyPEM: String { privateKey.pemRepresentation + "\n" }

    /// An authority whose key and certificate are in PEM.
    ///
    /// - Throws: as ``init(key:certificate:)``; `.malformed` for a key that is not of P-256.
    package init(keyPEM: String, certificatePEM: String) throws(CertificatesError) {
        guard let key = try? P256.Signing.PrivateKey(pemRepresentation: keyPEM) else {
            throw CertificatesError(.malformed, "the authority's key is not a P-256 key in PEM")
        }
        guard let first = try CertificateChain.documents(certificatePEM).first else {
            throw CertificatesError(.malformed, "there is no certificate in the text")
        }
        try self.init(key, try CertificateChain.certificate(der: first))
    }

    /// An authority that was kept: its key (32 bytes, as `key` gave them) and its certificate in DER.
    ///
    /// - Throws: `.malformed` if one cannot be read, `.keyMismatch` if they do not belong together, `.notAuthority` if
    ///   the certificate may not issue others. An authority that has expired is opened, but issues nothing.
    package init(key: [UInt8], certificate der: [UInt8]) throws(CertificatesError) {
        guard let privateKey = try? P256.Signing.PrivateKey(rawRepresentation: key) else {
            throw CertificatesError(.malformed, "the authority's key must be a P-256 scalar of 32 bytes")
        }
        try self.init(privateKey, try CertificateChain.certificate(der: der))
    }

    private init(_ key: P256.Signing.PrivateKey, _ certificate: Certificate) throws(CertificatesError) {
        guard certificate.publicKey == Certificate.PublicKey(key.publicKey) else {
            throw CertificatesError(.keyMismatch, "the authority's certificate is for another key")
        }
        guard case .isCertificateAuthority = try? certificate.extensions.basicConstraints,
            (try? certificate.extensions.keyUsage)?.keyCertSign ?? true
        else { throw CertificatesError(.notAuthority, "the certificate is not one that may issue others (CA:TRUE)") }
        (self.certificate, certificatePEM) = try CertificateChain.serialized(certificate)
        validity = Validity(from: certificate.notValidBefore, until: certificate.notValidAfter)
        expires = validity.until
        privateKey = key
        subject = certificate.subject
        keyIdentifier =
            (try? certificate.extensions.subjectKeyIdentifier) ?? SubjectKeyIdentifier(hash: certificate.publicKey)
    }

    /// The private key: the 32 bytes of its scalar, to be kept sealed.
    package var key: [UInt8] { Array(privateKey.rawRepresentation) }

    package var description: String { "CertificateAuthority(\(subject))" }
    package var customMirror: Mirror { Mirror(self, children: ["subject": "\(subject)"]) }

    /// A name that consists of a common name alone. 64 characters are its upper bound (RFC 5280 appendix A.1).
    static func commonName(_ name: String) throws(CertificatesError) -> DistinguishedName {
        guard (1...64).contains(name.unicodeScalars.count), name.unicodeScalars.allSatisfy({ $0.value >= 0x20 }) else {
            throw CertificatesError(
                .invalidParameter,
                "a common name has 1 to 64 characters without control characters: \(HostName.quoted(name))")
        }
        return try building { () throws in try DistinguishedName { CommonName(name) } }
    }

    /// 128 random bits (RFC 5280 §4.1.2.2 asks for a positive number of at most 20 bytes; CAs use at least 64 random
    /// bits).
    static func randomSerial() -> Certificate.SerialNumber {
        var generator = SystemRandomNumberGenerator()
        // The first byte keeps its lowest bit, so that the number is never 0 and always as long.
        return Certificate.SerialNumber(
            bytes: (0..<16).map { .random(in: 0 ... .max, using: &generator) | ($0 == 0 ? 1 : 0) })
    }

    /// What the encoder of certificates throws, as an error of ours. Values were checked before, so it does not happen.
    static func building<Value>(_ body: () throws -> Value) throws(CertificatesError) -> Value {
        do {
            return try body()
        } catch {
            throw CertificatesError(.invalidParameter, "the certificate cannot be encoded: \(error)")
        }
    }
}
