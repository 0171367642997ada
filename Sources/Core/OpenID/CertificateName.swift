package import Certificates
import LDAPMessage
import Wire

/// A name in a certificate by which a client is known (RFC 8705 §2.1.2).
package struct CertificateName: Sendable, Equatable {
    /// Which name it is, as clients register it.
    package enum Kind: String, Sendable, CaseIterable {
        case subject = "tls_client_auth_subject_dn"
        case dns = "tls_client_auth_san_dns"
        case uri = "tls_client_auth_san_uri"
        case address = "tls_client_auth_san_ip"
        case email = "tls_client_auth_san_email"
    }

    package var kind: Kind
    package var value: String

    package init(kind: Kind, value: String) {
        self.kind = kind
        self.value = value
    }

    /// What is wrong with it; nil for nothing.
    var problem: String? {
        guard (1...1024).contains(value.utf8.count) else { return "'\(kind.rawValue)' has 1 to 1024 bytes" }
        guard kind == .subject else { return nil }
        return (try? DistinguishedName(value)) == nil
            ? "'\(kind.rawValue)' is a name such as CN=harvester,O=Institute (RFC 4514)" : nil
    }

    /// Whether a certificate has the name.
    package func isIn(_ facts: CertificateFacts) -> Bool {
        switch kind {
        case .subject:
            // Read, so that spaces and the case of types do not count.
            guard let wanted = try? DistinguishedName(value), let found = try? DistinguishedName(facts.subject) else {
                return false
            }
            return wanted == found && !wanted.parts.isEmpty
        case .dns: return facts.dnsNames.contains { $0.lowercased() == value.lowercased() }
        case .uri: return facts.uris.contains(value)
        case .address: return facts.addresses.contains { $0.lowercased() == value.lowercased() }
        case .email: return facts.emails.contains(value)
        }
    }
}
