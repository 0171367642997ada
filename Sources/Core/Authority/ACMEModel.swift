package import Certificates
package import Wire

/// Who orders certificates over ACME: a key, bound to an account of this node.
package struct ACMEAccount: Sendable {
    package var id: String
    package var key: AccountKey
    /// The account here that certificates are of.
    var account: Int64
    package var accountName: String
    package var contacts: [String]
    package var isDeactivated: Bool
    /// Hosts that it may have in certificates.
    package var hosts: [String]
    var seconds: Int64
}

package enum ACMEStatus: String, Sendable {
    case pending, ready, processing, valid, invalid, deactivated, expired, revoked
}

/// How somebody shows that a host is theirs.
package enum ACMEChallenge: String, Sendable {
    /// By a file at port 80 (RFC 8555 §8.3).
    case http = "http-01"
    /// By a certificate at port 443 (RFC 8737).
    case tls = "tls-alpn-01"
    /// By a TXT record (RFC 8555 §8.4), which alone shows wildcards.
    case dns = "dns-01"
}

/// That somebody has a host (RFC 8555 §7.1.4).
package struct ACMEAuthorization: Sendable {
    package var id: String
    package var order: String
    /// As it will stand in the certificate: a wildcard begins with `*.`.
    package var host: String
    package var token: String
    package var status: ACMEStatus
    /// The challenge by which it was tried.
    package var method: ACMEChallenge?
    package var expires: Timestamp
    package var error: String?
    package var validated: Timestamp?

    package var isWildcard: Bool { host.hasPrefix("*.") }
    /// The host that the challenge is about.
    package var name: String { isWildcard ? String(host.dropFirst(2)) : host }
}

/// A certificate that somebody asks for.
package struct ACMEOrder: Sendable {
    package var id: String
    package var owner: String
    package var hosts: [String]
    package var status: ACMEStatus
    package var expires: Timestamp
    /// The ids of what has to be shown first.
    package var authorizations: [String]
    package var error: String?
    /// The chain in PEM, once it is issued.
    package var certificate: String?
}

/// Why a message of ACME was refused, by the name that the protocol has for it (RFC 8555 §6.7).
package struct ACMEError: Error, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        case accountDoesNotExist, alreadyRevoked, badCSR, badNonce, badPublicKey, badRevocationReason
        case badSignatureAlgorithm, connection, dns, externalAccountRequired, incorrectResponse, invalidContact,
            malformed
        case orderNotReady, rateLimited, rejectedIdentifier, serverInternal, unauthorized, unsupportedIdentifier
        case notFound, alreadyReplaced, conflict
    }

    package var code: Code
    package var description: String

    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
