package import Crypto

/// A witness's signature of a checkpoint: when this was the largest tree of the log that it has seen (C2SP
/// tlog-cosignature, cosignature/v1).
package struct Cosignature: Hashable, Sendable {
    /// Seconds since 1970.
    package let time: UInt64
    /// The Ed25519 signature.
    let bytes: [UInt8]

    /// Reads the bytes of a note's signature; nil if they are not those of a cosignature.
    package init?(_ signature: [UInt8]) {
        guard signature.count == 72 else { return nil }
        time = signature.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        bytes = Array(signature.dropFirst(8))
        guard time > 0, time <= UInt64(Int64.max) else { return nil }
    }

    /// What is signed: two lines, then the note's text.
    static func message(_ text: String, time: UInt64) -> [UInt8] {
        Array("cosignature/v1\ntime \(time)\n\(text)".utf8)
    }
}

/// A name and Ed25519 private key that cosign other logs' checkpoints.
package struct Cosigner: Sendable {
    /// What others verify the cosignatures with.
    package let verifierKey: VerifierKey
    private let privateKey: Curve25519.Signing.PrivateKey

    /// - Parameter privateKey: one that signs nothing else: the signed message does not have the name.
    /// - Throws: `malformed` for a name that keys cannot have.
    package init(name: String, privateKey: Curve25519.Signing.PrivateKey) throws {
        verifierKey = try VerifierKey(
            name: name, publicKey: Array(privateKey.publicKey.rawRepresentation), kind: .cosignature)
        self.privateKey = privateKey
    }

    /// - Parameter time: in seconds since 1970, from 1.
    package func cosign(_ note: SignedNote, time: UInt64) throws -> SignedNote.Signature {
        let signature = try privateKey.signature(for: Cosignature.message(note.text, time: time))
        let stamp = (0..<8).reversed().map { UInt8(truncatingIfNeeded: time >> UInt64(8 * $0)) }
        return SignedNote.Signature(
            name: verifierKey.name, keyID: verifierKey.id, bytes: stamp + Array(signature))
    }
}
