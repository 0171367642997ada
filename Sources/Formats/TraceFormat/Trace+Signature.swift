import Crypto
import CryptoExtras
import FoundationEssentials
import SwiftASN1
import Wire
import X509

extension Trace {
    /// What is wrong with the signature: whether it is one of the message by the key of the certificate, whether that
    /// was valid at the trace's time, and whether the message says what the trace says. Empty if it is all right.
    ///
    /// The certificate vouches for itself here. Who is behind it is for the log to say, which holds its digest.
    package func signatureFaults() -> [TraceFault] {
        guard !signature.isEmpty else { return [TraceFault(.unsigned, "the trace is not signed")] }
        var faults: [TraceFault] = []
        if let der = Base64.decode(signature.certificate), let certificate = try? Certificate(derEncoded: der) {
            if let fault = keyFault(certificate.publicKey) { faults.append(fault) }
            if let fault = validityFault(certificate) { faults.append(fault) }
        } else {
            faults.append(TraceFault(.unreadableSignature, "the certificate must be the Base64 of one in DER (X.509)"))
        }
        if let fault = messageFault() { faults.append(fault) }
        return faults
    }

    private func keyFault(_ key: Certificate.PublicKey) -> TraceFault? {
        guard let bytes = Base64.decode(signature.signature) else {
            return TraceFault(.unreadableSignature, "the signature must be Base64")
        }
        let digest = SHA256.hash(data: Array(signature.message.utf8))
        let isValid: Bool
        switch signature.algorithm {
        case "RSA-SHA256":
            guard let key = _RSA.Signing.PublicKey(key) else { return wrongKey }
            guard key.keySizeInBits >= 2048 else {
                return TraceFault(
                    .unreadableSignature, "an RSA key of \(key.keySizeInBits) bits is too weak: 2048 are needed")
            }
            isValid = key.isValidSignature(.init(rawRepresentation: bytes), for: digest, padding: .insecurePKCS1v1_5)
        case "ECDSA-SHA256":
            if let key = P256.Signing.PublicKey(key) {
                let signature = try? P256.Signing.ECDSASignature(derRepresentation: bytes)
                isValid = signature.map { key.isValidSignature($0, for: digest) } ?? false
            } else if let key = P384.Signing.PublicKey(key) {
                let signature = try? P384.Signing.ECDSASignature(derRepresentation: bytes)
                isValid = signature.map { key.isValidSignature($0, for: digest) } ?? false
            } else if let key = P521.Signing.PublicKey(key) {
                let signature = try? P521.Signing.ECDSASignature(derRepresentation: bytes)
                isValid = signature.map { key.isValidSignature($0, for: digest) } ?? false
            } else {
                return wrongKey
            }
        default:
            return TraceFault(
                .unreadableSignature,
                "the signature algorithm \(excerpt(signature.algorithm)) must be RSA-SHA256 or ECDSA-SHA256")
        }
        return isValid
            ? nil : TraceFault(.invalidSignature, "the signature is not one of the message by the certificate's key")
    }

    private var wrongKey: TraceFault {
        TraceFault(.unreadableSignature, "the certificate's key is not one for \(excerpt(signature.algorithm))")
    }

    private func validityFault(_ certificate: Certificate) -> TraceFault? {
        // Both ends belong to the time (RFC 5280 §4.1.2.5), in whole seconds of the years 0 to 9999.
        let from = Timestamp(seconds: Int64(certificate.notValidBefore.timeIntervalSince1970))
        let until = Timestamp(seconds: Int64(certificate.notValidAfter.timeIntervalSince1970))
        guard timestamp.seconds < from.seconds || timestamp.seconds > until.seconds else { return nil }
        return TraceFault(
            .certificateNotValid,
            "the certificate was valid from \(from.rfc3339) to \(until.rfc3339), not at \(timestamp.rfc3339)"
        )
    }

    /// Everything that the trace says of the product must have been signed; the order of contents and inputs is free.
    private func messageFault() -> TraceFault? {
        let bytes = Array(signature.message.utf8)
        if bytes == product.message(event: event) { return nil }
        guard let value = try? JSONValue(parsing: bytes, maximumDepth: 8), let signed = try? Product(value),
            let signedEvent = value["event"]?.string
        else {
            return TraceFault(
                .messageDiffers, "the signed message must be JSON with the members of a product and its event")
        }
        var different: [String] = []
        if signed.name != product.name { different.append("name") }
        if signed.size != product.size { different.append("size") }
        if signed.hash.lowercased() != product.hash.lowercased() { different.append("hash") }
        if signedEvent != event.rawValue { different.append("event") }
        if Self.pairs(signed.contents) != Self.pairs(product.contents) { different.append("contents") }
        if Self.pairs(signed.inputs) != Self.pairs(product.inputs) { different.append("inputs") }
        guard !different.isEmpty else { return nil }
        return TraceFault(
            .messageDiffers, "the signed message has another \(different.joined(separator: ", ")) than the trace")
    }

    private static func pairs(_ contents: [Content]?) -> [[String]: Int] {
        (contents ?? []).reduce(into: [:]) { $0[[$1.path, $1.hash.lowercased()], default: 0] += 1 }
    }

    private static func pairs(_ inputs: [Input]?) -> [[String]: Int] {
        (inputs ?? []).reduce(into: [:]) { $0[[$1.name, $1.hash.lowercased()], default: 0] += 1 }
    }
}
