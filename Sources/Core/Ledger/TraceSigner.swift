import Certificates
import Crypto
import Identity
import TraceFormat
import Wire

/// The node's own key for traces: ECDSA on P-256, with a certificate by the node's authority.
struct TraceSigner: Sendable {
    let certificate: SignerCertificate
    private let key: P256.Signing.PrivateKey

    static let algorithm = "ECDSA-SHA256"
    /// As long as the authority itself at the most: a certificate's later end unmakes no trace that it signed.
    private static let days = 3653

    static func load(_ identity: Identity, authority: CertificateAuthority) async throws -> TraceSigner {
        let stored = try await identity.nodeKey("traces") {
            let issued = try authority.issueSigner(commonName: "Martlet traces", days: days)
            return (issued.key, issued.certificate)
        }
        return try TraceSigner(key: stored.key, certificate: stored.certificate ?? [])
    }

    init(key: [UInt8], certificate: [UInt8]) throws {
        guard let certificate = SignerCertificate(der: certificate) else {
            throw LedgerError(.damaged, "the certificate of the key that signs traces is not one")
        }
        self.certificate = certificate
        self.key = try P256.Signing.PrivateKey(rawRepresentation: key)
    }

    /// - Throws: `.expired` if no verifier would accept what is signed now.
    func check(_ now: Timestamp) throws {
        guard certificate.validityFault(at: now) != nil else { return }
        throw LedgerError(
            .expired,
            """
            the certificate that signs traces is valid from \(certificate.validFrom.rfc3339) to \
            \(certificate.expires.rfc3339), and now it is \(now.rfc3339)
            """
        )
    }

    /// The DER form of the signature of a message.
    func sign(_ message: [UInt8]) throws -> [UInt8] { Array(try key.signature(for: message).derRepresentation) }
}
