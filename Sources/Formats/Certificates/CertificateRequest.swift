import Crypto
import CryptoExtras
import SwiftASN1
import Wire
import X509

/// A certificate signing request (PKCS #10, RFC 2986): a public key whose holder asks for a certificate. Of what it
/// says only the key and the alternative names count.
package struct CertificateRequest: Sendable {
    package let names: AlternativeNames
    let publicKey: Certificate.PublicKey

    package static let bytesMax = 16 << 10

    /// Reads a request in PEM or DER, and checks that whoever made it has the key.
    ///
    /// - Throws: `.malformed` also for a wrong signature; `.invalidParameter` for a key that is too weak.
    package init(pemOrDER bytes: [UInt8]) throws(CertificatesError) {
        guard bytes.count <= Self.bytesMax else {
            throw CertificatesError(.malformed, "a request has at most \(Self.bytesMax) bytes")
        }
        let request: CertificateSigningRequest
        do {
            if bytes.first == 0x30 {
                request = try CertificateSigningRequest(derEncoded: bytes)
            } else {
                request = try CertificateSigningRequest(pemEncoded: String(decoding: bytes, as: UTF8.self))
            }
        } catch {
            throw CertificatesError(
                .malformed,
                "the request cannot be read as PKCS #10 with a key of P-256, P-384, P-521, Ed25519 or RSA from 2048 bits on"
            )
        }
        guard request.publicKey.isValidSignature(request.signature, for: request) else {
            throw CertificatesError(.malformed, "the request is not signed by the key that is in it")
        }
        if let key = _RSA.Signing.PublicKey(request.publicKey) {
            guard (2048...8192).contains(key.keySizeInBits) else {
                throw CertificatesError(
                    .invalidParameter, "an RSA key has 2048 to 8192 bits, not \(key.keySizeInBits)")
            }
        }
        publicKey = request.publicKey
        let extensions = try CertificateAuthority.building { () throws in
            try request.attributes.extensionRequest?.extensions
        }
        let alternatives: SubjectAlternativeNames?
        do {
            alternatives = try extensions?.subjectAlternativeNames
        } catch {
            throw CertificatesError(.malformed, "the alternative names cannot be read: \(error)")
        }
        names = try AlternativeNames(alternatives)
    }

    /// Makes a key (P-256) and a request for it.
    ///
    /// - Returns: the request in PEM, and the key as PKCS #8 in PEM.
    /// - Throws: `.invalidParameter` for names that no certificate can carry.
    package static func make(
        commonName: String, names: AlternativeNames = AlternativeNames()
    ) throws(CertificatesError) -> (request: String, key: String) {
        let key = P256.Signing.PrivateKey()
        return (try make(commonName: commonName, names: names, key: key), key.pemRepresentation + "\n")
    }

    /// A request of an authority's, for a key that is kept (32 bytes).
    package static func make(commonName: String, key: [UInt8]) throws(CertificatesError) -> String {
        guard let key = try? P256.Signing.PrivateKey(rawRepresentation: key) else {
            throw CertificatesError(.malformed, "the authority's key must be a P-256 scalar of 32 bytes")
        }
        return try make(commonName: commonName, names: AlternativeNames(), key: key)
    }

    private static func make(
        commonName: String, names: AlternativeNames, key: P256.Signing.PrivateKey
    ) throws(CertificatesError) -> String {
        let subject = try CertificateAuthority.commonName(commonName)
        let general = try names.generalNames()
        return try CertificateAuthority.building { () throws in
            var attributes = CertificateSigningRequest.Attributes()
            if !general.isEmpty {
                let extensions = try Certificate.Extensions { SubjectAlternativeNames(general) }
                attributes = try CertificateSigningRequest.Attributes([
                    .init(ExtensionRequest(extensions: extensions))
                ])
            }
            let request = try CertificateSigningRequest(
                version: .v1, subject: subject, privateKey: Certificate.PrivateKey(key), attributes: attributes,
                signatureAlgorithm: .ecdsaWithSHA256)
            return try request.serializeAsPEM().pemString + "\n"
        }
    }
}

/// The names that a certificate is for, beside its subject (RFC 5280 §4.2.1.6).
package struct AlternativeNames: Sendable, Equatable {
    /// Host names, also `*.` before one, and IP literals.
    package var hosts: [String]
    package var emails: [String]
    package var uris: [String]

    package static let countMax = 100

    package init(hosts: [String] = [], emails: [String] = [], uris: [String] = []) {
        self.hosts = hosts
        self.emails = emails
        self.uris = uris
    }

    package var isEmpty: Bool { hosts.isEmpty && emails.isEmpty && uris.isEmpty }
    package var all: [String] { hosts + emails + uris }

    init(_ names: SubjectAlternativeNames?) throws(CertificatesError) {
        self.init()
        guard let names else { return }
        guard names.count <= Self.countMax else {
            throw CertificatesError(.malformed, "a certificate has at most \(Self.countMax) alternative names")
        }
        for name in names {
            switch name {
            case .dnsName(let host): hosts.append(host.lowercased())
            case .ipAddress(let bytes):
                guard let text = HostName.text(address: Array(bytes.bytes)) else {
                    throw CertificatesError(.malformed, "an address has 4 or 16 bytes")
                }
                hosts.append(text)
            case .rfc822Name(let mail): emails.append(mail)
            case .uniformResourceIdentifier(let uri): uris.append(uri)
            default:
                throw CertificatesError(
                    .invalidParameter, "alternative names are DNS names, addresses, e-mail addresses and URIs")
            }
        }
    }

    /// Whether a host is an IP literal.
    package static func isAddress(_ host: String) -> Bool { HostName.isAddress(host) }

    /// Checks a host that somebody is allowed to have in a certificate.
    ///
    /// - Throws: `.invalidParameter`.
    package static func check(host: String) throws(CertificatesError) { _ = try HostName.generalName(host) }

    func generalNames() throws(CertificatesError) -> [GeneralName] {
        guard all.count <= Self.countMax else {
            throw CertificatesError(.invalidParameter, "a certificate has at most \(Self.countMax) alternative names")
        }
        var out: [GeneralName] = []
        for host in hosts { out.append(try HostName.generalName(host)) }
        for text in emails + uris where !text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) {
            throw CertificatesError(.invalidParameter, "\(HostName.quoted(text)) is not ASCII without spaces")
        }
        out += emails.map { .rfc822Name($0) }
        out += uris.map { .uniformResourceIdentifier($0) }
        return out
    }

    /// Whether `host` is one of `allowed`, which may begin with `*.` for all names of one more label.
    package static func covers(_ allowed: [String], host: String) -> Bool {
        let host = host.lowercased()
        return allowed.contains { rule in
            let rule = rule.lowercased()
            if rule == host { return true }
            guard rule.hasPrefix("*."), !host.hasPrefix("*."), let dot = host.firstIndex(of: ".") else { return false }
            return host[dot...] == rule.dropFirst() && dot != host.startIndex
        }
    }
}
