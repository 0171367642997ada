import Parquet
import TestSupport
import Testing

@Suite struct BoundsTests {
    private func snappy(_ bytes: [UInt8], _ count: Int) throws -> String {
        String(decoding: try Snappy.decompress(bytes[...], count: count), as: UTF8.self)
    }

    @Test("snappy: literals, and copies that reach into themselves")
    func snappy() throws {
        #expect(try snappy([3, 2 << 2, 97, 98, 99], 3) == "abc")
        // A copy with two bytes of distance, of what it writes itself; then one with one byte.
        #expect(try snappy([10, 0, 97, (9 - 1) << 2 | 2, 1, 0], 10) == "aaaaaaaaaa")
        #expect(try snappy([8, 3 << 2, 97, 98, 99, 100, 1, 4], 8) == "abcdabcd")
        // A length of one more byte.
        #expect(try snappy([62, 60 << 2, 61] + [UInt8](repeating: 98, count: 62), 62).utf8.count == 62)
    }

    @Test(
        "snappy that is none",
        arguments: [
            [], [4, 2 << 2, 97, 98, 99], [3, 2 << 2, 97, 98], [3, 0, 97, 2, 2, 0], [3, 0, 97, 2, 0, 0],
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], [3, 2 << 2, 97, 98, 99, 0, 97], [3, 63 << 2, 255, 255, 255, 255],
        ] as [[UInt8]])
    func noSnappy(bytes: [UInt8]) { #expect(throws: ParquetError.self) { try snappy(bytes, 3) } }

    private func file(footer: [UInt8]) -> [UInt8] {
        let length = (0..<4).map { UInt8(footer.count >> (8 * $0) & 0xFF) }
        return Array("PAR1".utf8) + footer + length + Array("PAR1".utf8)
    }

    @Test("a footer of empty row groups or columns without end is refused")
    func footer() throws {
        for outer: [UInt8] in [[0x49], [0x49, 0x1C, 0x19], [0x29]] {
            // 1,100,000 structures, in LEB128.
            let footer = outer + [0xFC, 0xE0, 0x91, 0x43] + [UInt8](repeating: 0, count: 1_100_003)
            #expect(throws: ParquetError.self) { try reader(file(footer: footer)) }
        }
        #expect(throws: ParquetError.self) { try reader(file(footer: [])) }
        #expect(throws: ParquetError.self) { try reader(file(footer: [UInt8](repeating: 0x1C, count: 10_000))) }
    }

    @Test("a page that says to be longer than it is")
    func lies() throws {
        var whole = try ParquetTests.file([ParquetField("a", .text)], [[.bytes(Array("abc".utf8))]])
        // The first page's header: its type, how long it says to be unpacked.
        #expect(Array(whole[4..<7]) == [0x15, 0, 0x15])
        whole.replaceSubrange(7..<8, with: [0xFE, 0xFF, 0xFF, 0x7F])
        #expect(throws: ParquetError.self) { try rows(whole) }
    }

    @Test("differences: the two examples of the specification with the block size that it asks for")
    func differences() throws {
        // 7, 5, 3, 1, 2, 3, 4, 5: the least difference is -2; 2 bits each; four parts of 32.
        var bytes: [UInt8] = [0x80, 0x01, 4, 8, 14, 3, 2, 0, 0, 0, 0xC0, 0x3F]
        bytes += [UInt8](repeating: 0, count: 6)
        var reader = try DeltaReader(bytes, at: 0)
        var values: [Int64] = []
        for _ in 0..<8 { values.append(try reader.next()) }
        #expect(values == [7, 5, 3, 1, 2, 3, 4, 5])
        #expect(throws: ParquetError.self) { try reader.next() }
        var end = try DeltaReader(bytes, at: 0)
        try end.skip()
        #expect(end.at == bytes.count)
        #expect(throws: ParquetError.self) { try DeltaReader([0x80, 0x01, 3, 8, 14], at: 0) }
    }

    @Test("runs of every width, whole and cut off", arguments: 0...32)
    func runs(width: Int) throws {
        var random = SeededGenerator(seed: UInt64(width))
        let top = width == 32 ? UInt32.max : (1 << UInt32(width)) - 1
        let values = (0..<200).flatMap { index in
            [UInt32](repeating: UInt32.random(in: 0...top, using: &random), count: index % 20 == 0 ? 30 : 1)
        }
        var bytes: [UInt8] = []
        RunLength.append(values, width: width, to: &bytes)
        var reader = RunLengthReader(bytes, 0..<bytes.count, width: width)
        var back: [UInt32] = []
        for _ in values { back.append(try reader.next()) }
        #expect(back == values)
        guard width > 0 else { return }
        var short = RunLengthReader(bytes, 0..<(bytes.count / 2), width: width)
        #expect(throws: ParquetError.self) { for _ in values { _ = try short.next() } }
    }
}
