package import Crypto

/// Signs COSE receipts (RFC 9942): that an entry is in the tree of a log, for verifiers of SCITT (RFC 9943).
package struct ReceiptSigner: Sendable {
    /// Where an entry stands in a signed tree.
    package struct Place: Sendable {
        package var index: UInt64
        package var size: UInt64
        package var root: Hash
        /// The audit path, from the leaf's sibling up.
        package var path: [Hash]

        package init(index: UInt64, size: UInt64, root: Hash, path: [Hash]) {
            self.index = index
            self.size = size
            self.root = root
            self.path = path
        }
    }

    private let key: Curve25519.Signing.PrivateKey
    /// The key's thumbprint (RFC 9679, SHA-256).
    package let keyID: [UInt8]

    // IANA COSE header parameters, algorithms and verifiable data structures.
    private static let algorithmLabel: Int64 = 1
    private static let keyIDLabel: Int64 = 4
    private static let claimsLabel: Int64 = 15
    private static let structureLabel: Int64 = 395
    private static let proofsLabel: Int64 = 396
    private static let inclusionProofs: Int64 = -1
    private static let edDSA: Int64 = -8
    private static let rfc9162SHA256: Int64 = 1
    private static let sign1Tag: UInt64 = 18

    /// - Parameter key: one that signs nothing else.
    package init(key: Curve25519.Signing.PrivateKey) {
        self.key = key
        var thumbprint = CBORWriter()
        thumbprint.map(3)
        thumbprint.integer(1)
        thumbprint.integer(1)
        Self.writeKey(key, &thumbprint)
        keyID = Array(SHA256.hash(data: thumbprint.bytes))
    }

    /// The public key as a COSE_Key (RFC 9052 §7).
    package var coseKey: [UInt8] {
        var cbor = CBORWriter()
        write(&cbor)
        return cbor.bytes
    }

    /// A COSE_KeySet with this key alone.
    package var keySet: [UInt8] {
        var cbor = CBORWriter()
        cbor.array(1)
        write(&cbor)
        return cbor.bytes
    }

    private func write(_ cbor: inout CBORWriter) {
        cbor.map(5)
        cbor.integer(1)  // kty: OKP
        cbor.integer(1)
        cbor.integer(2)  // kid
        cbor.bytes(keyID)
        cbor.integer(3)  // alg
        cbor.integer(Self.edDSA)
        Self.writeKey(key, &cbor)
    }

    private static func writeKey(_ key: Curve25519.Signing.PrivateKey, _ cbor: inout CBORWriter) {
        cbor.integer(-1)  // crv: Ed25519
        cbor.integer(6)
        cbor.integer(-2)  // x
        cbor.bytes(Array(key.publicKey.rawRepresentation))
    }

    /// The receipt of an entry: a COSE_Sign1 whose payload is the tree's root, detached.
    ///
    /// - Parameters:
    ///   - issuer: the log.
    ///   - subject: what the entry is of.
    ///   - time: when it is signed, in seconds since 1970.
    package func receipt(_ place: Place, issuer: String, subject: String, time: Int64) throws -> [UInt8] {
        var header = CBORWriter()
        header.map(4)
        header.integer(Self.algorithmLabel)
        header.integer(Self.edDSA)
        header.integer(Self.keyIDLabel)
        header.bytes(keyID)
        header.integer(Self.claimsLabel)
        header.map(3)
        header.integer(1)  // iss
        header.text(issuer)
        header.integer(2)  // sub
        header.text(subject)
        header.integer(6)  // iat
        header.integer(time)
        header.integer(Self.structureLabel)
        header.integer(Self.rfc9162SHA256)

        // RFC 9052 §4.4.
        var signed = CBORWriter()
        signed.array(4)
        signed.text("Signature1")
        signed.bytes(header.bytes)
        signed.bytes([])
        signed.bytes(place.root.bytes)

        // RFC 9942 §5.2: inclusion-proof = bstr .cbor [tree-size, leaf-index, inclusion-path].
        var proof = CBORWriter()
        proof.array(3)
        proof.unsigned(place.size)
        proof.unsigned(place.index)
        proof.array(place.path.count)
        for hash in place.path { proof.bytes(hash.bytes) }

        var receipt = CBORWriter()
        receipt.tag(Self.sign1Tag)
        receipt.array(4)
        receipt.bytes(header.bytes)
        receipt.map(1)
        receipt.integer(Self.proofsLabel)
        receipt.map(1)
        receipt.integer(Self.inclusionProofs)
        receipt.array(1)
        receipt.bytes(proof.bytes)
        receipt.null()
        receipt.bytes(Array(try key.signature(for: signed.bytes)))
        return receipt.bytes
    }
}
