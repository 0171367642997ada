import Crypto
import FoundationEssentials
import SwiftASN1
package import Wire
import X509

/// A certificate that somebody brought, with those that lead from it to its authority.
package struct CertificateChain: Sendable {
    /// In DER, the end certificate first.
    package let certificates: [[UInt8]]
    /// The end certificate's subject, for messages.
    package let subject: String
    /// From when all of them are valid.
    package let validFrom: Timestamp
    /// The last moment at which all of them are valid.
    package let expires: Timestamp
    /// Whether the last one has signed itself.
    package let endsWithRoot: Bool

    /// The longest chain, and the longest text of one in bytes.
    package static let countMax = 10
    package static let lengthMax = 1 << 20

    /// Reads a chain in PEM, as web servers take it, and checks that it can be used with the key: that the key is the
    /// end certificate's and that each certificate issued the one before it. Whether it is valid now, and trusted, is
    /// left to the caller: an expired certificate is still worth saying so.
    ///
    /// - Parameters:
    ///   - chainPEM: the end certificate first; at most 10 certificates and 1 MiB. Other PEM blocks are refused.
    ///   - keyPEM: PKCS #8, SEC 1 (EC) or PKCS #1 (RSA), not encrypted.
    /// - Throws: `.malformed`, `.keyMismatch`, `.brokenChain`.
    package static func parse(chainPEM: String, keyPEM: String) throws(CertificatesError) -> CertificateChain {
        try parse(chainPEM: chainPEM, key: try Self.key(pem: keyPEM))
    }

    /// The same with a key that is kept as 32 bytes (P-256).
    package static func parse(chainPEM: String, key: [UInt8]) throws(CertificatesError) -> CertificateChain {
        guard let key = try? P256.Signing.PrivateKey(rawRepresentation: key) else {
            throw CertificatesError(.malformed, "the key must be a P-256 scalar of 32 bytes")
        }
        return try parse(chainPEM: chainPEM, key: Certificate.PrivateKey(key))
    }

    private static func parse(
        chainPEM: String, key: Certificate.PrivateKey
    ) throws(CertificatesError) -> CertificateChain {
        let documents = try Self.documents(chainPEM, what: "the certificate")
        guard documents.count <= countMax else {
            throw CertificatesError(
                .malformed, "the chain has \(documents.count) certificates; at most \(countMax) are read")
        }
        var certificates: [Certificate] = []
        for document in documents {
            guard document.discriminator == "CERTIFICATE" else {
                throw CertificatesError(
                    .malformed,
                    "the chain holds a \(HostName.quoted(document.discriminator)); only CERTIFICATE belongs there")
            }
            certificates.append(try certificate(der: document.derBytes))
        }
        guard let end = certificates.first else {
            throw CertificatesError(.malformed, "there is no certificate in the chain")
        }
        guard end.publicKey == key.publicKey else {
            throw CertificatesError(
                .keyMismatch, "the key is not the one that the certificate of \(end.subject) is for")
        }
        for (issued, issuer) in zip(certificates, certificates.dropFirst())
        where issued.issuer != issuer.subject || !issuer.publicKey.isValidSignature(issued.signature, for: issued) {
            throw CertificatesError(
                .brokenChain,
                "\(issuer.subject) did not issue the certificate of \(issued.subject), which is before it in the chain"
            )
        }
        let validities = certificates.map { Validity(from: $0.notValidBefore, until: $0.notValidAfter) }
        return CertificateChain(
            certificates: documents.map(\.derBytes), subject: "\(end.subject)",
            validFrom: validities.map(\.from).max() ?? Timestamp(seconds: 0),
            expires: validities.map(\.until).min() ?? Timestamp(seconds: 0),
            endsWithRoot: certificates.last.map { last in
                last.issuer == last.subject && last.publicKey.isValidSignature(last.signature, for: last)
            } ?? false)
    }

    private static func key(pem: String) throws(CertificatesError) -> Certificate.PrivateKey {
        let documents = try documents(pem, what: "the key")
        // Some tools write the curve's parameters before an EC key.
        guard let document = documents.first(where: { $0.discriminator != "EC PARAMETERS" }) else {
            throw CertificatesError(.malformed, "there is no private key in the text")
        }
        guard document.discriminator != "ENCRYPTED PRIVATE KEY" else {
            throw CertificatesError(
                .malformed, "the key is encrypted with a passphrase; give it without one (openssl pkey)")
        }
        // The reader's own error is left out: it might show what it read.
        guard let key = try? Certificate.PrivateKey(pemDocument: document) else {
            throw CertificatesError(
                .malformed, "the key is not a private key of RSA, P-256, P-384, P-521 or Ed25519 that can be read")
        }
        return key
    }

    /// The certificates of a PEM text, in DER.
    ///
    /// - Throws: `.malformed`, also for anything that is no certificate.
    package static func documents(_ text: String) throws(CertificatesError) -> [[UInt8]] {
        let documents = try documents(text, what: "the certificate")
        guard documents.count <= countMax * 10, documents.allSatisfy({ $0.discriminator == "CERTIFICATE" }) else {
            throw CertificatesError(.malformed, "the text holds something else than certificates, or too many of them")
        }
        return documents.map(\.derBytes)
    }

    private static func documents(_ text: String, what: String) throws(CertificatesError) -> [PEMDocument] {
        guard text.utf8.count <= lengthMax else {
            throw CertificatesError(.malformed, "\(what) is longer than \(lengthMax) bytes")
        }
        guard let documents = try? PEMDocument.parseMultiple(pemString: text) else {
            throw CertificatesError(.malformed, "\(what) is not in PEM form (-----BEGIN ...-----)")
        }
        return documents
    }

    /// One certificate in PEM.
    package static func pem(_ der: [UInt8]) throws(CertificatesError) -> String {
        try serialized(try certificate(der: der)).pem
    }

    static func certificate(der: [UInt8]) throws(CertificatesError) -> Certificate {
        do {
            return try Certificate(derEncoded: der)
        } catch {
            throw CertificatesError(.malformed, "the certificate cannot be read: \(error)")
        }
    }

    static func serialized(_ certificate: Certificate) throws(CertificatesError) -> (der: [UInt8], pem: String) {
        try CertificateAuthority.building { () throws in
            var serializer = DER.Serializer()
            try serializer.serialize(certificate)
            let der = serializer.serializedBytes
            return (der, PEMDocument(type: "CERTIFICATE", derBytes: der).pemString + "\n")
        }
    }
}
