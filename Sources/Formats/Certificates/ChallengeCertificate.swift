import SwiftASN1
import X509

/// The certificate by which a host answers the ACME challenge `tls-alpn-01` (RFC 8737 §3).
package enum ChallengeCertificate {
    /// `id-pe-acmeIdentifier`.
    private static let identifier: ASN1ObjectIdentifier = [1, 3, 6, 1, 5, 5, 7, 1, 31]

    /// The digest of the key authorization that a certificate carries.
    ///
    /// - Parameters:
    ///   - der: the certificate; who signed it does not matter.
    ///   - host: the one host that it has to be for.
    /// - Throws: ``CertificatesError`` for any other certificate.
    package static func proof(of der: [UInt8], host: String) throws(CertificatesError) -> [UInt8] {
        let certificate = try CertificateChain.certificate(der: der)
        let names = try CertificateAuthority.building { () throws in try certificate.extensions.subjectAlternativeNames
        }
        guard let names, names.count == 1, let name = names.first, name == (try HostName.generalName(host)) else {
            throw CertificatesError(.invalidParameter, "its one alternative name has to be \(HostName.quoted(host))")
        }
        guard let proof = certificate.extensions[oid: identifier], proof.critical,
            let digest = try? ASN1OctetString(derEncoded: Array(proof.value)), digest.bytes.count == 32
        else {
            throw CertificatesError(
                .invalidParameter, "it has no critical extension acmeIdentifier with a digest of 32 bytes")
        }
        return Array(digest.bytes)
    }

    /// The name by which a host is asked for in a TLS handshake: of an address that of its reverse look-up (RFC 8738
    /// §6).
    package static func serverName(of host: String) -> String {
        guard HostName.isAddress(host), case .ipAddress(let address)? = try? HostName.generalName(host) else {
            return host
        }
        let bytes = Array(address.bytes)
        if bytes.count == 4 { return bytes.reversed().map { String($0) }.joined(separator: ".") + ".in-addr.arpa" }
        let digits = bytes.reversed().flatMap { [$0 & 15, $0 >> 4] }.map { String($0, radix: 16) }
        return digits.joined(separator: ".") + ".ip6.arpa"
    }
}
