internal import Crypto
internal import Wire

/// The name and public key of one who signs notes with Ed25519 (C2SP signed-note, "Verifier keys").
package struct VerifierKey: Hashable, Sendable, CustomStringConvertible {
    /// What a signature by the key is of: the types of signed-note that are read here.
    package enum Kind: UInt8, Sendable {
        /// The text itself: a log's.
        case text = 1
        /// The text and a time: a witness's (C2SP tlog-cosignature, cosignature/v1).
        case cosignature = 4
    }

    static let maxLength = 1024

    package let name: String
    package let kind: Kind
    /// The first four bytes of SHA-256(name || 0x0A || type || public key), as a big-endian number.
    package let id: UInt32
    /// 32 bytes (RFC 8032 §5.1.5).
    package let publicKey: [UInt8]

    /// - Throws: `malformed` for a name that keys cannot have, or if there are not 32 bytes.
    package init(name: String, publicKey: [UInt8], kind: Kind = .text) throws {
        guard isKeyName(name), name.utf8.count <= Self.maxLength else {
            throw MerkleLogError(
                .malformed, "key name \(excerpt(name)) must be 1 to 1024 bytes without spaces, controls and '+'")
        }
        guard publicKey.count == 32 else {
            throw MerkleLogError(.malformed, "an Ed25519 public key has 32 bytes, not \(publicKey.count)")
        }
        let digest = SHA256.hash(data: Array(name.utf8) + [newline, kind.rawValue] + publicKey)
        self.name = name
        self.kind = kind
        self.publicKey = publicKey
        id = digest.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// Reads a vkey, `NAME+HEX(ID)+BASE64(TYPE || PUBLIC KEY)`.
    /// - Throws: `malformed`, also if the ID is not that of the key, or the key is of a type that is not read.
    package init(vkey: String) throws {
        // A '+' is also a digit of Base64, so only the first two separate.
        let parts = vkey.utf8.split(separator: UInt8(ascii: "+"), maxSplits: 2, omittingEmptySubsequences: false)
        guard vkey.utf8.count <= 2 * Self.maxLength, parts.count == 3,
            let key = decodeStrictBase64(Substring(parts[2])), let type = key.first
        else {
            throw MerkleLogError(.malformed, "verifier key \(excerpt(vkey)) must be NAME+ID+BASE64")
        }
        guard let kind = Kind(rawValue: type) else {
            throw MerkleLogError(
                .malformed,
                "verifier key \(excerpt(vkey)) is of signature type \(type): 1 and 4, both Ed25519, are read")
        }
        try self.init(name: String(Substring(parts[0])), publicKey: Array(key.dropFirst()), kind: kind)
        guard isSameBytes(Substring(parts[1]), hexID) else {
            throw MerkleLogError(.malformed, "verifier key \(excerpt(vkey)) has the wrong ID: it should be \(hexID)")
        }
    }

    /// The text form, `NAME+HEX(ID)+BASE64(TYPE || PUBLIC KEY)`.
    package var vkey: String { "\(name)+\(hexID)+\(Base64.encode([kind.rawValue] + publicKey))" }

    package var description: String { vkey }

    package func verifies(_ signature: [UInt8], of text: String) -> Bool {
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey) else { return false }
        switch kind {
        case .text: return key.isValidSignature(signature, for: Array(text.utf8))
        case .cosignature:
            guard let cosignature = Cosignature(signature) else { return false }
            return key.isValidSignature(cosignature.bytes, for: Cosignature.message(text, time: cosignature.time))
        }
    }

    package static func == (a: VerifierKey, b: VerifierKey) -> Bool {
        a.kind == b.kind && isSameBytes(a.name, b.name) && a.publicKey == b.publicKey
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(publicKey) }

    /// Whether a signature names this key.
    func signed(_ signature: SignedNote.Signature) -> Bool {
        id == signature.keyID && isSameBytes(name, signature.name)
    }

    private var hexID: String { Hex.encode(bigEndianBytes(id)) }
}

func bigEndianBytes(_ value: UInt32) -> [UInt8] {
    [UInt8(value >> 24), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
}
