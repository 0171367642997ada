import Crypto
import CryptoExtras
import FoundationEssentials
import SwiftASN1
package import Wire
import X509

/// A certificate that traces are signed with, read once for all of them.
package struct SignerCertificate: Sendable {
    /// In DER.
    package let der: [UInt8]
    /// SHA-256 of it.
    package let digest: [UInt8]
    /// Both ends belong to the time (RFC 5280 §4.1.2.5), in whole seconds.
    package let validFrom: Timestamp
    package let expires: Timestamp
    private let key: Key

    private enum Key: Sendable {
        case rsa(_RSA.Signing.PublicKey)
        case p256(P256.Signing.PublicKey)
        case p384(P384.Signing.PublicKey)
        case p521(P521.Signing.PublicKey)
        case ed25519(Curve25519.Signing.PublicKey)
        case other
    }

    /// Nil for what is no X.509 certificate in DER.
    package init?(der: [UInt8]) {
        guard let certificate = try? Certificate(derEncoded: der) else { return nil }
        self.der = der
        digest = Array(SHA256.hash(data: der))
        validFrom = Timestamp(seconds: Int64(certificate.notValidBefore.timeIntervalSince1970))
        expires = Timestamp(seconds: Int64(certificate.notValidAfter.timeIntervalSince1970))
        let publicKey = certificate.publicKey
        if let key = P256.Signing.PublicKey(publicKey) {
            self.key = .p256(key)
        } else if let key = _RSA.Signing.PublicKey(publicKey) {
            self.key = .rsa(key)
        } else if let key = P384.Signing.PublicKey(publicKey) {
            self.key = .p384(key)
        } else if let key = P521.Signing.PublicKey(publicKey) {
            self.key = .p521(key)
        } else if let key = Curve25519.Signing.PublicKey(publicKey) {
            self.key = .ed25519(key)
        } else {
            key = .other
        }
    }

    /// Whether it was valid at a moment.
    package func validityFault(at time: Timestamp) -> TraceFault? {
        guard time.seconds < validFrom.seconds || time.seconds > expires.seconds else { return nil }
        return TraceFault(
            .certificateNotValid,
            "the certificate was valid from \(validFrom.rfc3339) to \(expires.rfc3339), not at \(time.rfc3339)")
    }

    /// What is wrong with a signature of a message by its key.
    ///
    /// - Parameter digest: SHA-256 of the message.
    func fault(of signature: [UInt8], algorithm: String, message: [UInt8], digest: SHA256.Digest) -> TraceFault? {
        let isValid: Bool
        switch (algorithm, key) {
        case ("RSA-SHA256", .rsa(let key)):
            guard key.keySizeInBits >= 2048 else {
                return TraceFault(
                    .unreadableSignature, "an RSA key of \(key.keySizeInBits) bits is too weak: 2048 are needed")
            }
            isValid = key.isValidSignature(
                .init(rawRepresentation: signature), for: digest, padding: .insecurePKCS1v1_5)
        case ("ECDSA-SHA256", .p256(let key)):
            let signature = try? P256.Signing.ECDSASignature(derRepresentation: signature)
            isValid = signature.map { key.isValidSignature($0, for: digest) } ?? false
        case ("ECDSA-SHA256", .p384(let key)):
            let signature = try? P384.Signing.ECDSASignature(derRepresentation: signature)
            isValid = signature.map { key.isValidSignature($0, for: digest) } ?? false
        case ("ECDSA-SHA256", .p521(let key)):
            let signature = try? P521.Signing.ECDSASignature(derRepresentation: signature)
            isValid = signature.map { key.isValidSignature($0, for: digest) } ?? false
        case ("Ed25519", .ed25519(let key)): isValid = key.isValidSignature(signature, for: message)
        case ("RSA-SHA256", _), ("ECDSA-SHA256", _), ("Ed25519", _):
            return TraceFault(.unreadableSignature, "the certificate's key is not one for \(excerpt(algorithm))")
        default:
            return TraceFault(
                .unreadableSignature,
                "the signature algorithm \(excerpt(algorithm)) must be RSA-SHA256, ECDSA-SHA256 or Ed25519")
        }
        return isValid
            ? nil : TraceFault(.invalidSignature, "the signature is not one of the message by the certificate's key")
    }
}
