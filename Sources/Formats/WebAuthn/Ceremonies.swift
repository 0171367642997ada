import Crypto
import Wire

/// A site as authenticators know it.
package struct RelyingParty: Sendable, Equatable {
    /// The host name.
    package var id: String
    /// The address without a path, such as `https://data.example.org`.
    package var origin: String

    /// - Parameter address: the site's address.
    /// - Returns: nil where it has an IP address for a host, which authenticators do not take (§5.1.2), or is not
    ///   https: and not this machine itself.
    package init?(address: String) {
        let isSecure = address.hasPrefix("https://")
        guard isSecure || address.hasPrefix("http://") else { return nil }
        let authority = address.dropFirst(isSecure ? 8 : 7).prefix { $0 != "/" }.lowercased()
        let host = String(authority.prefix { $0 != ":" })
        guard !host.isEmpty, !host.hasPrefix("["), !host.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2E })
        else { return nil }
        guard isSecure || host == "localhost" || host.hasSuffix(".localhost") else { return nil }
        id = host
        let standard = isSecure ? ":443" : ":80"
        let plain = authority.hasSuffix(standard) ? String(authority.dropLast(standard.count)) : authority
        origin = (isSecure ? "https://" : "http://") + plain
    }
}

/// A browser's answer to a request for a new credential (§5.2.1), checked.
package struct Registration: Sendable {
    package let credential: AuthenticatorData.Credential
    package let signCount: UInt32
    package let isBackedUp: Bool
    package let challenge: [UInt8]

    /// Checks the answer (§7.1). Attestation is not asked for and not looked at: who made the authenticator does not
    /// matter here.
    ///
    /// - Parameters:
    ///   - clientData: `response.clientDataJSON`.
    ///   - attestation: `response.attestationObject`.
    /// - Throws: ``WebAuthnError``. Whether the challenge is one that was given is for the caller to say.
    package init(
        clientData: [UInt8], attestation: [UInt8], by party: RelyingParty
    ) throws(WebAuthnError) {
        challenge = try ClientData(parsing: clientData, .create, origin: party.origin).challenge
        guard attestation.count <= AuthenticatorData.bytesMax * 2 else {
            throw .malformed("attestationObject is too long")
        }
        let object = try CBORValue(parsing: attestation)
        guard let bytes = object["authData"]?.bytes, object["fmt"]?.text != nil else {
            throw .malformed("attestationObject needs 'fmt' and 'authData'")
        }
        let data = try AuthenticatorData(parsing: bytes)
        try data.check(relyingParty: party.id)
        guard let credential = data.credential else { throw .malformed("the authenticator made no credential") }
        self.credential = credential
        signCount = data.signCount
        isBackedUp = data.isBackedUp
    }
}

/// A browser's answer to a request to prove a credential (§5.2.2), before its signature is checked.
package struct Assertion: Sendable {
    package let challenge: [UInt8]
    package let signCount: UInt32
    private let signed: [UInt8]
    private let signature: [UInt8]

    /// Checks all of the answer but its signature (§7.2).
    ///
    /// - Throws: ``WebAuthnError``.
    package init(
        clientData: [UInt8], authenticatorData: [UInt8], signature: [UInt8], by party: RelyingParty
    ) throws(WebAuthnError) {
        challenge = try ClientData(parsing: clientData, .get, origin: party.origin).challenge
        let data = try AuthenticatorData(parsing: authenticatorData)
        try data.check(relyingParty: party.id)
        signCount = data.signCount
        signed = authenticatorData + Array(SHA256.hash(data: clientData))
        self.signature = signature
    }

    /// Whether the credential with this public key has made it.
    package func isSigned(by key: PublicKey) -> Bool { key.verifies(signature, over: signed) }
}
