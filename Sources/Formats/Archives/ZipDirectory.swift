/// The central directory of a ZIP archive (APPNOTE 6.3.10, §4.3.12 to §4.3.16).
enum ZipDirectory {
    /// Bytes of a directory that are taken into memory.
    private static let bytesMax: Int64 = 64 << 20
    /// DEFLATE makes at most 1,032 bytes of one.
    private static let expansionMax: Int64 = 1032

    /// Nil for a file that is no ZIP archive.
    static func members(size: Int64, _ read: Archive.Read) throws -> [Archive.Member]? {
        guard let end = try End.find(size: size, read) else { return nil }
        guard end.count <= UInt64(Archive.membersMax) else {
            throw ArchiveError("the archive has \(end.count) members; at most \(Archive.membersMax) are read")
        }
        guard let offset = Int64(exactly: end.offset), let length = Int64(exactly: end.length), length <= bytesMax,
            offset <= size, length <= size - offset
        else { throw ArchiveError("the archive's directory is not where it should be, or too long") }
        var fields = Fields(try read(offset, Int(length)))
        var members: [Archive.Member] = []
        var places: [(start: Int64, end: Int64)] = []
        for _ in 0..<end.count {
            let entry = try Entry(&fields)
            guard !entry.isFolder else { continue }
            let member = try entry.member(size: size, directory: offset, read)
            places.append((entry.header, member.place.offset + member.place.count))
            members.append(member)
        }
        // Members that lie upon each other make a small archive a bomb.
        places.sort { $0.start < $1.start }
        for (one, next) in zip(places, places.dropFirst()) where next.start < one.end {
            throw ArchiveError("members of the archive overlap: it is damaged, or a trap")
        }
        return members
    }

    private struct End {
        var count: UInt64
        var length: UInt64
        var offset: UInt64

        /// It is the last record, with a comment of at most 65,535 bytes behind it.
        static func find(size: Int64, _ read: Archive.Read) throws -> End? {
            guard size >= 22 else { return nil }
            var first = Fields(try read(0, 4))
            guard [0x0403_4B50, 0x0605_4B50].contains(try first.take32()) else { return nil }
            let start = max(0, size - 22 - 0xFFFF)
            let tail = try read(start, Int(size - start))
            var at = tail.count - 22
            while at >= 0 {
                if tail[at] == 0x50, tail[at + 1] == 0x4B, tail[at + 2] == 5, tail[at + 3] == 6,
                    at + 22 + Int(tail[at + 20]) + Int(tail[at + 21]) << 8 == tail.count
                {
                    break
                }
                at -= 1
            }
            guard at >= 0 else { throw ArchiveError("the end of the archive is missing: it was cut off") }
            var fields = Fields(Array(tail[at...]))
            try fields.skip(10)
            var end = End(
                count: UInt64(try fields.take16()), length: UInt64(try fields.take32()),
                offset: UInt64(try fields.take32()))
            let place = start + Int64(at)
            guard end.count == 0xFFFF || end.length == 0xFFFF_FFFF || end.offset == 0xFFFF_FFFF, place >= 20 else {
                return end
            }
            var locator = Fields(try read(place - 20, 20))
            guard try locator.take32() == 0x0706_4B50 else { return end }
            try locator.skip(4)
            guard let large = Int64(exactly: try locator.take64()), large >= 0, large <= place - 76 else {
                throw ArchiveError("the archive's ZIP64 directory is not where it should be")
            }
            var record = Fields(try read(large, 56))
            guard try record.take32() == 0x0606_4B50 else {
                throw ArchiveError("the archive's ZIP64 directory is not where it should be")
            }
            try record.skip(28)
            end.count = try record.take64()
            end.length = try record.take64()
            end.offset = try record.take64()
            return end
        }
    }

    private struct Entry {
        var name: String
        var method: UInt16
        var flags: UInt16
        var checksum: UInt32
        var packed: UInt64
        var unpacked: UInt64
        /// Where its local header is.
        var header: Int64

