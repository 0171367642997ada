import Vault

/// A key in a PKCS#11 token that signs: for the command line, which knows no drivers.
package struct TokenSigner: Sendable {
    private let signer: PKCS11Signer

    /// - Parameter uri: `pkcs11:…` (RFC 7512).
    /// - Throws: `VaultError`, with a message for people.
    package init(uri: String) throws { signer = try PKCS11Signer(PKCS11URI(uri)) }

    /// `RSA-SHA256` or `ECDSA-SHA256`.
    package var algorithm: String { signer.algorithm }
    /// In DER: what the token keeps by the same name; nil if it has none.
    package var certificate: [UInt8]? { signer.certificate }

    /// The signature of a message, as traces bear it.
    package func sign(_ message: [UInt8]) throws -> [UInt8] { try signer.sign(message) }
}
