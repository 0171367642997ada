import Testing
import Wire

@Suite struct DNSMessageTests {
    private let name = "_acme-challenge.example.org"

    private func name(_ text: String) -> [UInt8] {
        text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    private func record(_ owner: [UInt8], _ kind: UInt8, _ data: [UInt8]) -> [UInt8] {
        owner + [0, kind, 0, 1, 0, 0, 0, 60, UInt8(data.count >> 8), UInt8(data.count & 0xFF)] + data
    }

    private func answer(_ records: [[UInt8]], code: UInt8 = 0, id: UInt8 = 7) -> [UInt8] {
        [0, id, 0x81, 0x80 | code, 0, 1, 0, UInt8(records.count), 0, 0, 0, 0] + name(name) + [0, 16, 0, 1]
            + records.flatMap(\.self)
    }

    @Test("a question is what RFC 1035 says; what is no name is not asked for")
    func question() throws {
        let expected: [UInt8] = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + name("a.example.org") + [0, 16, 0, 1]
        #expect(DNSMessage.question(text: "A.example.org", id: 7) == expected)
        for wrong in ["", ".", "a..b", "a.", String(repeating: "a", count: 64), "a b", "a\0b"] {
            #expect(DNSMessage.question(text: wrong, id: 7) == nil, "\(wrong)")
        }
        #expect(DNSMessage.question(text: String(repeating: "abc.", count: 70) + "de", id: 7) == nil)
    }

    @Test("texts of all records, put together; names that stand for others; names that are shortened")
    func answers() throws {
        let pointer: [UInt8] = [0xC0, 12]
        let texts = answer([
            record(pointer, 16, [1, 65, 2, 66, 67]), record(pointer, 16, [0]), record(pointer, 1, [1, 2, 3, 4]),
        ])
        #expect(try DNSMessage.answer(texts, to: name, id: 7) == .init(texts: ["ABC", ""], alias: nil))
        let chain = answer([record(pointer, 5, name("b.example.net")), record(name("b.example.net"), 16, [1, 88])])
        #expect(try DNSMessage.answer(chain, to: name.uppercased(), id: 7).texts == ["X"])
        let alias = answer([record(pointer, 5, name("b.example.net"))])
        #expect(try DNSMessage.answer(alias, to: name, id: 7) == .init(texts: [], alias: "b.example.net"))
        #expect(try DNSMessage.answer(answer([], code: 3), to: name, id: 7) == .init(texts: [], alias: nil))
    }

    @Test("answers to other questions, and of resolvers that could not find out, are refused")
    func refusals() {
        let good = answer([record([0xC0, 12], 16, [1, 65])])
        for wrong in [
            answer([], id: 8), answer([], code: 2), answer([record([0xC0, 0xFF], 16, [1, 65])]),
            answer([record([0xC0, 12], 16, [9, 65])]), Array(good.dropLast(3)), [],
        ] {
            #expect(throws: DNSError.self) { try DNSMessage.answer(wrong, to: name, id: 7) }
        }
        #expect(throws: DNSError.self) { try DNSMessage.answer(good, to: "other.example.org", id: 7) }
    }

    @Test("damaged answers are read or refused, and end")
    func damage() {
        let good = answer([
            record([0xC0, 12], 5, name("b.example.net")), record(name("b.example.net"), 16, [1, 88, 3, 1, 2, 3]),
        ])
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0 ... .max, using: &random)
            }
            if Bool.random(using: &random) {
                bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
            }
            _ = try? DNSMessage.answer(bytes, to: name, id: 7)
        }
    }
}
