import Crypto
import CryptoExtras

/// The public key of a credential, in the kinds that authenticators make: ES256, EdDSA with Ed25519, and RS256.
package enum PublicKey: Sendable, Equatable {
    /// The point on P-256, as x and y of 32 bytes each.
    case es256([UInt8])
    case ed25519([UInt8])
    case rs256(modulus: [UInt8], exponent: [UInt8])

    /// The algorithms' numbers in COSE (RFC 9053), best first.
    package static let algorithms: [Int64] = [-7, -8, -257]

    /// Reads a COSE key (RFC 9052 §7).
    ///
    /// - Throws: ``WebAuthnError`` `.unsupported` or `.malformed`.
    package init(cose: CBORValue) throws(WebAuthnError) {
        func missing() -> WebAuthnError { .malformed("the credential's public key is not complete") }
        switch (cose[1]?.integer, cose[3]?.integer) {
        case (2, -7):
            guard cose[-1]?.integer == 1, let x = cose[-2]?.bytes, let y = cose[-3]?.bytes, x.count == 32, y.count == 32
            else { throw missing() }
            self = .es256(x + y)
        case (1, -8):
            guard cose[-1]?.integer == 6, let x = cose[-2]?.bytes, x.count == 32 else { throw missing() }
            self = .ed25519(x)
        case (3, -257):
            guard let n = cose[-1]?.bytes, let e = cose[-2]?.bytes, (256...512).contains(n.count),
                (1...8).contains(e.count)
            else { throw missing() }
            self = .rs256(modulus: n, exponent: e)
        case (_, let algorithm):
            throw .unsupported("the key's algorithm is \(algorithm ?? 0); ES256, EdDSA and RS256 are known here")
        }
        guard isUsable else { throw .malformed("the credential's public key is none") }
    }

    /// Whether `signature` over `message` was made with the private half.
    package func verifies(_ signature: [UInt8], over message: [UInt8]) -> Bool {
        guard signature.count <= 1024 else { return false }
        switch self {
        case .es256(let point):
            guard let key = try? P256.Signing.PublicKey(rawRepresentation: point),
                let signature = try? P256.Signing.ECDSASignature(derRepresentation: signature)
            else { return false }
            return key.isValidSignature(signature, for: message)
        case .ed25519(let point):
            guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: point) else { return false }
            return key.isValidSignature(signature, for: message)
        case .rs256(let modulus, let exponent):
            guard let key = try? _RSA.Signing.PublicKey(n: modulus, e: exponent) else { return false }
            return key.isValidSignature(
                _RSA.Signing.RSASignature(rawRepresentation: signature), for: SHA256.hash(data: message),
                padding: .insecurePKCS1v1_5)
        }
    }

    private var isUsable: Bool {
        switch self {
        case .es256(let point): (try? P256.Signing.PublicKey(rawRepresentation: point)) != nil
        case .ed25519(let point): (try? Curve25519.Signing.PublicKey(rawRepresentation: point)) != nil
        case .rs256(let modulus, let exponent): (try? _RSA.Signing.PublicKey(n: modulus, e: exponent)) != nil
        }
    }

    // MARK: Keeping

    /// The form in which it is kept: the algorithm's place in ``algorithms``, and its numbers.
    package var bytes: [UInt8] {
        switch self {
        case .es256(let point): [0] + point
        case .ed25519(let point): [1] + point
        case .rs256(let modulus, let exponent): [2, UInt8(exponent.count)] + exponent + modulus
        }
    }

    /// Reads ``bytes``; nil for anything else.
    package init?(bytes: [UInt8]) {
        switch bytes.first {
        case 0 where bytes.count == 65: self = .es256(Array(bytes.dropFirst()))
        case 1 where bytes.count == 33: self = .ed25519(Array(bytes.dropFirst()))
        case 2 where bytes.count > 2 + Int(bytes[1]):
            self = .rs256(
                modulus: Array(bytes.dropFirst(2 + Int(bytes[1]))), exponent: Array(bytes[2..<(2 + Int(bytes[1]))]))
        default: return nil
        }
    }
}
