import Parquet
import TestSupport
import Testing

/// Reads from memory.
func reader(_ bytes: [UInt8]) throws -> ParquetReader {
    try ParquetReader(size: Int64(bytes.count)) { offset, count in
        guard offset >= 0, count >= 0, offset + Int64(count) <= Int64(bytes.count) else {
            throw ParquetError("outside")
        }
        return Array(bytes[Int(offset)..<(Int(offset) + count)])
    }
}

func rows(_ bytes: [UInt8]) throws -> [[ParquetValue]] {
    var reader = try reader(bytes)
    var out: [[ParquetValue]] = []
    while let row = try reader.next() { out.append(row) }
    return out
}

func file(_ fields: [ParquetField], _ rows: [[ParquetValue]]) throws -> [UInt8] {
    var writer = try ParquetWriter(fields)
    var bytes: [UInt8] = []
    for row in rows {
        try writer.append(row)
        bytes += writer.take()
    }
    return bytes + (try writer.finish(metadata: [(key: "made", value: "for a test: ü")]))
}

@Suite struct RoundTripTests {
    private static func text(_ value: String) -> ParquetValue { .bytes(Array(value.utf8)) }

    static let fields = [
        ParquetField("id", .text), ParquetField("yes", .boolean), ParquetField("count", .integer),
        ParquetField("share", .double), ParquetField("when", .timestamp), ParquetField("shape", .binary),
        ParquetField("any", .json), ParquetField("names", .list(.text)),
        ParquetField("grid", .list(.list(.integer))),
        ParquetField(
            "assets",
            .group([
                ParquetField("a", .group([ParquetField("href", .text), ParquetField("bands", .list(.integer))])),
                ParquetField("b", .list(.group([ParquetField("n", .integer), ParquetField("t", .text)]))),
            ])),
    ]

    static let values: [[ParquetValue]] = [
        [
            text("one"), .boolean(true), .integer(-5), .double(0.1), .integer(1_700_000_000_000_000), .bytes([0, 255]),
            text("{}"), .list([text("x"), .null, text("")]), .list([.list([.integer(1)]), .list([]), .null]),
            .group([.group([text("h"), .list([])]), .list([.group([.integer(.max), .null]), .null])]),
        ],
        Array(repeating: .null, count: 10),
        [
            text(""), .boolean(false), .integer(.min), .double(-0.0), .integer(0), .bytes([]), text("1"), .list([]),
            .list([]), .group([.null, .null]),
        ],
        [
            text("one"), .null, .integer(7), .null, .null, .null, .null, .list([.null]),
            .list([.list([.null, .integer(2), .integer(3)])]),
            .group([.group([.null, .null]), .list([])]),
        ],
    ]

    @Test("what is written is read")
    func same() throws {
        let bytes = try file(Self.fields, Self.values)
        #expect(try reader(bytes).fields == Self.fields)
        #expect(try reader(bytes).metadata == ["made": "for a test: ü"])
        #expect(try reader(bytes).rowCount == 4)
        #expect(try rows(bytes) == Self.values)
        #expect(try rows(try file(Self.fields, [])) == [])
    }

    @Test("many rows make many row groups, in the memory of one")
    func groups() throws {
        var random = SeededGenerator(seed: 1)
        var writer = try ParquetWriter([ParquetField("a", .text), ParquetField("b", .integer)])
        var bytes: [UInt8] = []
        var expected: [[ParquetValue]] = []
        var pieces = 0
        let word = [UInt8]((0..<65536).map { _ in UInt8.random(in: 0...255, using: &random) })
        for index in 0..<300 {
            let row = [ParquetValue.bytes(word + [UInt8(index % 251)]), .integer(Int64(index / 100))]
            expected.append(row)
            try writer.append(row)
            let piece = writer.take()
            if piece.count > 100 { pieces += 1 }
            bytes += piece
        }
        bytes += try writer.finish(metadata: [])
        #expect(pieces == 2)
        #expect(try rows(bytes) == expected)
    }

    @Test("levels and places of every width", arguments: 1...20)
    func dictionary(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let words = 1 << Int(seed % 10)
        let values = (0..<3000).map { _ -> [ParquetValue] in
            if Int.random(in: 0..<10, using: &random) == 0 { return [.null, .list([])] }
            let word = ParquetValue.bytes(Array("w\(Int.random(in: 0..<words, using: &random))".utf8))
            return [
                word,
                .list(
                    (0..<Int.random(in: 0..<4, using: &random)).map { _ in
                        .boolean(Bool.random(using: &random))
                    }),
            ]
        }
        let bytes = try file([ParquetField("w", .text), ParquetField("l", .list(.boolean))], values)
        #expect(try rows(bytes) == values)
    }

    @Test("a value that is not of its type is refused")
    func types() throws {
        var writer = try ParquetWriter([ParquetField("a", .integer)])
        #expect(throws: ParquetError.self) { try writer.append([.double(1)]) }
        #expect(throws: ParquetError.self) { try writer.append([.list([])]) }
        #expect(throws: ParquetError.self) { try writer.append([]) }
        #expect(throws: ParquetError.self) { try ParquetWriter([ParquetField("a", .group([]))]) }
        var deep = ParquetType.integer
        for _ in 0..<200 { deep = .list(deep) }
        #expect(throws: ParquetError.self) { try ParquetWriter([ParquetField("a", deep)]) }
    }

    @Test("changed bytes give rows or an error that says what is wrong", arguments: 1...40)
    func mutated(seed: UInt64) throws {
        let whole = try file(Self.fields, Self.values)
        var random = SeededGenerator(seed: seed)
        for _ in 0..<100 {
            do {
                _ = try rows(random.mutate(whole))
            } catch let error as ParquetError {
                #expect(!error.message.isEmpty)
            }
        }
    }
}
