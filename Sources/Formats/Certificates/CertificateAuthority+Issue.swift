import Crypto
import SwiftASN1
package import Wire
import X509

extension CertificateAuthority {
    /// The most hosts of one certificate.
    package static let hostsMax = 100

    /// Issues a certificate for a TLS server, with a new key.
    ///
    /// - Parameters:
    ///   - hosts: DNS names (also `*.` before one) and IP literals, 1 to 100: all that clients may have in their URLs.
    ///   - days: 1 to 3653 from now; it ends with the authority's own time at the latest.
    /// - Throws: `.invalidParameter` for a host, count of days or clock that cannot be, `.expired` if the authority is.
    package func issueServer(hosts: [String], days: Int, now: Timestamp = .now) throws(CertificatesError)
        -> IssuedCertificate
    {
        guard let first = hosts.first, hosts.count <= Self.hostsMax else {
            throw CertificatesError(
                .invalidParameter, "a server's certificate has 1 to \(Self.hostsMax) hosts, not \(hosts.count)")
        }
        var names: [GeneralName] = []
        for host in hosts {
            let name = try HostName.generalName(host)
            if !names.contains(name) { names.append(name) }
        }
        // Clients look at the alternative names alone, which must be critical where the subject is empty (RFC 5280
        // §4.2.1.6).
        let hasSubject = first.unicodeScalars.count <= 64
        let subject = hasSubject ? try Self.commonName(first) : DistinguishedName()
        let alternatives = SubjectAlternativeNames(names)
        let usage = try Self.building { () throws in
            try Certificate.Extensions {
                try ExtendedKeyUsage([.serverAuth])
                if hasSubject { alternatives } else { Critical(alternatives) }
            }
        }
        return try issue(subject, usage, days: days, now: now)
    }

    /// Issues a certificate for a key that signs documents (traces, checkpoints), with a new key.
    ///
    /// - Parameters:
    ///   - commonName: who signs, 1 to 64 characters.
    ///   - days: 1 to 3653 from now; it ends with the authority's own time at the latest.
    /// - Throws: `.invalidParameter` for a name, count of days or clock that cannot be, `.expired` if the authority is.
    package func issueSigner(commonName: String, days: Int, now: Timestamp = .now) throws(CertificatesError)
        -> IssuedCertificate
    {
        try issue(try Self.commonName(commonName), Certificate.Extensions(), days: days, now: now)
    }

    private func issue(_ subject: DistinguishedName, _ further: Certificate.Extensions, days: Int, now: Timestamp)
        throws(CertificatesError) -> IssuedCertificate
    {
        let leaf = try Validity(now: now, days: days, inside: validity)
        let key = P256.Signing.PrivateKey()
        let publicKey = Certificate.PublicKey(key.publicKey)
        let certificate = try Self.building { () throws in
            var extensions = try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                SubjectKeyIdentifier(hash: publicKey)
                AuthorityKeyIdentifier(keyIdentifier: keyIdentifier.keyIdentifier)
            }
            for one in further { try extensions.append(one) }
            return try Certificate(
                version: .v3, serialNumber: Self.randomSerial(), publicKey: publicKey,
                notValidBefore: leaf.fromDate, notValidAfter: leaf.untilDate, issuer: self.subject, subject: subject,
                signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions,
                issuerPrivateKey: Certificate.PrivateKey(privateKey))
        }
        let (der, pem) = try CertificateChain.serialized(certificate)
        return IssuedCertificate(
            key: Array(key.rawRepresentation), keyPEM: key.pemRepresentation + "\n", certificate: der,
            certificatePEM: pem,
            expires: leaf.until)
    }
}
