import Crypto
import CryptoExtras
package import Wire

/// A public key of a JWK (RFC 7517), with which signatures of JWTs are checked.
package struct JWK: Sendable {
    private enum Key: Sendable {
        case p256(P256.Signing.PublicKey)
        case p384(P384.Signing.PublicKey)
        case p521(P521.Signing.PublicKey)
        case ed25519(Curve25519.Signing.PublicKey)
        case rsa(_RSA.Signing.PublicKey)
    }

    private let key: Key
    /// `kid`.
    package let keyID: String?
    /// `alg`: the one algorithm that the key is for, where it says so.
    package let algorithm: String?
    /// The key's name by its content (RFC 7638), in base64url.
    package let thumbprint: String

    /// The members that make the key, in the order in which the thumbprint wants them.
    package let members: [(name: String, value: String)]

    /// Algorithms that can be checked. None of them is symmetric: what is public must not be able to sign.
    package static let algorithms = [
        "ES256", "ES384", "ES512", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    ]

    /// - Throws: ``JOSEError`` for a key of another kind, a private one, one that is not for signatures, a broken one,
    ///   and RSA keys below 2048 bits or above 8192.
    package init(_ json: JSONValue) throws(JOSEError) {
        guard json["d"] == nil, json["k"] == nil else { throw JOSEError("the key is not a public one") }
        guard json["use"]?.string ?? "sig" == "sig" else { throw JOSEError("the key is not for signatures") }
        func bytes(_ name: String) throws(JOSEError) -> [UInt8] {
            guard let text = json[name]?.string, let bytes = Base64.decode(text), !bytes.isEmpty else {
                throw JOSEError("the key's member '\(name)' is missing or broken")
            }
            return bytes
        }
        let (type, curve) = (json["kty"]?.string ?? "", json["crv"]?.string ?? "")
        var members: [(name: String, value: String)]
        switch type {
        case "EC":
            let (x, y) = (try bytes("x"), try bytes("y"))
            members = [("crv", curve), ("kty", type), ("x", Base64.encodeURL(x)), ("y", Base64.encodeURL(y))]
            let made: Key? =
                switch curve {
                case "P-256": (try? P256.Signing.PublicKey(rawRepresentation: x + y)).map { .p256($0) }
                case "P-384": (try? P384.Signing.PublicKey(rawRepresentation: x + y)).map { .p384($0) }
                case "P-521": (try? P521.Signing.PublicKey(rawRepresentation: x + y)).map { .p521($0) }
                default: nil
                }
            guard let made else { throw JOSEError("the key is no point on a known curve") }
            key = made
        case "OKP":
            let x = try bytes("x")
            members = [("crv", curve), ("kty", type), ("x", Base64.encodeURL(x))]
            guard curve == "Ed25519", let made = try? Curve25519.Signing.PublicKey(rawRepresentation: x) else {
                throw JOSEError("the key is none of Ed25519")
            }
            key = .ed25519(made)
        case "RSA":
            let (modulus, exponent) = (try bytes("n"), try bytes("e"))
            members = [("e", Base64.encodeURL(exponent)), ("kty", type), ("n", Base64.encodeURL(modulus))]
            // Shorter ones prove little, longer ones take long.
            guard (256...1024).contains(modulus.count), exponent.count <= 4,
                let made = try? _RSA.Signing.PublicKey(n: modulus, e: exponent)
            else { throw JOSEError("the key is no RSA key of 2048 to 8192 bits") }
            key = .rsa(made)
        default: throw JOSEError("the key is of a kind that is not known here")
        }
        keyID = json["kid"]?.string
        algorithm = json["alg"]?.string
        self.members = members
        var writer = JSONWriter()
        writer.object { writer in for member in members { writer.member(member.name, member.value) } }
        thumbprint = Base64.encodeURL(Array(SHA256.hash(data: writer.bytes)))
    }

    /// Whether the key is for a token by its name, and can check its algorithm.
    package func fits(_ token: SignedJWT) -> Bool {
        guard algorithm ?? token.algorithm == token.algorithm, token.keyID == nil || token.keyID == keyID else {
            return false
        }
        return switch key {
        case .p256: token.algorithm == "ES256"
        case .p384: token.algorithm == "ES384"
        case .p521: token.algorithm == "ES512"
        case .ed25519: token.algorithm == "EdDSA"
        case .rsa: token.algorithm.hasPrefix("RS") || token.algorithm.hasPrefix("PS")
        }
    }

    /// Whether this key has signed a token.
    package func verifies(_ token: SignedJWT) -> Bool {
        guard Self.algorithms.contains(token.algorithm), fits(token) else { return false }
        let (signed, signature) = (token.signed, token.signature)
        switch key {
        case .p256(let key):
            return (try? P256.Signing.ECDSASignature(rawRepresentation: signature))
                .map { key.isValidSignature($0, for: signed) } ?? false
        case .p384(let key):
            return (try? P384.Signing.ECDSASignature(rawRepresentation: signature))
                .map { key.isValidSignature($0, for: signed) } ?? false
        case .p521(let key):
            return (try? P521.Signing.ECDSASignature(rawRepresentation: signature))
                .map { key.isValidSignature($0, for: signed) } ?? false
        case .ed25519(let key): return key.isValidSignature(signature, for: signed)
        case .rsa(let key):
            let padding: _RSA.Signing.Padding = token.algorithm.hasPrefix("PS") ? .PSS : .insecurePKCS1v1_5
            let signature = _RSA.Signing.RSASignature(rawRepresentation: signature)
            return switch token.algorithm.suffix(3) {
            case "256": key.isValidSignature(signature, for: SHA256.hash(data: signed), padding: padding)
            case "384": key.isValidSignature(signature, for: SHA384.hash(data: signed), padding: padding)
            default: key.isValidSignature(signature, for: SHA512.hash(data: signed), padding: padding)
            }
        }
    }

    /// The key as certificates have it: the bits of `subjectPublicKey` (RFC 5280 §4.1.2.7).
    package var certifiedBytes: [UInt8] {
        switch key {
        case .p256(let key): Array(key.x963Representation)
        case .p384(let key): Array(key.x963Representation)
        case .p521(let key): Array(key.x963Representation)
        case .ed25519(let key): Array(key.rawRepresentation)
        case .rsa(let key): Array(key.pkcs1DERRepresentation)
        }
    }

    /// Writes the key as an object of a JWK set.
    package func write(_ json: inout JSONWriter) {
        json.object { json in
            for member in members { json.member(member.name, member.value) }
            if let keyID { json.member("kid", keyID) }
            if let algorithm { json.member("alg", algorithm) }
            json.member("use", "sig")
        }
    }
}
