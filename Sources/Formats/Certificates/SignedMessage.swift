import Crypto
import CryptoExtras
import SwiftASN1
package import Wire
import X509

/// A message of ACME: a JSON web signature in its flattened form (RFC 7515 §7.2.2, RFC 8555 §6.2).
package struct SignedMessage: Sendable {
    package let algorithm: String
    package let url: String
    package let nonce: String?
    /// The address of the account whose key signed; nil where the key itself is there.
    package let keyID: String?
    package let key: AccountKey?
    package let payload: [UInt8]
    private let signed: [UInt8]
    private let signature: [UInt8]

    package static let bytesMax = 128 << 10

    /// Reads a message. Whether the signature is right, ``verify(_:)`` tells.
    ///
    /// - Throws: `.malformed`, `.badKey`.
    package init(_ bytes: [UInt8]) throws(CertificatesError) {
        guard bytes.count <= Self.bytesMax, let json = try? JSONValue(parsing: bytes) else {
            throw CertificatesError(.malformed, "the body is not a JSON web signature in its flattened form")
        }
        try self.init(json)
    }

    /// The same of a value: the binding to an external account is one in a message.
    package init(_ json: JSONValue) throws(CertificatesError) {
        guard let protected = json["protected"]?.string, let payload = json["payload"]?.string,
            let signature = json["signature"]?.string, json["header"] == nil, json["signatures"] == nil
        else {
            throw CertificatesError(
                .malformed, "a message has the members 'protected', 'payload' and 'signature', and no others that count"
            )
        }
        guard let head = Self.decode(protected), let content = Self.decode(payload), let sign = Self.decode(signature),
            let header = try? JSONValue(parsing: head), header.object != nil
        else { throw CertificatesError(.malformed, "the members of a message are base64url without padding") }
        guard let algorithm = header["alg"]?.string, let url = header["url"]?.string, header["crit"] == nil,
            header["b64"] == nil
        else { throw CertificatesError(.malformed, "the protected header has the members 'alg' and 'url'") }
        let (jwk, kid) = (header["jwk"], header["kid"]?.string)
        guard (jwk == nil) != (kid == nil) else {
            throw CertificatesError(.malformed, "the protected header has either 'jwk' or 'kid'")
        }
        self.algorithm = algorithm
        self.url = url
        nonce = header["nonce"]?.string
        keyID = kid
        if let jwk { key = try AccountKey(jwk) } else { key = nil }
        self.payload = content
        signed = Array(protected.utf8) + [UInt8(ascii: ".")] + Array(payload.utf8)
        self.signature = sign
    }

    /// The payload, which has to be a JSON object.
    ///
    /// - Throws: `.malformed`.
    package func object() throws(CertificatesError) -> JSONValue {
        guard let json = try? JSONValue(parsing: payload), json.object != nil else {
            throw CertificatesError(.malformed, "the payload of the message is a JSON object")
        }
        return json
    }

    /// Whether the key signed the message, by the algorithm that it is for.
    package func verify(_ key: AccountKey) -> Bool { key.verify(signature, of: signed, algorithm) }

    /// Whether the message was authenticated with a shared key (HS256).
    package func verify(shared key: [UInt8]) -> Bool {
        guard algorithm == "HS256" else { return false }
        return HMAC<SHA256>.isValidAuthenticationCode(
            signature, authenticating: signed, using: SymmetricKey(data: key))
    }

    private static func decode(_ text: String) -> [UInt8]? {
        guard !text.utf8.contains(where: { "=+/".utf8.contains($0) }) else { return nil }
        return Base64.decode(text)
    }
}

