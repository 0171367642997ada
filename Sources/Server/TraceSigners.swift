import Authority
import Certificates
import Ledger
import Processes
import TraceFormat

/// Whose signatures of traces count: holders of certificates by the node's authorities, and by those that are set.
struct TraceSigners: SignerTrust {
    private let authority: Authority
    /// In DER.
    private let others: [[UInt8]]
    private let openPGP: OpenPGPSignatures

    /// - Parameter files: with certificates of authorities, in PEM.
    /// - Throws: ``ConfigurationError``.
    init(authority: Authority, files: [String], openPGP: OpenPGPSignatures) throws {
        self.authority = authority
        self.openPGP = openPGP
        others = try files.flatMap { file in
            do {
                return try TrustAnchors.roots(pem: try Folder.read(file))
            } catch let error as CertificatesError {
                throw ConfigurationError("--trace-authorities: \(file): \(error)")
            }
        }
    }

    func anchors() async throws -> TrustAnchors { try await authority.anchors(others: others) }

    func fault(ofOpenPGP signature: [UInt8], message: [UInt8], key: OpenPGPKey) async throws -> String? {
        do {
            return try await openPGP.fault(of: signature, message: message, key: key)
        } catch let error as ProcessError {
            throw LedgerError(.unavailable, error.message)
        }
    }

    func certificate(
        for request: CertificateRequest, account: String, seconds: Int64, how: String, by actor: String
    ) async throws -> PreparedCertificate {
        let made = try await authority.prepare(request, for: account, seconds: seconds, how: how, by: actor)
        return PreparedCertificate(pem: made.chain.pem, store: made.store)
    }

    func isRevoked(_ fingerprint: [UInt8]) async throws -> Bool { try await authority.isRevoked(fingerprint) }
}
