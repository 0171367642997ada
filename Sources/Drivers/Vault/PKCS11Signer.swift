import CPKCS11
import Ciphers
import Glibc

/// A private key of RSA or of an elliptic curve in a PKCS#11 token, which signs and never leaves it.
package struct PKCS11Signer: Sendable {
    package let uri: PKCS11URI
    /// `RSA-SHA256` or `ECDSA-SHA256`.
    package let algorithm: String
    /// In DER: the certificate that the token keeps by the same name; nil if it has none.
    package let certificate: [UInt8]?

    private static let certificateBytesMax = 16 << 10
    private static let signatureBytesMax = 1024

    /// Finds the key in its token.
    ///
    /// - Throws: ``VaultError`` that says whether the module, the token, the PIN or the key is missing.
    package init(_ uri: PKCS11URI) throws {
        self.uri = uri
        (algorithm, certificate) = try PKCS11Source.session(uri) { session in
            let isRSA = try Self.choose(session, uri)
            var der = [UInt8](repeating: 0, count: Self.certificateBytesMax)
            var count = der.count
            let found = PKCS11Source.named(uri) { cpkcs11_certificate(session, $0, &der, &count) } == 0
            return (isRSA ? "RSA-SHA256" : "ECDSA-SHA256", found ? Array(der.prefix(count)) : nil)
        }
    }

    private static func choose(_ session: OpaquePointer, _ uri: PKCS11URI) throws -> Bool {
        var isRSA: Int32 = 0
        let outcome = PKCS11Source.named(uri) { cpkcs11_choose_signer(session, $0, &isRSA) }
        guard outcome != UInt(CPKCS11_NO_KEY.rawValue) else {
            throw VaultError(
                "\(uri.description): the token has no such private key of RSA or of an elliptic curve that may sign, or "
                    + "the PIN is missing")
        }
        try PKCS11Source.check(outcome, uri)
        return isRSA == 1
    }

    /// The signature of a message: PKCS #1 v1.5 with SHA-256, or the DER form of ECDSA with SHA-256.
    ///
    /// - Throws: ``VaultError``.
    package func sign(_ message: [UInt8]) throws -> [UInt8] {
        try PKCS11Source.session(uri) { session in
            let isRSA = try Self.choose(session, uri)
            let input = isRSA ? message : DigestAlgorithm.sha256.hash(message)
            var out = [UInt8](repeating: 0, count: Self.signatureBytesMax)
            var count = out.count
            try PKCS11Source.check(cpkcs11_sign(session, isRSA ? 1 : 0, input, input.count, &out, &count), uri)
            let signature = Array(out.prefix(count))
            return isRSA ? signature : Self.sequence(of: signature)
        }
    }

    /// Two numbers of equal length as the DER that protocols have (RFC 3279 §2.2.3).
    private static func sequence(of signature: [UInt8]) -> [UInt8] {
        let half = signature.count / 2
        let numbers = [signature.prefix(half), signature.suffix(half)].flatMap { number -> [UInt8] in
            var digits = Array(number.drop { $0 == 0 })
            if digits.first.map({ $0 & 0x80 != 0 }) ?? true { digits.insert(0, at: 0) }
            return [2, UInt8(truncatingIfNeeded: digits.count)] + digits
        }
        // 139 bytes at the most, for P-521.
        return [0x30] + (numbers.count < 128 ? [] : [0x81]) + [UInt8(truncatingIfNeeded: numbers.count)] + numbers
    }
}
