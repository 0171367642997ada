import Crypto
import SwiftASN1
package import Wire
import X509

/// What a certificate says, as far as people and programs here ask for it.
package struct CertificateFacts: Sendable {
    /// SHA-256 of the DER.
    package let fingerprint: [UInt8]
    /// The serial number in lower-case hexadecimal.
    package let serial: String
    /// As RFC 4514 writes names.
    package let subject: String
    package let issuer: String
    /// SHA-256 over issuer and subject: the same for each renewal by the same authority.
    package let nameHash: [UInt8]
    package let dnsNames: [String]
    package let addresses: [String]
    package let emails: [String]
    package let uris: [String]
    package let validFrom: Timestamp
    /// The last moment at which it is valid.
    package let expires: Timestamp
    /// The bits of its key (RFC 5280 §4.1.2.7).
    package let publicKey: [UInt8]
    /// Whether it may be used to log in with: it says nothing of purposes, or this is one of them.
    package let allowsClients: Bool
    /// Whether its key may sign documents: it says nothing of the key's usage, or that (RFC 5280 §4.2.1.3).
    package let allowsSignatures: Bool

    /// - Throws: `.malformed`.
    package init(der: [UInt8]) throws(CertificatesError) {
        self.init(try CertificateChain.certificate(der: der), der: der)
    }

    /// Reads the first certificate of a PEM text, or DER.
    ///
    /// - Throws: `.malformed`.
    package init(pemOrDER bytes: [UInt8]) throws(CertificatesError) {
        var der = bytes
        if bytes.first != 0x30 {
            guard let first = try CertificateChain.documents(String(decoding: bytes, as: UTF8.self)).first else {
                throw CertificatesError(.malformed, "there is no certificate in the text")
            }
            der = first
        }
        try self.init(der: der)
    }

    init(_ certificate: Certificate, der: [UInt8]) {
        fingerprint = Array(SHA256.hash(data: der))
        serial = Hex.encode(certificate.serialNumber.bytes)
        subject = "\(certificate.subject)"
        issuer = "\(certificate.issuer)"
        nameHash = Array(SHA256.hash(data: Self.der(certificate.issuer) + Self.der(certificate.subject)))
        let validity = Validity(from: certificate.notValidBefore, until: certificate.notValidAfter)
        (validFrom, expires) = (validity.from, validity.until)
        let names = (try? certificate.extensions.subjectAlternativeNames).flatMap { $0 }.map { Array($0) } ?? []
        dnsNames = names.compactMap { if case .dnsName(let name) = $0 { name } else { nil } }
        addresses = names.compactMap {
            if case .ipAddress(let bytes) = $0 { HostName.text(address: Array(bytes.bytes)) } else { nil }
        }
        emails = names.compactMap { if case .rfc822Name(let name) = $0 { name } else { nil } }
        uris = names.compactMap { if case .uniformResourceIdentifier(let uri) = $0 { uri } else { nil } }
        publicKey = Array(certificate.publicKey.subjectPublicKeyInfoBytes)
        let usage = (try? certificate.extensions.extendedKeyUsage).flatMap { $0 }
        let keyUsage = (try? certificate.extensions.keyUsage).flatMap { $0 }
        allowsSignatures = keyUsage.map { $0.digitalSignature || $0.nonRepudiation } ?? true
        allowsClients = usage.map { $0.contains(.clientAuth) || $0.contains(.any) } ?? true
    }

    private static func der(_ name: DistinguishedName) -> [UInt8] {
        var serializer = DER.Serializer()
        try? serializer.serialize(name)
        return serializer.serializedBytes
    }
}
