import Crypto

/// What an authenticator says of itself and of what it did (WebAuthn Level 3 §6.1).
package struct AuthenticatorData: Sendable {
    /// Longer ones are not read.
    package static let bytesMax = 16 << 10
    /// §7.1 step 25.
    package static let credentialBytesMax = 1023

    /// A new credential.
    package struct Credential: Sendable {
        package var id: [UInt8]
        package var key: PublicKey
        /// The model of the authenticator, as it says; sixteen zeros for none.
        package var model: [UInt8]
    }

    package let relyingPartyHash: [UInt8]
    /// Somebody touched it.
    package let isUserPresent: Bool
    /// It knows who did: by a fingerprint, a face, a PIN.
    package let isUserVerified: Bool
    /// Whether the credential is kept in more than one place.
    package let isBackedUp: Bool
    /// Rises with each use, where the authenticator counts; else 0.
    package let signCount: UInt32
    package let credential: Credential?

    /// - Throws: ``WebAuthnError`` `.malformed`, or `.unsupported` for a key of another kind.
    package init(parsing bytes: [UInt8]) throws(WebAuthnError) {
        guard (37...Self.bytesMax).contains(bytes.count) else {
            throw .malformed("authenticator data has 37 to \(Self.bytesMax) bytes, not \(bytes.count)")
        }
        relyingPartyHash = Array(bytes[0..<32])
        let flags = bytes[32]
        isUserPresent = flags & 0x01 != 0
        isUserVerified = flags & 0x04 != 0
        isBackedUp = flags & 0x10 != 0
        // Backed up without being able to be (§6.1.3) is no state.
        guard flags & 0x08 != 0 || !isBackedUp else {
            throw .malformed("the authenticator's flags contradict each other")
        }
        signCount = bytes[33..<37].reduce(0) { $0 << 8 | UInt32($1) }
        var rest = bytes[37...]
        if flags & 0x40 != 0 {
            guard rest.count > 18 else {
                throw .malformed("the authenticator data ends in the midst of its credential")
            }
            let model = Array(rest.prefix(16))
            let length = Int(rest[rest.startIndex + 16]) << 8 | Int(rest[rest.startIndex + 17])
            rest = rest.dropFirst(18)
            guard (1...Self.credentialBytesMax).contains(length), rest.count > length else {
                throw .malformed("a credential's id has 1 to \(Self.credentialBytesMax) bytes")
            }
            let id = Array(rest.prefix(length))
            rest = rest.dropFirst(length)
            let (key, count) = try CBORValue.first(of: rest)
            rest = rest.dropFirst(count)
            credential = Credential(id: id, key: try PublicKey(cose: key), model: model)
        } else {
            credential = nil
        }
        if flags & 0x80 != 0 {
            let (_, count) = try CBORValue.first(of: rest)
            rest = rest.dropFirst(count)
        }
        guard rest.isEmpty else { throw .malformed("something follows the authenticator data") }
    }

    /// Checks for which site it was made, and that a person was there and known (§7.1 steps 13 to 16, §7.2 steps 15
    /// to 18).
    ///
    /// - Parameter relyingParty: the site's host name.
    /// - Throws: ``WebAuthnError`` `.refused`.
    package func check(relyingParty: String) throws(WebAuthnError) {
        guard relyingPartyHash == Array(SHA256.hash(data: Array(relyingParty.utf8))) else {
            throw .refused("the authenticator answered another site than \(relyingParty)")
        }
        guard isUserPresent, isUserVerified else {
            throw .refused("the authenticator has not checked who uses it: it needs a PIN, a fingerprint or the like")
        }
    }
}
