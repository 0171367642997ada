package import Certificates
import Identity
package import Wire

/// What a node's authority is told.
package struct AuthoritySettings: Sendable {
    /// The common name of authorities that are made.
    package var name: String
    /// The trust domain of SPIFFE ids, a host name in lower case.
    package var trustDomain: String
    /// Where revocation lists and answers are reached, such as `http://ca.example.org`, without a slash at the end.
    package var url: String

    /// Where ACME clients begin.
    package var directory: String { webURL + "/acme/directory" }
    /// Where the web port is reached.
    package var webURL: String

    package init(name: String, trustDomain: String, url: String, webURL: String) {
        self.webURL = webURL
        self.name = name
        self.trustDomain = trustDomain
        self.url = url
    }
}

/// An authority by which the node issues certificates, with the key that it keeps.
struct Issuer: Sendable {
    var id: Int64
    var authority: CertificateAuthority
    /// The certificates above it, in DER, the root last.
    var chain: [[UInt8]]
    /// Whether the node's own root has issued it, so that the node can make another.
    var isOwn: Bool
    var permissions: NamePermissions
}

/// An authority as it is told of.
package struct IssuerSummary: Sendable {
    package var id: Int64
    package var commonName: String
    /// Nil for a request that nobody has signed yet.
    package var expires: Timestamp?
    /// Issues what is asked for now.
    package var isActive: Bool
    package var isOwn: Bool
    /// Names that it may issue certificates for; empty for any.
    package var domains: [String]
    package var created: Timestamp
}

/// A certificate with what leads from it to its root.
package struct IssuedChain: Sendable {
    package var serial: String
    /// In PEM, the certificate first, without the root.
    package var pem: String
    /// In DER.
    package var certificate: [UInt8]
    package var expires: Timestamp
}

/// A certificate that the node has issued.
package struct CertificateRecord: Sendable {
    /// In lower-case hexadecimal.
    package var serial: String
    package var owner: String
    package var subject: String
    package var hosts: [String]
    /// In DER.
    package var certificate: [UInt8]
    package var issued: Timestamp
    package var expires: Timestamp
    package var revoked: Timestamp?
    package var reason: RevocationReason?
}

/// What somebody may get certificates for.
package struct EnrolmentTerms: Sendable {
    package var account: String
    /// Host names and addresses; `*.` before a name is any one label.
    package var hosts: [String]
    /// How long the certificates are valid; nil for what is usual for the kind of account.
    package var seconds: Int64?

    package init(account: String, hosts: [String], seconds: Int64?) {
        self.account = account
        self.hosts = hosts
        self.seconds = seconds
    }

    /// Five minutes to 397 days.
    package static let secondsRange: ClosedRange<Int64> = 300...397 * 86_400
    package static let hostsMax = 100
}

extension PrincipalKind {
    /// What certificates of such accounts are for.
    var purposes: CertificateTemplate.Purposes {
        switch self {
        case .person: [.client, .email]
        case .computer, .service: [.client, .server]
        case .software: [.client, .code]
        }
    }

    /// How long they are usually valid: short, since whoever has one can renew it.
    var certificateSeconds: Int64 {
        switch self {
        case .person, .computer: 7 * 86_400
        case .service, .software: 86_400
        }
    }
}
