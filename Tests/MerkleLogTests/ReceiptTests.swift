import Crypto
import Testing
import Wire

@testable import MerkleLog

struct ReceiptTests {
    @Test(
        "integers are written in their shortest form (RFC 8949, appendix A)",
        arguments: [
            (0, "00"), (10, "0a"), (23, "17"), (24, "1818"), (100, "1864"), (1000, "1903e8"), (1_000_000, "1a000f4240"),
            (1_000_000_000_000, "1b000000e8d4a51000"), (-1, "20"), (-10, "29"), (-100, "3863"), (-1000, "3903e7"),
            (Int64.min, "3b7fffffffffffffff"), (Int64.max, "1b7fffffffffffffff"),
        ])
    func integers(value: Int64, hex: String) {
        var cbor = CBORWriter()
        cbor.integer(value)
        #expect(Hex.encode(cbor.bytes) == hex)
    }

    @Test("the other kinds are as in the same appendix")
    func others() {
        var cbor = CBORWriter()
        cbor.array(3)
        cbor.bytes([1, 2, 3, 4])
        cbor.text("ü")
        cbor.map(1)
        cbor.unsigned(.max)
        cbor.null()
        cbor.tag(18)
        #expect(Hex.encode(cbor.bytes) == "834401020304" + "62c3bc" + "a1" + "1bffffffffffffffff" + "f6" + "d2")
    }

    @Test("a receipt signs the root, which its proof leads to")
    func receipt() throws {
        let key = Curve25519.Signing.PrivateKey()
        let signer = ReceiptSigner(key: key)
        let tree = PlainTree(size: 11)
        let place = ReceiptSigner.Place(
            index: 6, size: 11, root: tree.root(size: 11),
            path: try MerkleTree.inclusionProof(index: 6, size: 11, read: tree.read))
        let receipt = try signer.receipt(place, issuer: "log.example", subject: "urn:x", time: 1_700_000_000)
        // [header, {396: {-1: [proof]}}, null, signature]
        #expect(Hex.encode(receipt.prefix(2)) == "d284")
        let signature = Array(receipt.suffix(64))
        #expect(Hex.encode(receipt.suffix(67).prefix(3)) == "f65840")
        let header = try #require(receipt.count > 4 ? Array(receipt[4..<4 + Int(receipt[3])]) : nil)
        #expect(receipt[2] == 0x58)
        let signed =
            Array("\u{84}".unicodeScalars.map { UInt8($0.value) }) + [0x6A] + Array("Signature1".utf8)
            + [0x58, UInt8(header.count)] + header + [0x40, 0x58, 0x20] + place.root.bytes
        #expect(key.publicKey.isValidSignature(signature, for: signed))
        #expect(signer.keyID.count == 32 && signer.keySet == [0x81] + signer.coseKey)
    }
}
