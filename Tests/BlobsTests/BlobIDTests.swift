import Blobs
import Testing

struct BlobIDTests {
    @Test("an id has one text and one row of bytes")
    func forms() throws {
        let bytes = [UInt8](0xF0...0xFF)
        let id = try BlobID(bytes: bytes)
        #expect(id.hex == "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
        #expect(id.bytes == bytes)
        #expect(BlobID(hex: id.hex) == id)
        for _ in 0..<100 {
            let id = BlobID.random()
            #expect(BlobID(hex: id.hex) == id)
            #expect(try BlobID(bytes: id.bytes) == id)
        }
    }

    @Test(
        "other texts are no ids",
        arguments: [
            "", "00", "F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF", "g0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
            "f0f1f2f3f4f5f6f7f8f9fafbfcfdfef", "f0f1f2f3f4f5f6f7f8f9fafbfcfdfefff", "../../../../../../../etc/passwd00",
            " 0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeé",
        ])
    func malformed(_ text: String) {
        #expect(BlobID(hex: text) == nil)
    }

    @Test("other counts of bytes are no ids", arguments: [0, 15, 17])
    func counts(_ count: Int) {
        #expect(throws: BlobError.self) { try BlobID(bytes: [UInt8](repeating: 0, count: count)) }
    }

    @Test("ids are ordered as their texts are")
    func order() {
        let ids = (0..<200).map { _ in BlobID.random() }
        #expect(ids.sorted().map(\.hex) == ids.map(\.hex).sorted())
        #expect(Set(ids).count == 200)
    }
}