        var isFolder: Bool { name.hasSuffix("/") && unpacked == 0 }

        init(_ fields: inout Fields) throws {
            guard try fields.take32() == 0x0201_4B50 else { throw ArchiveError("the archive's directory is damaged") }
            try fields.skip(4)
            flags = try fields.take16()
            method = try fields.take16()
            try fields.skip(4)
            checksum = try fields.take32()
            packed = UInt64(try fields.take32())
            unpacked = UInt64(try fields.take32())
            let nameCount = Int(try fields.take16())
            let extraCount = Int(try fields.take16())
            let commentCount = Int(try fields.take16())
            try fields.skip(8)
            var offset = UInt64(try fields.take32())
            let nameBytes = try fields.take(nameCount)
            guard let name = String(validating: nameBytes, as: UTF8.self) else {
                throw ArchiveError("the archive has a member whose name is not UTF-8")
            }
            self.name = name
            var extra = Fields(try fields.take(extraCount))
            try fields.skip(commentCount)
            while extra.rest >= 4 {
                let kind = try extra.take16()
                var field = Fields(try extra.take(Int(try extra.take16())))
                guard kind == 1 else { continue }
                if unpacked == 0xFFFF_FFFF { unpacked = try field.take64() }
                if packed == 0xFFFF_FFFF { packed = try field.take64() }
                if offset == 0xFFFF_FFFF { offset = try field.take64() }
            }
            guard let header = Int64(exactly: offset) else { throw ArchiveError("the archive's directory is damaged") }
            self.header = header
        }

        /// - Parameters:
        ///   - size: of the archive in bytes.
        ///   - directory: where the members end.
        func member(size: Int64, directory: Int64, _ read: Archive.Read) throws -> Archive.Member {
            guard flags & 1 == 0 else { throw ArchiveError("the member \(excerpt(name)) is encrypted") }
            guard method == 0 || method == 8 else {
                throw ArchiveError(
                    "the member \(excerpt(name)) is compressed by method \(method); stored and deflated ones are read")
            }
            guard header >= 0, header <= size - 30, let packed = Int64(exactly: packed),
                let unpacked = Int64(exactly: unpacked)
            else { throw ArchiveError("the member \(excerpt(name)) is not where the archive says") }
            var local = Fields(try read(header, 30))
            guard try local.take32() == 0x0403_4B50 else {
                throw ArchiveError("the member \(excerpt(name)) is not where the archive says")
            }
            try local.skip(22)
            let start = header + 30 + Int64(try local.take16()) + Int64(try local.take16())
            guard start <= directory, packed <= directory - start,
                method == 0 ? unpacked == packed : unpacked / Self.expansionMax <= packed
            else { throw ArchiveError("the member \(excerpt(name)) has a size that cannot be") }
            return Archive.Member(
                name: name, size: unpacked,
                place: .init(offset: start, count: packed, isDeflated: method == 8, checksum: checksum))
        }

        private static let expansionMax = ZipDirectory.expansionMax
    }
}

/// Little-endian numbers, one after another.
struct Fields {
    private let bytes: [UInt8]
    private var at = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var rest: Int { bytes.count - at }

    mutating func take(_ count: Int) throws -> [UInt8] {
        guard count <= rest else { throw ArchiveError("the archive's directory is damaged") }
        defer { at += count }
        return Array(bytes[at..<at + count])
    }

    mutating func skip(_ count: Int) throws {
        guard count <= rest else { throw ArchiveError("the archive's directory is damaged") }
        at += count
    }

    mutating func take16() throws -> UInt16 { UInt16(truncatingIfNeeded: try number(2)) }
    mutating func take32() throws -> UInt32 { UInt32(truncatingIfNeeded: try number(4)) }
    mutating func take64() throws -> UInt64 { try number(8) }

    private mutating func number(_ count: Int) throws -> UInt64 {
        try take(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
