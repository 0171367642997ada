package import Crypto

/// A name and Ed25519 private key that sign notes.
package struct NoteSigner: Sendable {
    /// What others verify the signatures with.
    package let verifierKey: VerifierKey
    private let privateKey: Curve25519.Signing.PrivateKey

    /// - Throws: `malformed` for a name that keys cannot have.
    package init(name: String, privateKey: Curve25519.Signing.PrivateKey) throws {
        verifierKey = try VerifierKey(name: name, publicKey: Array(privateKey.publicKey.rawRepresentation))
        self.privateKey = privateKey
    }

    func sign(_ text: String) throws -> SignedNote.Signature {
        SignedNote.Signature(
            name: verifierKey.name, keyID: verifierKey.id,
            bytes: Array(try privateKey.signature(for: Array(text.utf8))))
    }
}
