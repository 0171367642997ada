private import CEVP

/// A private key that somebody keeps in a file, to sign with.
///
/// The state is one C object that nobody changes any more, which libcrypto lets several threads use at once; that is
/// why it is marked Sendable by hand.
package final class PrivateKey: @unchecked Sendable {
    package enum Kind: Sendable { case rsa, ellipticCurve, ed25519, other }

    private let key: OpaquePointer
    package let kind: Kind

    /// The longest file that is read.
    package static let bytesMax = 1 << 20
    private static let signatureBytesMax = 4096

    private init(_ key: OpaquePointer) {
        self.key = key
        kind =
            switch Int(cevp_key_kind(key)) {
            case Int(CEVP_KEY_RSA): .rsa
            case Int(CEVP_KEY_EC): .ellipticCurve
            case Int(CEVP_KEY_ED25519): .ed25519
            default: .other
            }
    }

    deinit { cevp_key_free(key) }

    /// Reads the first private key of a PEM text: PKCS #8, also encrypted (RFC 5958), PKCS #1 (RFC 8017) or SEC 1.
    ///
    /// - Throws: `.wrongPassphrase` where a passphrase is missing or wrong, `.invalidParameter` for anything else
    ///   that is no key. The key's bytes are in no message.
    package static func pem(_ bytes: [UInt8], passphrase: [UInt8]?) throws(CipherError) -> PrivateKey {
        var found: OpaquePointer?
        let given = passphrase?.map { CChar(bitPattern: $0) }
        let outcome =
            given?.withUnsafeBufferPointer {
                cevp_key_read_pem(bytes, bytes.count, $0.baseAddress, $0.count, &found)
            } ?? cevp_key_read_pem(bytes, bytes.count, nil, 0, &found)
        guard outcome == 1, let found else { throw failure(outcome) }
        return PrivateKey(found)
    }

    /// Reads a PKCS #12 file (RFC 7292): the key, and its certificate in DER.
    ///
    /// - Throws: as ``pem(_:passphrase:)``.
    package static func pkcs12(
        _ bytes: [UInt8], passphrase: [UInt8]?
    ) throws(CipherError) -> (key: PrivateKey, certificate: [UInt8]) {
        var found: OpaquePointer?
        var certificate: UnsafeMutablePointer<UInt8>?
        var count = 0
        let given = passphrase.map { $0.map { CChar(bitPattern: $0) } + [0] }
        let outcome =
            given?.withUnsafeBufferPointer {
                cevp_key_read_pkcs12(bytes, bytes.count, $0.baseAddress, &found, &certificate, &count)
            } ?? cevp_key_read_pkcs12(bytes, bytes.count, nil, &found, &certificate, &count)
        defer { cevp_bytes_free(certificate) }
        guard outcome == 1, let found, let certificate else { throw failure(outcome) }
        return (PrivateKey(found), Array(UnsafeBufferPointer(start: certificate, count: count)))
    }

    private static func failure(_ outcome: Int32) -> CipherError {
        outcome == -1
            ? CipherError(.wrongPassphrase, "the key is encrypted, and its passphrase is missing or wrong")
            : CipherError(.invalidParameter, "there is no private key in it that can be read")
    }

    /// A signature: PKCS #1 v1.5 over SHA-256, the DER form of ECDSA over SHA-256, or Ed25519.
    ///
    /// - Throws: `.libraryFailed`.
    package func sign(_ message: [UInt8]) throws(CipherError) -> [UInt8] {
        var count = Self.signatureBytesMax
        var isDone = false
        let signature = [UInt8](unsafeUninitializedCapacity: count) { out, written in
            isDone = cevp_key_sign(key, message, message.count, out.baseAddress, &count) == 1
            written = isDone ? count : 0
        }
        guard isDone else { throw CipherError(.libraryFailed, "libcrypto could not sign with this key") }
        return signature
    }
}
