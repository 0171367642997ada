import SwiftASN1
package import Wire
@_spi(FixedExpiryValidationTime) import X509

/// Authorities whose certificates are believed.
package struct TrustAnchors: Sendable {
    /// Their certificates, in DER.
    package let certificates: [[UInt8]]
    private let roots: [Certificate]
    /// Found here where a client does not send them.
    private let intermediates: [Certificate]

    /// - Parameters:
    ///   - roots: certificates of authorities, in DER.
    ///   - intermediates: further ones that lead to a root.
    /// - Throws: `.malformed`, `.notAuthority`.
    package init(roots: [[UInt8]], intermediates: [[UInt8]] = []) throws(CertificatesError) {
        certificates = roots
        self.roots = try roots.map { der throws(CertificatesError) in try Self.authority(der) }
        self.intermediates = try intermediates.map { der throws(CertificatesError) in try Self.authority(der) }
    }

    /// Reads the certificates of authorities from a PEM text.
    ///
    /// - Throws: `.malformed`, `.notAuthority`.
    package static func roots(pem: String) throws(CertificatesError) -> [[UInt8]] {
        let documents = try CertificateChain.documents(pem)
        guard !documents.isEmpty else { throw CertificatesError(.malformed, "there is no certificate in the text") }
        for der in documents { _ = try authority(der) }
        return documents
    }

    private static func authority(_ der: [UInt8]) throws(CertificatesError) -> Certificate {
        let certificate = try CertificateChain.certificate(der: der)
        guard case .isCertificateAuthority = (try? certificate.extensions.basicConstraints).flatMap({ $0 }) else {
            throw CertificatesError(
                .notAuthority, "the certificate of \(certificate.subject) may not issue others (CA:TRUE)")
        }
        return certificate
    }

    /// What came of looking at a certificate.
    package enum Verdict: Sendable {
        /// It leads to an authority; that holds until the first certificate on the way expires. `issuer` is the
        /// fingerprint of the certificate that issued it.
        case trusted(CertificateFacts, issuer: [UInt8], until: Timestamp)
        /// An authority that is trusted has issued it, and yet it does not count.
        case refused(String)
        /// No authority that is trusted has anything to do with it.
        case unknown
    }

    /// What a certificate is looked at for.
    package enum Purpose: Sendable {
        /// Logging in.
        case client
        /// Signing documents, whatever its extended key usage says: there is none for it that authorities agree on.
        case signature
    }

    /// Follows the way from a certificate to one of the roots (RFC 5280 §6): signatures, times, basic and name
    /// constraints, purposes.
    package func verify(
        _ shown: PresentedCertificate, for purpose: Purpose = .client, now: Timestamp = .now
    ) async -> Verdict {
        guard let leaf = try? Certificate(derEncoded: shown.der) else { return .unknown }
        let sent = shown.others.prefix(CertificateChain.countMax).compactMap { try? Certificate(derEncoded: $0) }
        let between = sent + intermediates
        guard (roots + between).contains(where: { $0.subject == leaf.issuer }) else { return .unknown }
        var verifier = Verifier(rootCertificates: CertificateStore(roots)) {
            RFC5280Policy(fixedExpiryValidationTime: Validity(from: now, until: now).fromDate)
            KnownExtensions()
        }
        let facts = CertificateFacts(leaf, der: shown.der)
        switch await verifier.validate(leaf: leaf, intermediates: CertificateStore(between)) {
        case .validCertificate(let chain):
            switch purpose {
            case .client where !facts.allowsClients:
                return .refused("the certificate of \(facts.subject) is not for clients (clientAuth)")
            case .signature where !facts.allowsSignatures:
                return .refused("the certificate of \(facts.subject) is not for signatures (digitalSignature)")
            default: break
            }
            guard chain.count > 1, let (issuer, _) = try? CertificateChain.serialized(chain[1]) else { return .unknown }
            let until = chain.map { Validity(from: $0.notValidBefore, until: $0.notValidAfter).until }.min()
            return .trusted(facts, issuer: CertificateFacts(chain[1], der: issuer).fingerprint, until: until ?? now)
        case .couldNotValidate(let failures):
            guard !failures.isEmpty else { return .unknown }
            if facts.expires < now || facts.validFrom > now {
                return .refused(
                    "the certificate of \(facts.subject) is valid from \(facts.validFrom.rfc3339) to \(facts.expires.rfc3339)"
                )
            }
            return .refused("the certificate of \(facts.subject) does not lead to an authority that is trusted here")
        }
    }
}

/// Extensions that may be critical, since what they say is looked at.
private struct KnownExtensions: VerifierPolicy {
    let verifyingCriticalExtensions: [ASN1ObjectIdentifier] = [
        .X509ExtensionID.subjectAlternativeName, .X509ExtensionID.extendedKeyUsage,
    ]

    func chainMeetsPolicyRequirements(chain: UnverifiedCertificateChain) -> PolicyEvaluationResult {
        .meetsPolicy
    }
}
