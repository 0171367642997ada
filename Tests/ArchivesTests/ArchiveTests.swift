import Archives
import Testing

@Suite struct ArchiveTests {
    private static func open(_ bytes: [UInt8]) throws -> Archive? {
        try Archive.open(size: Int64(bytes.count)) { Array(bytes[Int($0)..<Int($0) + $1]) }
    }

    private static func little(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    /// A ZIP archive of stored members with what is wrong with it: see the arguments.
    private static func zip(name: String = "a", body: [UInt8] = [1, 2, 3], size: Int? = nil, entries: Int = 1)
        -> [UInt8]
    {
        let crc = 0x55BC_801D
        let count = little(body.count, 4) + little(size ?? body.count, 4)
        let shared = little(crc, 4) + count + little(name.utf8.count, 2) + [0, 0]
        let local: [UInt8] =
            [0x50, 0x4B, 3, 4] + little(20, 2) + [0, 0, 0, 0, 0, 0, 0, 0] + shared + Array(name.utf8) + body
        var directory: [UInt8] = []
        for number in 0..<entries {
            let own = number == 0 ? name : "\(name)\(number)"
            directory += [0x50, 0x4B, 1, 2, 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0] + little(crc, 4) + count
            directory += little(own.utf8.count, 2) + [UInt8](repeating: 0, count: 16) + Array(own.utf8)
        }
        return local + directory + [0x50, 0x4B, 5, 6, 0, 0, 0, 0] + little(entries, 2) + little(entries, 2)
            + little(directory.count, 4) + little(local.count, 4) + [0, 0]
    }

    @Test("a stored member comes out as it went in")
    func stored() throws {
        let archive = try #require(try Self.open(Self.zip()))
        #expect(archive.members.map(\.name) == ["a"] && archive.members.map(\.size) == [3])
        var out: [UInt8] = []
        try archive.stream(archive.members[0]) { out += Array($0) }
        #expect(out == [1, 2, 3])
    }

    @Test("names that lead elsewhere are refused", arguments: ["../a", "/a", "a/../../b", "a\nb", "a\u{0}"])
    func names(name: String) {
        #expect(throws: ArchiveError.self) { try Self.open(Self.zip(name: name)) }
    }

    @Test("members that overlap, damage and sizes that cannot be are refused")
    func traps() throws {
        #expect(throws: ArchiveError.self) { try Self.open(Self.zip(entries: 2)) }
        #expect(throws: ArchiveError.self) { try Self.open(Self.zip(size: 1 << 30)) }
        let archive = try #require(try Self.open(Self.zip(body: [1, 2, 4])))
        #expect(throws: ArchiveError.self) { try archive.stream(archive.members[0]) { _ in } }
        #expect(try Self.open(Array("no archive at all".utf8)) == nil)
        #expect(try Self.open([]) == nil)
    }

    @Test("no archive that was cut or altered anywhere brings the reader down")
    func alterations() {
        let whole = Self.zip()
        for cut in 0..<whole.count { _ = try? Self.open(Array(whole[..<cut])) }
        for index in whole.indices {
            for value: UInt8 in [0, 0x7F, 0xFF] {
                var altered = whole
                altered[index] = value
                guard let archive = (try? Self.open(altered)) ?? nil else { continue }
                for member in archive.members { try? archive.stream(member) { _ in } }
            }
        }
        for length in [511, 512, 600] {
            _ = try? Self.open([UInt8](repeating: 0x37, count: length))
        }
    }
}
