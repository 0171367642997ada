import Crypto
import SwiftASN1
package import Wire
import X509

/// Why a certificate is revoked (RFC 5280 §5.3.1): those that end it for good.
package enum RevocationReason: UInt8, Sendable, CaseIterable {
    case unspecified = 0
    case keyCompromise = 1
    case affiliationChanged = 3
    case superseded = 4
    case cessationOfOperation = 5
    case privilegeWithdrawn = 9

    /// `key-compromise`, as people write it.
    package var name: String {
        switch self {
        case .unspecified: "unspecified"
        case .keyCompromise: "key-compromise"
        case .affiliationChanged: "affiliation-changed"
        case .superseded: "superseded"
        case .cessationOfOperation: "cessation-of-operation"
        case .privilegeWithdrawn: "privilege-withdrawn"
        }
    }

    package init?(name: String) {
        guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = found
    }
}

/// That a certificate does not count any more.
package struct Revocation: Sendable, Equatable {
    /// The serial number, big-endian.
    package var serial: [UInt8]
    package var time: Timestamp
    package var reason: RevocationReason

    package init(serial: [UInt8], time: Timestamp, reason: RevocationReason) {
        self.serial = serial
        self.time = time
        self.reason = reason
    }
}

extension CertificateAuthority {
    /// A list of what the authority has revoked (CRL, RFC 5280 §5), in DER.
    ///
    /// - Parameters:
    ///   - number: greater than that of any list before.
    ///   - next: when the next list is there at the latest.
    /// - Throws: `.invalidParameter` if the key cannot sign.
    package func revocationList(
        _ revocations: [Revocation], number: Int64, now: Timestamp, next: Timestamp
    ) throws(CertificatesError) -> [UInt8] {
        typealias D = DERWriting
        let entries = revocations.map { one in
            // A reason that says nothing is left out (§5.3.1).
            let reason =
                one.reason == .unspecified
                ? [] : D.sequence(D.extension([0x55, 0x1D, 0x15], D.enumerated(one.reason.rawValue)))
            return D.sequence(D.integer(one.serial), D.time(one.time), reason)
        }
        let extensions = D.sequence(
            D.extension([0x55, 0x1D, 0x23], D.sequence(D.node(0x80, Array(keyIdentifier.keyIdentifier)))),
            D.extension([0x55, 0x1D, 0x14], D.integer(number)))
        let content = D.sequence(
            D.integer(1), D.ecdsaWithSHA256, subjectDER, D.time(now), D.time(next),
            entries.isEmpty ? [] : D.node(0x30, joined: entries), D.node(0xA0, extensions))
        return D.sequence(content, D.ecdsaWithSHA256, D.bits(try sign(content)))
    }

    /// The subject as a name in DER.
    var subjectDER: [UInt8] {
        var serializer = DER.Serializer()
        try? serializer.serialize(subject)
        return serializer.serializedBytes
    }

    /// The bits of the public key, which OCSP names an issuer by.
    var publicKeyBits: [UInt8] { Array(privateKey.publicKey.x963Representation) }

    /// An ECDSA signature in DER.
    func sign(_ bytes: [UInt8]) throws(CertificatesError) -> [UInt8] {
        try Self.building { () throws in Array(try privateKey.signature(for: bytes).derRepresentation) }
    }
}
