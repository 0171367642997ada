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

/// That somebody has a host (RFC 8555 §7.1.4), by the one challenge there is: `http-01`.
package struct ACMEAuthorization: Sendable {
    package var id: String
    package var order: String
    package var host: String
    package var token: String
    package var status: ACMEStatus
    package var expires: Timestamp
    package var error: String?
    package var validated: Timestamp?
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
        case badSignatureAlgorithm, connection, externalAccountRequired, incorrectResponse, invalidContact, malformed
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