/// The public key of an ACME account (RFC 7517), in one of the kinds that are taken.
package struct AccountKey: Sendable, Equatable {
    private enum Kind: Sendable, Equatable {
        case p256(x: [UInt8], y: [UInt8])
        case p384(x: [UInt8], y: [UInt8])
        case ed25519([UInt8])
        case rsa(n: [UInt8], e: [UInt8])
    }

    private let kind: Kind

    /// - Throws: `.badKey` for any but P-256, P-384, Ed25519 and RSA of 2048 to 4096 bits.
    package init(_ jwk: JSONValue) throws(CertificatesError) {
        func bytes(_ name: String) -> [UInt8] { jwk[name]?.string.flatMap { Base64.decode($0) } ?? [] }
        let kind: Kind? =
            switch (jwk["kty"]?.string, jwk["crv"]?.string) {
            case ("EC", "P-256"): .p256(x: bytes("x"), y: bytes("y"))
            case ("EC", "P-384"): .p384(x: bytes("x"), y: bytes("y"))
            case ("OKP", "Ed25519"): .ed25519(bytes("x"))
            case ("RSA", _): .rsa(n: Array(bytes("n").drop { $0 == 0 }), e: Array(bytes("e").drop { $0 == 0 }))
            default: nil
            }
        guard let kind, Self.isSound(kind), jwk["d"] == nil else {
            throw CertificatesError(
                .badKey, "a key is a public one of P-256, P-384, Ed25519, or RSA with 2048 to 4096 bits")
        }
        self.kind = kind
    }

    private static func isSound(_ kind: Kind) -> Bool {
        switch kind {
        case .p256(let x, let y): x.count == 32 && (try? P256.Signing.PublicKey(rawRepresentation: x + y)) != nil
        case .p384(let x, let y): x.count == 48 && (try? P384.Signing.PublicKey(rawRepresentation: x + y)) != nil
        case .ed25519(let x): (try? Curve25519.Signing.PublicKey(rawRepresentation: x)) != nil
        case .rsa(let n, let e):
            (256...512).contains(n.count) && (1...8).contains(e.count)
                && (try? _RSA.Signing.PublicKey(n: n, e: e)) != nil
        }
    }

    /// The key as JSON, its members in the order that a thumbprint asks for (RFC 7638 §3).
    package var json: String {
        func text(_ bytes: [UInt8]) -> String { Base64.encodeURL(bytes) }
        return switch kind {
        case .p256(let x, let y): #"{"crv":"P-256","kty":"EC","x":"\#(text(x))","y":"\#(text(y))"}"#
        case .p384(let x, let y): #"{"crv":"P-384","kty":"EC","x":"\#(text(x))","y":"\#(text(y))"}"#
        case .ed25519(let x): #"{"crv":"Ed25519","kty":"OKP","x":"\#(text(x))"}"#
        case .rsa(let n, let e): #"{"e":"\#(text(e))","kty":"RSA","n":"\#(text(n))"}"#
        }
    }

    /// SHA-256 of ``json``.
    package var thumbprint: [UInt8] { Array(SHA256.hash(data: Array(json.utf8))) }

    /// The key as certificates have it.
    private var certified: Certificate.PublicKey? {
        switch kind {
        case .p256(let x, let y):
            (try? P256.Signing.PublicKey(rawRepresentation: x + y)).map { Certificate.PublicKey($0) }
        case .p384(let x, let y):
            (try? P384.Signing.PublicKey(rawRepresentation: x + y)).map { Certificate.PublicKey($0) }
        case .ed25519(let x):
            (try? Curve25519.Signing.PublicKey(rawRepresentation: x)).map { Certificate.PublicKey($0) }
        case .rsa(let n, let e): (try? _RSA.Signing.PublicKey(n: n, e: e)).map { Certificate.PublicKey($0) }
        }
    }

    /// Whether a certificate is for this key.
    package func isKey(ofCertificate der: [UInt8]) -> Bool {
        (try? Certificate(derEncoded: der)).map { $0.publicKey == certified } ?? false
    }

    /// Whether a request is for this key.
    package func isKey(of request: CertificateRequest) -> Bool { request.publicKey == certified }

    func verify(_ signature: [UInt8], of bytes: [UInt8], _ algorithm: String) -> Bool {
        switch (kind, algorithm) {
        case (.p256(let x, let y), "ES256"):
            guard let key = try? P256.Signing.PublicKey(rawRepresentation: x + y),
                let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature)
            else { return false }
            return key.isValidSignature(signature, for: bytes)
        case (.p384(let x, let y), "ES384"):
            guard let key = try? P384.Signing.PublicKey(rawRepresentation: x + y),
                let signature = try? P384.Signing.ECDSASignature(rawRepresentation: signature)
            else { return false }
            return key.isValidSignature(signature, for: bytes)
        case (.ed25519(let x), "EdDSA"):
            guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: x) else { return false }
            return key.isValidSignature(signature, for: bytes)
        case (.rsa(let n, let e), "RS256"):
            guard let key = try? _RSA.Signing.PublicKey(n: n, e: e) else { return false }
            return key.isValidSignature(
                .init(rawRepresentation: signature), for: SHA256.hash(data: bytes), padding: .insecurePKCS1v1_5)
        default: return false
        }
    }
}
