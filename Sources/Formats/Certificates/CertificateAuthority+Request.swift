import SwiftASN1
package import Wire
import X509

/// What a certificate that answers a request says.
package struct CertificateTemplate: Sendable {
    /// What the holder may do with it.
    package struct Purposes: OptionSet, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }
        package static let client = Purposes(rawValue: 1)
        package static let server = Purposes(rawValue: 2)
        package static let code = Purposes(rawValue: 4)
        package static let email = Purposes(rawValue: 8)
    }

    package var commonName: String
    package var names: AlternativeNames
    package var purposes: Purposes
    /// How long it is valid, from now on.
    package var seconds: Int64
    /// Where to ask for revocations and for the issuer's certificate; nil leaves it out.
    package var crlURL: String?
    package var ocspURL: String?
    package var issuerURL: String?

    package init(commonName: String, names: AlternativeNames, purposes: Purposes, seconds: Int64) {
        self.commonName = commonName
        self.names = names
        self.purposes = purposes
        self.seconds = seconds
    }
}

/// What an authority below another may issue certificates for (RFC 5280 §4.2.1.10); empty for anything.
package struct NamePermissions: Sendable, Equatable {
    /// DNS names and all below; also those of URIs.
    package var domains: [String]

    package init(domains: [String] = []) { self.domains = domains }

    var constraints: NameConstraints {
        // A constraint on a URI means one host, or with a dot before it all below.
        NameConstraints(permittedDNSDomains: domains, permittedURIDomains: domains.flatMap { [$0, "." + $0] })
    }

    /// Whether a verifier would take `name`, a DNS name.
    package func allows(host: String) -> Bool {
        let host = (host.hasPrefix("*.") ? String(host.dropFirst(2)) : host).lowercased()
        return domains.isEmpty || domains.contains { host == $0.lowercased() || host.hasSuffix("." + $0.lowercased()) }
    }
}

extension CertificateAuthority {
    /// Answers a request with a certificate of an end entity.
    ///
    /// - Throws: `.invalidParameter` for names that it cannot carry, `.expired` if the authority is.
    package func issue(
        _ request: CertificateRequest, _ template: CertificateTemplate, now: Timestamp = .now
    ) throws(CertificatesError) -> (certificate: [UInt8], pem: String, expires: Timestamp) {
        let times = try Validity(now: now, seconds: template.seconds, inside: validity)
        let subject = try Self.commonName(template.commonName)
        let alternatives = try template.names.generalNames()
        let certificate = try Self.building { () throws in
            var usages: [ExtendedKeyUsage.Usage] = []
            if template.purposes.contains(.client) { usages.append(.clientAuth) }
            if template.purposes.contains(.server) { usages.append(.serverAuth) }
            if template.purposes.contains(.code) { usages.append(.codeSigning) }
            if template.purposes.contains(.email) { usages.append(.emailProtection) }
            var extensions = try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage(usages)
                SubjectKeyIdentifier(hash: request.publicKey)
                AuthorityKeyIdentifier(keyIdentifier: keyIdentifier.keyIdentifier)
            }
            if !alternatives.isEmpty {
                try extensions.append(SubjectAlternativeNames(alternatives).makeCertificateExtension())
            }
            if let crl = template.crlURL { try extensions.append(Self.distributionPoint(crl)) }
            var access: [AuthorityInformationAccess.AccessDescription] = []
            if let url = template.ocspURL {
                access.append(.init(method: .ocspServer, location: .uniformResourceIdentifier(url)))
            }
            if let url = template.issuerURL {
                access.append(.init(method: .issuingCA, location: .uniformResourceIdentifier(url)))
            }
            if !access.isEmpty { try extensions.append(AuthorityInformationAccess(access).makeCertificateExtension()) }
            return try Certificate(
                version: .v3, serialNumber: Self.randomSerial(), publicKey: request.publicKey,
                notValidBefore: times.fromDate, notValidAfter: times.untilDate, issuer: self.subject, subject: subject,
                signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions,
                issuerPrivateKey: Certificate.PrivateKey(privateKey))
        }
        let (der, pem) = try CertificateChain.serialized(certificate)
        return (der, pem, times.until)
    }

    /// Answers a request with the certificate of an authority below this one, which may issue end certificates only.
    ///
    /// - Throws: as ``issue(_:_:now:)``.
    package func issueAuthority(
        _ request: CertificateRequest, commonName: String, permissions: NamePermissions, days: Int, crlURL: String?,
        now: Timestamp = .now
    ) throws(CertificatesError) -> [UInt8] {
        let times = try Validity(now: now, days: days, inside: validity)
        let subject = try Self.commonName(commonName)
        for domain in permissions.domains { _ = try HostName.generalName(domain) }
        let certificate = try Self.building { () throws in
            var extensions = try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(digitalSignature: true, keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: request.publicKey)
                AuthorityKeyIdentifier(keyIdentifier: keyIdentifier.keyIdentifier)
            }
            if !permissions.domains.isEmpty {
                try extensions.append(Certificate.Extension(permissions.constraints, critical: true))
            }
            if let crlURL { try extensions.append(Self.distributionPoint(crlURL)) }
            return try Certificate(
                version: .v3, serialNumber: Self.randomSerial(), publicKey: request.publicKey,
                notValidBefore: times.fromDate, notValidAfter: times.untilDate, issuer: self.subject, subject: subject,
                signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions,
                issuerPrivateKey: Certificate.PrivateKey(privateKey))
        }
        return try CertificateChain.serialized(certificate).der
    }

    /// Where the list of revocations is (RFC 5280 §4.2.1.13).
    private static func distributionPoint(_ url: String) -> Certificate.Extension {
        typealias D = DERWriting
        let name = D.node(0xA0, D.node(0xA0, D.node(0x86, Array(url.utf8))))
        return Certificate.Extension(oid: [2, 5, 29, 31], critical: false, value: D.sequence(D.sequence(name))[...])
    }

    /// What it may issue certificates for.
    package var permissions: NamePermissions {
        guard let opened = try? CertificateChain.certificate(der: certificate),
            let constraints = (try? opened.extensions.nameConstraints).flatMap({ $0 })
        else { return NamePermissions() }
        return NamePermissions(domains: Array(constraints.permittedDNSDomains))
    }
}
