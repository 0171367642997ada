/// Writes a ZIP archive whose members are stored as they are, piece by piece (PKWARE APPNOTE 6.3.10), so that none has
/// to be in memory or be read twice: a member's checksum comes behind its bytes.
///
/// The length is known beforehand from the members' names and sizes.
package struct ZipArchive: Sendable {
    private struct Member {
        var name: [UInt8]
        var size: UInt64
        var crc: UInt32
        var offset: UInt64
        var time: (date: UInt16, time: UInt16)
    }

    private var members: [Member] = []
    private var offset: UInt64 = 0

    /// Larger numbers do not fit the fields of the first ZIP.
    private static let fieldMax = UInt64(UInt32.max)

    package init() {}

    private static func isLarge(_ size: UInt64) -> Bool { size >= fieldMax }

    /// Bytes of an archive.
    package static func length(of members: [(name: String, size: Int64)]) -> Int64 {
        var total: UInt64 = 0
        var directory: UInt64 = 0
        for (name, size) in members {
            let count = UInt64(name.utf8.count)
            let isLarge = isLarge(UInt64(size))
            let offset = total
            total += 30 + count + (isLarge ? 20 : 0) + UInt64(size) + (isLarge ? 24 : 16)
            directory += 46 + count + extra(size: UInt64(size), offset: offset)
        }
        let isZip64 = members.count >= 0xFFFF || total >= fieldMax || directory >= fieldMax
        return Int64(total + directory + (isZip64 ? 76 : 0) + 22)
    }

    /// Bytes of what a directory entry says beyond the fields of the first ZIP.
    private static func extra(size: UInt64, offset: UInt64) -> UInt64 {
        let count: UInt64 = (isLarge(size) ? 16 : 0) + (offset >= fieldMax ? 8 : 0)
        return count == 0 ? 0 : count + 4
    }

    /// What comes before a member's bytes.
    package mutating func begin(_ name: String, size: Int64, modified: Timestamp) -> [UInt8] {
        let parts = modified.parts
        let year = UInt16(clamping: max(0, parts.year - 1980))
        let date = min(year, 127) << 9 | UInt16(parts.month) << 5 | UInt16(parts.day)
        let time = UInt16(parts.hour) << 11 | UInt16(parts.minute) << 5 | UInt16(min(parts.second, 59) / 2)
        let member = Member(
            name: Array(name.utf8), size: UInt64(size), crc: 0, offset: offset, time: (date, time))
        members.append(member)
        var out = Bytes()
        out.add32(0x0403_4B50)
        header(member, &out)
        out.bytes += member.name
        if Self.isLarge(member.size) {
            out.add16(1)
            out.add16(16)
            out.add64(0)
            out.add64(0)
        }
        offset += UInt64(out.bytes.count) + member.size
        return out.bytes
    }

    /// What comes behind a member's bytes.
    ///
    /// - Parameter crc: the CRC-32 of all of them.
    package mutating func end(crc: UInt32) -> [UInt8] {
        guard !members.isEmpty else { return [] }
        members[members.count - 1].crc = crc
        let member = members[members.count - 1]
        var out = Bytes()
        out.add32(0x0807_4B50)
        out.add32(crc)
        if Self.isLarge(member.size) {
            out.add64(member.size)
            out.add64(member.size)
        } else {
            out.add32(UInt32(member.size))
            out.add32(UInt32(member.size))
        }
        offset += UInt64(out.bytes.count)
        return out.bytes
    }

    /// The directory at the end of the archive.
    package func directory() -> [UInt8] {
        var out = Bytes()
        for member in members {
            let isLarge = Self.isLarge(member.size)
            let isFar = member.offset >= Self.fieldMax
            out.add32(0x0201_4B50)
            out.add16(0x0300 | 45)
            header(member, &out, isDirectory: true)
            out.add16(0)
            out.add16(0)
            out.add16(0)
            out.add32(0o100644 << 16)
            out.add32(isFar ? .max : UInt32(member.offset))
            out.bytes += member.name
            let count = Self.extra(size: member.size, offset: member.offset)
            if count > 0 {
                out.add16(1)
                out.add16(UInt16(count - 4))
                if isLarge {
                    out.add64(member.size)
                    out.add64(member.size)
                }
                if isFar { out.add64(member.offset) }
            }
        }
        let size = UInt64(out.bytes.count)
        if members.count >= 0xFFFF || offset >= Self.fieldMax || size >= Self.fieldMax {
            out.add32(0x0606_4B50)
            out.add64(44)
            out.add16(0x0300 | 45)
            out.add16(45)
            out.add32(0)
            out.add32(0)
            out.add64(UInt64(members.count))
            out.add64(UInt64(members.count))
            out.add64(size)
            out.add64(offset)
            out.add32(0x0706_4B50)
            out.add32(0)
            out.add64(offset + size)
            out.add32(1)
        }
        out.add32(0x0605_4B50)
        out.add16(0)
        out.add16(0)
        out.add16(UInt16(clamping: members.count))
        out.add16(UInt16(clamping: members.count))
        out.add32(UInt32(clamping: size))
        out.add32(UInt32(clamping: offset))
        out.add16(0)
        return out.bytes
    }

    /// What the header of a member and its entry in the directory have in common.
    private func header(_ member: Member, _ out: inout Bytes, isDirectory: Bool = false) {
        let isLarge = Self.isLarge(member.size)
        out.add16(isLarge ? 45 : 20)
        // The checksum comes behind the bytes; names are UTF-8.
        out.add16(1 << 3 | 1 << 11)
        out.add16(0)
        out.add16(member.time.time)
        out.add16(member.time.date)
        out.add32(isDirectory ? member.crc : 0)
        let size: UInt32 = isLarge ? .max : isDirectory ? UInt32(member.size) : 0
        out.add32(size)
        out.add32(size)
        out.add16(UInt16(clamping: member.name.count))
        out.add16(
            UInt16(
                isDirectory ? Self.extra(size: member.size, offset: member.offset) : isLarge ? 20 : 0))
    }

    private struct Bytes {
        var bytes: [UInt8] = []

        mutating func add16(_ value: UInt16) { add(UInt64(value), 2) }
        mutating func add32(_ value: UInt32) { add(UInt64(value), 4) }
        mutating func add64(_ value: UInt64) { add(value, 8) }

        private mutating func add(_ value: UInt64, _ count: Int) {
            for shift in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * shift))) }
        }
    }
}
