import Crypto
import SwiftASN1
package import Wire
import X509

/// A question of the Online Certificate Status Protocol (RFC 6960 §4.1).
package struct OCSPQuestion: Sendable, Equatable {
    /// Names a certificate without showing it.
    package struct Subject: Sendable, Equatable {
        /// As it was sent, to be given back.
        package var der: [UInt8]
        var isSHA256: Bool
        var issuerNameHash: [UInt8]
        var issuerKeyHash: [UInt8]
        /// The serial number, big-endian, without leading zeros.
        package var serial: [UInt8]
    }

    /// 1 to 32 certificates.
    package var subjects: [Subject]
    /// To be given back; at most 128 bytes (RFC 9654).
    package var nonce: [UInt8]?

    package static let bytesMax = 8 << 10
    private static let subjectsMax = 32
    private static let nonceOID: ASN1ObjectIdentifier = [1, 3, 6, 1, 5, 5, 7, 48, 1, 2]

    /// Reads a request in DER. A signature on it is not looked at: whoever asks may.
    ///
    /// - Throws: `.malformed`.
    package init(_ bytes: [UInt8]) throws(CertificatesError) {
        guard bytes.count <= Self.bytesMax else {
            throw CertificatesError(.malformed, "an OCSP request has at most \(Self.bytesMax) bytes")
        }
        do {
            (subjects, nonce) = try Self.parse(try DER.parse(bytes))
        } catch let error as CertificatesError {
            throw error
        } catch {
            throw CertificatesError(.malformed, "the OCSP request cannot be read: \(error)")
        }
    }

    /// The next node, which has to be a sequence.
    private static func inner<Value>(
        _ nodes: inout ASN1NodeCollection.Iterator, _ body: (inout ASN1NodeCollection.Iterator) throws -> Value
    ) throws -> Value {
        guard let node = nodes.next() else { throw CertificatesError(.malformed, "something is missing") }
        return try DER.sequence(node, identifier: .sequence, body)
    }

    private static func parse(_ root: ASN1Node) throws -> ([Subject], [UInt8]?) {
        try DER.sequence(root, identifier: .sequence) { nodes in
            let parsed = try inner(&nodes) { nodes in
                try DER.optionalExplicitlyTagged(&nodes, tagNumber: 0, tagClass: .contextSpecific) { _ in }
                try DER.optionalExplicitlyTagged(&nodes, tagNumber: 1, tagClass: .contextSpecific) { _ in }
                let subjects = try inner(&nodes) { nodes in
                    var subjects: [Subject] = []
                    while let node = nodes.next() {
                        guard subjects.count < subjectsMax else {
                            throw CertificatesError(.malformed, "an OCSP request asks for at most \(subjectsMax)")
                        }
                        subjects.append(try request(node))
                    }
                    return subjects
                }
                let nonce = try DER.optionalExplicitlyTagged(&nodes, tagNumber: 2, tagClass: .contextSpecific) {
                    try Self.nonce($0)
                }
                return (subjects, nonce ?? nil)
            }
            // A signature.
            while nodes.next() != nil {}
            guard !parsed.0.isEmpty else { throw CertificatesError(.malformed, "an OCSP request asks for nothing") }
            return parsed
        }
    }

    private static func request(_ node: ASN1Node) throws -> Subject {
        try DER.sequence(node, identifier: .sequence) { nodes in
            guard let subject = nodes.next() else { throw CertificatesError(.malformed, "an empty request") }
            while nodes.next() != nil {}
            return try self.subject(subject)
        }
    }

    private static func subject(_ node: ASN1Node) throws -> Subject {
        let der = Array(node.encodedBytes)
        return try DER.sequence(node, identifier: .sequence) { nodes in
            let algorithm = try inner(&nodes) { nodes in
                let oid = try ASN1ObjectIdentifier(derEncoded: &nodes)
                while nodes.next() != nil {}
                return oid
            }
            let sha1: ASN1ObjectIdentifier = [1, 3, 14, 3, 2, 26]
            let sha256: ASN1ObjectIdentifier = [2, 16, 840, 1, 101, 3, 4, 2, 1]
            guard algorithm == sha1 || algorithm == sha256 else {
                throw CertificatesError(.malformed, "an issuer is named by SHA-1 or SHA-256 here")
            }
            let name = try ASN1OctetString(derEncoded: &nodes)
            let key = try ASN1OctetString(derEncoded: &nodes)
            let serial = try ArraySlice<UInt8>(derEncoded: &nodes)
            return Subject(
                der: der, isSHA256: algorithm == sha256, issuerNameHash: Array(name.bytes),
                issuerKeyHash: Array(key.bytes), serial: Array(serial.drop { $0 == 0 }))
        }
    }

    private static func nonce(_ node: ASN1Node) throws -> [UInt8]? {
        try DER.sequence(node, identifier: .sequence) { nodes in
            var nonce: [UInt8]?
            while let node = nodes.next() {
                try DER.sequence(node, identifier: .sequence) { nodes in
                    let oid = try ASN1ObjectIdentifier(derEncoded: &nodes)
                    var value: ASN1OctetString?
                    while let part = nodes.next() {
                        if part.identifier == .octetString { value = try ASN1OctetString(derEncoded: part) }
                    }
                    if oid == nonceOID, let value, value.bytes.count <= 130 { nonce = Array(value.bytes) }
                }
            }
            return nonce
        }
    }
}

