package import Crypto
package import Wire

/// The message of a trace: what was signed.
package struct TraceMessage: Sendable {
    package let bytes: [UInt8]
    package let digest: SHA256.Digest
    /// Whether it is byte by byte what is made of the trace here; see ``Trace/Product/message(event:service:)``.
    package let isOwnForm: Bool

    package init(_ signature: Trace.Signature, of product: Trace.Product, event: TraceEvent) {
        bytes = Array(signature.message.utf8)
        digest = SHA256.hash(data: bytes)
        isOwnForm = bytes == product.message(event: event)
    }
}

extension Trace.Signature {
    /// The certificate in DER; nil where the text is not Base64.
    package var certificateBytes: [UInt8]? { Base64.decode(certificate) }

    /// What is wrong with it: whether it is one of the message by the key of the certificate, whether that was valid
    /// at a time, and whether the message says what the trace says. Empty if it is all right.
    ///
    /// - Parameters:
    ///   - signer: the certificate, already read; nil where it cannot be.
    ///   - message: what was signed, already read.
    package func faults(
        of product: Trace.Product, event: TraceEvent, service: Trace.Service? = nil, at time: Timestamp,
        signer: SignerCertificate?, message: TraceMessage? = nil
    ) -> [TraceFault] {
        guard !isEmpty else { return [TraceFault(.unsigned, "the trace is not signed")] }
        let message = message ?? TraceMessage(self, of: product, event: event)
        var faults: [TraceFault] = []
        if algorithm == Self.openPGP {
            faults.append(
                TraceFault(.notVerified, "the signature is one of OpenPGP, which only gpgv verifies: it was not asked"))
        } else if let signer {
            if let signature = Base64.decode(signature) {
                let fault = signer.fault(
                    of: signature, algorithm: algorithm, message: message.bytes, digest: message.digest)
                if let fault { faults.append(fault) }
            } else {
                faults.append(TraceFault(.unreadableSignature, "the signature must be Base64"))
            }
            if let fault = signer.validityFault(at: time) { faults.append(fault) }
        } else {
            faults.append(TraceFault(.unreadableSignature, "the certificate must be the Base64 of one in DER (X.509)"))
        }
        if let fault = messageFault(message, product, event, service) { faults.append(fault) }
        return faults
    }

    /// Everything that the trace says of the product must have been signed; the order of contents and inputs is free.
    /// What it says of the service need not have been, but must not differ.
    private func messageFault(
        _ message: TraceMessage, _ product: Trace.Product, _ event: TraceEvent, _ service: Trace.Service?
    ) -> TraceFault? {
        if message.isOwnForm { return nil }
        guard let value = try? JSONValue(parsing: message.bytes, maximumDepth: 8),
            let signed = try? Trace.Product(value),
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
        if let said = value["service"], service.map({ $0 != (try? Trace.Service(said)) }) ?? true {
            different.append("service")
        }
        guard !different.isEmpty else { return nil }
        return TraceFault(
            .messageDiffers, "the signed message has another \(different.joined(separator: ", ")) than the trace")
    }

    private static func pairs(_ contents: [Trace.Content]?) -> [[String]: Int] {
        (contents ?? []).reduce(into: [:]) { $0[[$1.path, $1.hash.lowercased()], default: 0] += 1 }
    }

    private static func pairs(_ inputs: [Trace.Input]?) -> [[String]: Int] {
        (inputs ?? []).reduce(into: [:]) { $0[[$1.name, $1.hash.lowercased()], default: 0] += 1 }
    }
}

extension Trace {
    /// What is wrong with the signature; see ``Signature/faults(of:event:at:signer:)``. Empty if it is all right.
    ///
    /// Where the service did not say that it knows who signed, the certificate vouches for itself: who is behind it is
    /// for the log to say, which holds its digest.
    package func signatureFaults() -> [TraceFault] {
        let signer = signature.certificateBytes.flatMap { SignerCertificate(der: $0) }
        var faults = signature.faults(of: product, event: event, service: service, at: timestamp, signer: signer)
        if signatureStatus == .unknown {
            faults.append(
                TraceFault(.unknownSigner, "nobody whom the service trusts vouches for the certificate that signed it"))
        }
        if let signerRevokedSince {
            faults.append(
                TraceFault(
                    .revokedSigner,
                    "the certificate that signed it was revoked: its key may be in other hands since \(signerRevokedSince.rfc3339)"
                ))
        }
        return faults
    }
}
