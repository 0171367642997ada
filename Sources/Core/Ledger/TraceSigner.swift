import Certificates
import Crypto
import FoundationEssentials
import Identity
import SwiftASN1
import TraceFormat
import Wire
import X509

/// The node's own key for traces: ECDSA on P-256, with a certificate by the node's authority.
struct TraceSigner: Sendable {
    /// In DER.
    let certificate: [UInt8]
    /// SHA-256 of it.
    let certificateDigest: [UInt8]
    private let key: P256.Signing.PrivateKey
    private let validFrom: Timestamp
    let expires: Timestamp

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
        let parsed = try Certificate(derEncoded: certificate)
        self.key = try P256.Signing.PrivateKey(rawRepresentation: key)
        self.certificate = certificate
        certificateDigest = Array(SHA256.hash(data: certificate))
        validFrom = Timestamp(seconds: Int64(parsed.notValidBefore.timeIntervalSince1970))
        expires = Timestamp(seconds: Int64(parsed.notValidAfter.timeIntervalSince1970))
    }

    /// - Throws: `.expired` if no verifier would accept what is signed now.
    func check(_ now: Timestamp) throws {
        guard (validFrom.seconds...max(validFrom.seconds, expires.seconds)).contains(now.seconds) else {
            throw LedgerError(
                .expired,
                """
                the certificate that signs traces is valid from \(validFrom.rfc3339) to \(expires.rfc3339), and now it \
                is \(now.rfc3339)
                """
            )
        }
    }

    /// The DER form of the signature of a message.
    func sign(_ message: [UInt8]) throws -> [UInt8] { Array(try key.signature(for: message).derRepresentation) }
}
