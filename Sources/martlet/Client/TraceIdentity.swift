import Certificates
import Ciphers
import Glibc
import Server
import TraceFormat
import Wire

/// A key with its certificate, with which somebody signs traces.
struct TraceIdentity: Sendable {
    private enum Key: Sendable {
        case file(PrivateKey)
        case token(TokenSigner)
    }

    private let key: Key
    private let algorithm: String
    private let certificate: SignerCertificate

    /// - Parameters:
    ///   - key: a file in PEM or PKCS #12, or a `pkcs11:` URI.
    ///   - certificate: a file in PEM or DER; nil where the key's file, or the token, has it.
    ///   - passphrase: asked for where the key is encrypted.
    init(key name: String, certificate file: String?, passphrase: () throws -> [UInt8]?) throws {
        var der = try file.map { try Self.certificate(in: File.read($0, limit: PrivateKey.bytesMax), $0) }
        if name.hasPrefix("pkcs11:") {
            let token = try TokenSigner(uri: name)
            der = der ?? token.certificate
            (key, algorithm) = (.token(token), token.algorithm)
        } else {
            let bytes = try File.read(name, limit: PrivateKey.bytesMax)
            let (signer, own) = try Self.read(bytes, name, passphrase)
            der = der ?? own ?? (try? Self.certificate(in: bytes, name))
            key = .file(signer)
            switch signer.kind {
            case .rsa: algorithm = "RSA-SHA256"
            case .ellipticCurve: algorithm = "ECDSA-SHA256"
            case .ed25519: algorithm = "Ed25519"
            case .other: throw Failure(.failed, "the key in \(name) is not one of RSA, an elliptic curve or Ed25519")
            }
        }
        guard let der else {
            throw Failure(.failed, "the certificate of \(name) is missing: name its file with --cert")
        }
        guard let certificate = SignerCertificate(der: der) else {
            throw Failure(.failed, "the certificate of \(name) cannot be read")
        }
        self.certificate = certificate
    }

    private static func read(
        _ bytes: [UInt8], _ name: String, _ passphrase: () throws -> [UInt8]?
    ) throws -> (PrivateKey, certificate: [UInt8]?) {
        func read(_ passphrase: [UInt8]?) throws -> (PrivateKey, certificate: [UInt8]?) {
            // DER begins with a SEQUENCE, and no text does.
            guard bytes.first == 0x30 else { return (try PrivateKey.pem(bytes, passphrase: passphrase), nil) }
            let found = try PrivateKey.pkcs12(bytes, passphrase: passphrase)
            return (found.key, found.certificate)
        }
        do {
            do {
                return try read(nil)
            } catch let error as CipherError where error.code == .wrongPassphrase {
                guard let given = try passphrase() else { throw error }
                return try read(given)
            }
        } catch let error as CipherError {
            throw Failure(.failed, "\(name): \(error)")
        }
    }

    /// The first certificate of a text that may hold a key beside it, or DER.
    private static func certificate(in bytes: [UInt8], _ name: String) throws -> [UInt8] {
        if bytes.first == 0x30 { return bytes }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let start = text.firstRange(of: "-----BEGIN CERTIFICATE-----"),
            let end = text[start.lowerBound...].firstRange(of: "-----END CERTIFICATE-----"),
            let der = try CertificateChain.documents(String(text[start.lowerBound..<end.upperBound]) + "\n").first
        else { throw Failure(.failed, "there is no certificate in \(name)") }
        return der
    }

    /// Signs what happened to a product.
    ///
    /// - Throws: `Failure` where nobody would believe it: the key is not the certificate's, or that is not valid now.
    func sign(
        _ product: Trace.Product, _ event: TraceEvent, service: Trace.Service? = nil
    ) throws -> Trace.Signature {
        let message = product.message(event: event, service: service)
        let bytes =
            switch key {
            case .file(let key): try key.sign(message)
            case .token(let token): try token.sign(message)
            }
        let signature = Trace.Signature(
            signature: Base64.encode(bytes), algorithm: algorithm, certificate: Base64.encode(certificate.der),
            message: String(decoding: message, as: UTF8.self))
        let faults = signature.faults(
            of: product, event: event, service: service, at: .now, signer: certificate)
        guard faults.isEmpty else { throw Failure(.failed, faults.map { "\($0)" }.joined(separator: "; ")) }
        return signature
    }
}
