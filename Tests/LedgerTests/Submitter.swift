import Certificates
import Crypto
import Journal
import Ledger
import SwiftASN1
import TraceFormat
import Wire
import X509

/// Somebody who hands in traces, with a certificate of an authority or of their own.
struct Submitter {
    let certificate: [UInt8]
    private let key: P256.Signing.PrivateKey

    /// - Parameter authority: nil lets nobody vouch for the certificate whom anybody trusts.
    init(authority: CertificateAuthority?) throws {
        let issuer = try authority ?? CertificateAuthority.create(name: "Stranger")
        let issued = try issuer.issueSigner(commonName: "Traces of others", days: 30)
        certificate = issued.certificate
        key = try P256.Signing.PrivateKey(rawRepresentation: issued.key)
    }

    func sign(_ message: [UInt8]) throws -> Trace.Signature {
        Trace.Signature(
            signature: Base64.encode(Array(try key.signature(for: message).derRepresentation)),
            algorithm: "ECDSA-SHA256", certificate: Base64.encode(certificate),
            message: String(decoding: message, as: UTF8.self))
    }

    /// - Parameter message: what is signed, where it is not what the node itself would write.
    func submission(
        _ number: Int, event: TraceEvent = .create, message: String? = nil
    ) throws -> TraceSubmission {
        let product = submittedProduct(number)
        return TraceSubmission(
            event: event, product: product, hashAlgorithm: .sha256,
            signature: try sign(message.map { Array($0.utf8) } ?? product.message(event: event)),
            obsolescence: event == .obsolete ? "replaced by another" : nil)
    }
}

func submittedProduct(_ number: Int) -> Trace.Product {
    Trace.Product(
        name: "given-\(number).SAFE.zip", size: 77, hash: digest(5000 + number),
        contents: [.init(path: "given-\(number).SAFE/a", hash: digest(6000 + number))])
}

func unsigned(_ number: Int, event: TraceEvent = .create) -> TraceSubmission {
    TraceSubmission(
        event: event, product: submittedProduct(number), hashAlgorithm: .sha256, signature: .none,
        obsolescence: event == .obsolete ? "nobody says so" : nil)
}

/// An authority whose holders' signatures count.
struct TestTrust: SignerTrust {
    let authority: CertificateAuthority
    var revoked: [[UInt8]] = []

    func anchors() async throws -> TrustAnchors { try TrustAnchors(roots: [authority.certificate]) }
    /// As if the one signature that is good were this text.
    func fault(ofOpenPGP signature: [UInt8], message: [UInt8], key: OpenPGPKey) async throws -> String? {
        signature == Array("good".utf8) + message.prefix(8) ? nil : "not good"
    }

    func certificate(
        for request: CertificateRequest, account: String, seconds: Int64, how: String, by actor: String
    ) async throws -> PreparedCertificate {
        let made = try authority.issue(
            request,
            CertificateTemplate(
                commonName: account, names: AlternativeNames(), purposes: [.client, .email], seconds: seconds))
        return PreparedCertificate(pem: made.pem) { _, events in
            events.record(EventKind("test.issued"), by: actor, on: account) { $0.member("how", how) }
        }
    }
    func isRevoked(_ fingerprint: [UInt8]) async throws -> Bool { revoked.contains(fingerprint) }
}
