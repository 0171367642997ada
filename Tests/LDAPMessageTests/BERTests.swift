import LDAPMessage
import Testing

@Suite struct BERTests {
    @Test(
        "numbers are written in their shortest form and read back",
        arguments: [0, 1, -1, 127, 128, -128, -129, 255, 256, 65_535, Int64(Int32.max), .max, .min])
    func integers(value: Int64) throws {
        var writer = BERWriter()
        writer.integer(value)
        var reader = BERReader(writer.bytes[...])
        #expect(try reader.integer() == value)
        #expect(reader.isAtEnd)
        #expect(writer.bytes.count == 3 || writer.bytes[2] != 0 || writer.bytes[3] & 0x80 != 0)
    }

    @Test("lengths have one byte up to 127 and then as many as they need", arguments: [0, 127, 128, 255, 256, 70_000])
    func lengths(count: Int) throws {
        let content = [UInt8](repeating: 7, count: count)
        var writer = BERWriter()
        writer.constructed { $0.octets(content) }
        var reader = BERReader(writer.bytes[...])
        var inner = try reader.reader()
        #expect(try inner.octets() == content)
        let head = count < 128 ? 2 : count < 256 ? 3 : count < 65_536 ? 4 : 5
        var single = BERWriter()
        single.octets(content)
        #expect(single.bytes.count == head + count)
    }

    @Test(
        "what LDAP does not have is refused",
        arguments: [
            [0x30, 0x80, 0x00, 0x00], [0x1F, 0x01, 0x00], [0x04, 0x05, 0x61], [0x04, 0x85, 0, 0, 0, 0, 1, 0x61],
            [0x04, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x61], [0x04], [0x04, 0x81], [],
        ] as [[UInt8]])
    func refused(bytes: [UInt8]) {
        #expect(throws: LDAPError.self) {
            var reader = BERReader(bytes[...])
            _ = try reader.element()
        }
    }

    @Test("long forms of lengths, as some clients write them, are read")
    func longLengths() throws {
        var reader = BERReader([0x04, 0x84, 0, 0, 0, 2, 0x61, 0x62][...])
        #expect(try reader.string() == "ab")
    }

    @Test("a text with a NUL or broken UTF-8 is refused", arguments: [[0x61, 0], [0xFF], [0xC3]] as [[UInt8]])
    func texts(bytes: [UInt8]) {
        #expect(throws: LDAPError.self) {
            var reader = BERReader(([0x04, UInt8(bytes.count)] + bytes)[...])
            _ = try reader.string()
        }
    }
}
