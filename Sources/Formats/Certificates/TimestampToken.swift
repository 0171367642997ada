import Crypto
import CryptoExtras
import SwiftASN1
package import Wire
import X509

/// A question to a time-stamping authority (RFC 3161 §2.4.1): that something with this digest exists now.
package struct TimestampRequest: Sendable {
    /// SHA-256.
    package let digest: [UInt8]
    /// So that no answer of before is taken for the answer.
    let nonce: [UInt8]

    private static let sha256: [UInt8] = [0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01]

    package init(digest: [UInt8]) {
        self.digest = digest
        var random = SystemRandomNumberGenerator()
        // A number above 0 without leading zeros, which is the same however it is written.
        nonce = [UInt8.random(in: 1...127, using: &random)] + (0..<7).map { _ in UInt8.random(in: 0...255) }
    }

    /// The request, which asks for the authority's certificate too.
    package var der: [UInt8] {
        let algorithm = DERWriting.sequence(Self.sha256, DERWriting.node(0x05))
        return DERWriting.sequence(
            DERWriting.integer(1), DERWriting.sequence(algorithm, DERWriting.octets(digest)),
            DERWriting.integer(nonce), DERWriting.node(0x01, [0xFF]))
    }
}

/// What a time-stamping authority has signed (RFC 3161 §2.4.2): that something with a digest existed at a time.
package struct TimestampToken: Sendable {
    package let time: Timestamp
    /// SHA-256 of what was there.
    package let digest: [UInt8]
    private let nonce: [UInt8]?
    private let signer: PresentedCertificate

    /// The longest answer in bytes that is read.
    package static let bytesMax = 64 << 10
    private static let certificatesMax = 16

    private static let signedData: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 7, 2]
    private static let timeInfo: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 9, 16, 1, 4]
    private static let contentType: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 9, 3]
    private static let messageDigest: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 9, 4]
    private static let sha256: ASN1ObjectIdentifier = [2, 16, 840, 1, 101, 3, 4, 2, 1]
    private static let sha384: ASN1ObjectIdentifier = [2, 16, 840, 1, 101, 3, 4, 2, 2]
    private static let sha512: ASN1ObjectIdentifier = [2, 16, 840, 1, 101, 3, 4, 2, 3]

    /// Reads an authority's answer and verifies its signature by the certificate in it, which has to be one for
    /// time-stamping. Who issued that certificate, `verify(by:)` tells.
    ///
    /// - Throws: `.malformed`, `.notAllowed` where the authority has refused or its signature does not verify.
    package init(response: [UInt8]) throws(CertificatesError) {
        guard response.count <= Self.bytesMax else {
            throw CertificatesError(.malformed, "an answer with a time-stamp has at most \(Self.bytesMax) bytes")
        }
        do {
            let signed = try Self.signedData(of: try DER.parse(response))
            (digest, time, nonce) = try Self.info(try DER.parse(signed.content))
            signer = try Self.signer(of: signed)
        } catch let error as CertificatesError {
            throw error
        } catch {
            throw CertificatesError(.malformed, "the time-stamp cannot be read: \(error)")
        }
    }

    /// Whether it is the answer to a request.
    package func answers(_ request: TimestampRequest) -> Bool {
        digest == request.digest && nonce == request.nonce
    }

    /// Follows the way from the authority's certificate to one that is trusted, as of the time in the token.
    package func verify(by anchors: TrustAnchors) async -> TrustAnchors.Verdict {
        await anchors.verify(signer, for: .signature, now: time)
    }

    private struct Signed {
        var content: [UInt8]
        var certificates: [[UInt8]]
        /// The signed attributes as the set that was signed.
        var attributes: [UInt8]
        var digestAlgorithm: ASN1ObjectIdentifier
        var signature: [UInt8]
    }

    private static func missing(_ what: String) -> CertificatesError {
        CertificatesError(.malformed, "the time-stamp has no \(what)")
    }

    private static func signedData(of root: ASN1Node) throws -> Signed {
        let token = try DER.sequence(root, identifier: .sequence) { nodes -> ASN1Node in
            guard let info = nodes.next() else { throw missing("status") }
            let status = try DER.sequence(info, identifier: .sequence) { parts -> Int in
                let status = try Int(derEncoded: &parts)
                while parts.next() != nil {}
                return status
            }
            // Granted, or granted with modifications.
            guard status == 0 || status == 1 else {
                throw CertificatesError(.notAllowed, "the time-stamping authority has refused (status \(status))")
            }
            guard let token = nodes.next() else { throw missing("token") }
            return token
        }
        return try DER.sequence(token, identifier: .sequence) { nodes in
            guard try ASN1ObjectIdentifier(derEncoded: &nodes) == signedData else { throw missing("signed data") }
            return try DER.explicitlyTagged(&nodes, tagNumber: 0, tagClass: .contextSpecific) { try contents(of: $0) }
        }
    }

    private static func contents(of node: ASN1Node) throws -> Signed {
        try DER.sequence(node, identifier: .sequence) { nodes in
            guard nodes.next() != nil, nodes.next() != nil, let encapsulated = nodes.next() else {
                throw missing("content")
            }
            let content = try DER.sequence(encapsulated, identifier: .sequence) { parts -> [UInt8] in
                guard try ASN1ObjectIdentifier(derEncoded: &parts) == timeInfo else { throw missing("time") }
                return try DER.explicitlyTagged(&parts, tagNumber: 0, tagClass: .contextSpecific) {
                    Array(try ASN1OctetString(derEncoded: $0).bytes)
                }
            }
            var certificates: [[UInt8]] = []
            var signers: [ASN1Node] = []
            while let part = nodes.next() {
                guard case .constructed(let children) = part.content else { continue }
                if part.identifier == ASN1Identifier(tagWithNumber: 0, tagClass: .contextSpecific) {
                    certificates = children.filter { $0.identifier == .sequence }.map { Array($0.encodedBytes) }
                } else if part.identifier == .set {
                    signers = Array(children)
                }
            }
            guard signers.count == 1, certificates.count <= certificatesMax else {
                throw CertificatesError(.malformed, "a time-stamp has one signer, and at most 16 certificates")
            }
            return try signerInfo(signers[0], content, certificates)
        }
    }

    private static func signerInfo(
        _ node: ASN1Node, _ content: [UInt8], _ certificates: [[UInt8]]
    ) throws -> Signed {
        try DER.sequence(node, identifier: .sequence) { nodes in
            guard nodes.next() != nil, nodes.next() != nil, let algorithm = nodes.next(), let attributes = nodes.next(),
                attributes.identifier == ASN1Identifier(tagWithNumber: 0, tagClass: .contextSpecific),
                nodes.next() != nil
            else { throw missing("signed attributes") }
            let signature = try ASN1OctetString(derEncoded: &nodes)
            while nodes.next() != nil {}
            // What is signed is the set, not its place in the message (RFC 5652 §5.4).
            var set = Array(attributes.encodedBytes)
            set[0] = 0x31
            return Signed(
                content: content, certificates: certificates, attributes: set,
                digestAlgorithm: try first(of: algorithm), signature: Array(signature.bytes))
        }
    }

    /// The algorithm of an AlgorithmIdentifier.
    private static func first(of node: ASN1Node) throws -> ASN1ObjectIdentifier {
        try DER.sequence(node, identifier: .sequence) { nodes in
            let algorithm = try ASN1ObjectIdentifier(derEncoded: &nodes)
            while nodes.next() != nil {}
            return algorithm
        }
    }

    private static func info(_ root: ASN1Node) throws -> ([UInt8], Timestamp, [UInt8]?) {
        try DER.sequence(root, identifier: .sequence) { nodes in
            guard nodes.next() != nil, nodes.next() != nil, let imprint = nodes.next() else { throw missing("digest") }
            let digest = try DER.sequence(imprint, identifier: .sequence) { parts -> [UInt8] in
                guard let algorithm = parts.next(), try first(of: algorithm) == sha256 else {
                    throw missing("digest by SHA-256")
                }
                return Array(try ASN1OctetString(derEncoded: &parts).bytes)
            }
            guard nodes.next() != nil else { throw missing("serial number") }
            let date = try GeneralizedTime(derEncoded: &nodes)
            func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
            let text =
                "\(date.year)-\(two(date.month))-\(two(date.day))T\(two(date.hours)):\(two(date.minutes)):\(two(date.seconds))Z"
            guard let time = Timestamp(rfc3339: text) else { throw missing("time") }
            var nonce: [UInt8]?
            while let node = nodes.next() {
                if node.identifier == .integer, case .primitive(let bytes) = node.content { nonce = Array(bytes) }
            }
            return (digest, time, nonce)
        }
    }

    /// The certificate that has signed, with the others.
    private static func signer(of signed: Signed) throws -> PresentedCertificate {
        guard
            let content = hash(signed.content, by: signed.digestAlgorithm),
            let attributes = try? DER.parse(signed.attributes), case .constructed(let list) = attributes.content,
            try attribute(messageDigest, in: list).map({ try Array(ASN1OctetString(derEncoded: $0).bytes) }) == content,
            try attribute(contentType, in: list).map({ try ASN1ObjectIdentifier(derEncoded: $0) }) == timeInfo
        else { throw CertificatesError(.notAllowed, "the time-stamp's signed attributes are not of its content") }
        for der in signed.certificates {
            guard let certificate = try? Certificate(derEncoded: der), isForTimes(certificate),
                isValid(signed, by: certificate.publicKey)
            else { continue }
            return PresentedCertificate(der: der, others: signed.certificates.filter { $0 != der })
        }
        throw CertificatesError(
            .notAllowed, "the time-stamp's signature is not by a certificate for time-stamping in it")
    }

    private static func attribute(_ type: ASN1ObjectIdentifier, in list: ASN1NodeCollection) throws -> ASN1Node? {
        for node in list {
            let value = try DER.sequence(node, identifier: .sequence) { parts -> ASN1Node? in
                let found = try ASN1ObjectIdentifier(derEncoded: &parts)
                guard let values = parts.next() else { return nil }
                while parts.next() != nil {}
                guard found == type, case .constructed(let values) = values.content else { return nil }
                return values.first { _ in true }
            }
            if let value { return value }
        }
        return nil
    }

    private static func isForTimes(_ certificate: Certificate) -> Bool {
        guard let usage = try? certificate.extensions.extendedKeyUsage else { return false }
        return usage.contains(.timeStamping)
    }

    private static func hash(_ bytes: [UInt8], by algorithm: ASN1ObjectIdentifier) -> [UInt8]? {
        switch algorithm {
        case sha256: Array(SHA256.hash(data: bytes))
        case sha384: Array(SHA384.hash(data: bytes))
        case sha512: Array(SHA512.hash(data: bytes))
        default: nil
        }
    }

    private static func isValid(_ signed: Signed, by key: Certificate.PublicKey) -> Bool {
        switch signed.digestAlgorithm {
        case sha256: isValid(signed.signature, SHA256.hash(data: signed.attributes), key)
        case sha384: isValid(signed.signature, SHA384.hash(data: signed.attributes), key)
        case sha512: isValid(signed.signature, SHA512.hash(data: signed.attributes), key)
        default: false
        }
    }

    private static func isValid(_ signature: [UInt8], _ digest: some Digest, _ key: Certificate.PublicKey) -> Bool {
        if let key = P256.Signing.PublicKey(key) {
            return (try? P256.Signing.ECDSASignature(derRepresentation: signature))
                .map { key.isValidSignature($0, for: digest) } ?? false
        }
        if let key = P384.Signing.PublicKey(key) {
            return (try? P384.Signing.ECDSASignature(derRepresentation: signature))
                .map { key.isValidSignature($0, for: digest) } ?? false
        }
        guard let key = _RSA.Signing.PublicKey(key), key.keySizeInBits >= 2048 else { return false }
        return key.isValidSignature(.init(rawRepresentation: signature), for: digest, padding: .insecurePKCS1v1_5)
    }
}