/// What is known of a certificate.
package enum OCSPStatus: Sendable, Equatable {
    case good
    case revoked(Timestamp, RevocationReason)
    case unknown
}

/// An answer without a status of any certificate (RFC 6960 §4.2.1).
package enum OCSPFailure: UInt8, Sendable {
    case malformedRequest = 1
    case internalError = 2
    case tryLater = 3
    case unauthorized = 6

    package var der: [UInt8] { DERWriting.sequence(DERWriting.enumerated(rawValue)) }
}

extension CertificateAuthority {
    /// Whether an OCSP request means a certificate that this authority issued.
    package func isIssuer(of subject: OCSPQuestion.Subject) -> Bool {
        if subject.isSHA256 {
            return subject.issuerNameHash == Array(SHA256.hash(data: subjectDER))
                && subject.issuerKeyHash == Array(SHA256.hash(data: publicKeyBits))
        }
        return subject.issuerNameHash == Array(Insecure.SHA1.hash(data: subjectDER))
            && subject.issuerKeyHash == Array(Insecure.SHA1.hash(data: publicKeyBits))
    }

    /// An OCSP answer, signed by the authority itself (RFC 6960 §4.2, RFC 5019), in DER.
    ///
    /// - Parameter next: until when it may be kept.
    /// - Throws: `.invalidParameter` if the key cannot sign.
    package func ocspAnswer(
        _ statuses: [(subject: OCSPQuestion.Subject, status: OCSPStatus)], nonce: [UInt8]?, now: Timestamp,
        next: Timestamp
    ) throws(CertificatesError) -> [UInt8] {
        typealias D = DERWriting
        let answers = statuses.map { one in
            let status =
                switch one.status {
                case .good: D.node(0x80)
                case .unknown: D.node(0x82)
                case .revoked(let time, let reason):
                    D.node(
                        0xA1, D.generalizedTime(time),
                        reason == .unspecified ? [] : D.node(0xA0, D.enumerated(reason.rawValue)))
                }
            return D.sequence(
                one.subject.der, status, D.generalizedTime(now), D.node(0xA0, D.generalizedTime(next)))
        }
        let nonceExtension = nonce.map {
            D.node(0xA1, D.sequence(D.extension([0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02], $0)))
        }
        let keyHash = Array(Insecure.SHA1.hash(data: publicKeyBits))
        let content = D.sequence(
            D.node(0xA2, D.octets(keyHash)), D.generalizedTime(now), D.node(0x30, joined: answers),
            nonceExtension ?? [])
        let basic = D.sequence(content, D.ecdsaWithSHA256, D.bits(try sign(content)))
        let basicOID: [UInt8] = [0x06, 0x09, 0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01]
        return D.sequence(D.enumerated(0), D.node(0xA0, D.sequence(basicOID, D.octets(basic))))
    }
}
