import Crypto
import CryptoExtras
import Wire

/// A private key that signs JWTs.
package struct JWTSigner: Sendable {
    package enum Algorithm: String, Sendable, CaseIterable {
        case es256 = "ES256"
        case rs256 = "RS256"
    }

    private enum Key: Sendable {
        case es256(P256.Signing.PrivateKey)
        case rs256(_RSA.Signing.PrivateKey)
    }

    private let key: Key
    package let algorithm: Algorithm
    /// The public key, whose name is its thumbprint.
    package let publicKey: JWK
    package var keyID: String { publicKey.keyID ?? "" }
    /// The header of access tokens, which is the same for all.
    private let headers: [String: String]

    /// Reads what ``bytes`` gave.
    package init(_ algorithm: Algorithm, bytes: [UInt8]) throws {
        switch algorithm {
        case .es256: try self.init(.es256(P256.Signing.PrivateKey(rawRepresentation: bytes)))
        case .rs256: try self.init(.rs256(_RSA.Signing.PrivateKey(derRepresentation: bytes)))
        }
    }

    /// A new key: P-256, or RSA of 2048 bits.
    package static func generate(_ algorithm: Algorithm) throws -> JWTSigner {
        switch algorithm {
        case .es256: try JWTSigner(.es256(P256.Signing.PrivateKey()))
        case .rs256: try JWTSigner(.rs256(_RSA.Signing.PrivateKey(keySize: .bits2048)))
        }
    }

    private init(_ key: Key) throws {
        self.key = key
        var json: JSONObject
        switch key {
        case .es256(let key):
            algorithm = .es256
            let point = Array(key.publicKey.rawRepresentation)
            json = JSONObject([
                .init(name: "kty", value: "EC"), .init(name: "crv", value: "P-256"),
                .init(name: "x", value: .string(Base64.encodeURL(Array(point.prefix(32))))),
                .init(name: "y", value: .string(Base64.encodeURL(Array(point.suffix(32))))),
            ])
        case .rs256(let key):
            algorithm = .rs256
            let numbers = try key.publicKey.getKeyPrimitives()
            json = JSONObject([
                .init(name: "kty", value: "RSA"),
                .init(name: "n", value: .string(Base64.encodeURL(Array(numbers.modulus)))),
                .init(name: "e", value: .string(Base64.encodeURL(Array(numbers.publicExponent)))),
            ])
        }
        json["alg"] = .string(algorithm.rawValue)
        json["kid"] = .string(try JWK(.object(json)).thumbprint)
        publicKey = try JWK(.object(json))
        var headers: [String: String] = [:]
        for type in ["at+jwt", "JWT", "logout+jwt"] {
            headers[type] = Self.header(type, algorithm, publicKey.keyID ?? "")
        }
        self.headers = headers
    }

    /// What ``init(_:bytes:)`` reads. It is the secret itself.
    package var bytes: [UInt8] {
        switch key {
        case .es256(let key): Array(key.rawRepresentation)
        case .rs256(let key): Array(key.derRepresentation)
        }
    }

    private static func header(_ type: String, _ algorithm: Algorithm, _ keyID: String) -> String {
        var json = JSONWriter()
        json.object {
            $0.member("alg", algorithm.rawValue)
            $0.member("typ", type)
            $0.member("kid", keyID)
        }
        return Base64.encodeURL(json.bytes)
    }

    /// Signs claims, which are a JSON object.
    ///
    /// - Parameter type: `typ` of the header.
    package func sign(_ claims: [UInt8], type: String) throws -> String {
        let head = headers[type] ?? Self.header(type, algorithm, keyID)
        let signed = head + "." + Base64.encodeURL(claims)
        let bytes = Array(signed.utf8)
        let signature: [UInt8] =
            switch key {
            case .es256(let key): Array(try key.signature(for: bytes).rawRepresentation)
            case .rs256(let key):
                Array(
                    try key.signature(for: SHA256.hash(data: bytes), padding: .insecurePKCS1v1_5).rawRepresentation)
            }
        return signed + "." + Base64.encodeURL(signature)
    }
}
