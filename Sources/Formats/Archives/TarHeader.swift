/// Headers of a tar archive: POSIX.1-2017 pax, with ustar and the long names of GNU tar.
enum TarHeader {
    private static let blockBytes: Int64 = 512
    /// Bytes of a header that only describes the next one.
    private static let extraBytesMax: Int64 = 1 << 20
    /// Headers of all kinds, folders among them.
    private static let headersMax = 3 * Archive.membersMax

    /// Nil for a file that is no tar archive.
    static func members(size: Int64, _ read: Archive.Read) throws -> [Archive.Member]? {
        guard size >= blockBytes, isHeader(try read(0, Int(blockBytes))) else { return nil }
        var members: [Archive.Member] = []
        var at: Int64 = 0
        var headers = 0
        var next = Description()
        while at <= size - blockBytes {
            let block = try read(at, Int(blockBytes))
            if block.allSatisfy({ $0 == 0 }) { break }
            headers += 1
            guard headers <= headersMax else { throw ArchiveError("the archive has more than \(headersMax) headers") }
            guard isHeader(block), let own = number(block[124..<136]) else {
                throw ArchiveError("the archive is damaged at byte \(at)")
            }
            let kind = block[156]
            let isFile = [0, UInt8(ascii: "0"), UInt8(ascii: "7")].contains(kind)
            let count = isFile ? next.size ?? own : own
            let start = at + blockBytes
            guard count <= size - start else { throw ArchiveError("the archive was cut off") }
            switch kind {
            case UInt8(ascii: "x"), UInt8(ascii: "L"):
                guard count <= extraBytesMax else { throw ArchiveError("a header of the archive is too long") }
                let text = try read(start, Int(count))
                if kind == UInt8(ascii: "x") {
                    try next.read(pax: text)
                } else {
                    next.name = Array(text.prefix { $0 != 0 })
                }
            case UInt8(ascii: "S"): throw ArchiveError("the archive has a sparse file, which is not read")
            default:
                if isFile {
                    let bytes = next.name ?? name(in: block)
                    guard let name = String(validating: bytes, as: UTF8.self) else {
                        throw ArchiveError("the archive has a member whose name is not UTF-8")
                    }
                    guard members.count < Archive.membersMax else {
                        throw ArchiveError("the archive has more than \(Archive.membersMax) members")
                    }
                    // Before POSIX a folder was a file whose name ends with a slash.
                    if !name.hasSuffix("/") {
                        members.append(
                            Archive.Member(
                                name: name.hasPrefix("./") ? String(name.dropFirst(2)) : name, size: count,
                                place: .init(offset: start, count: count, isDeflated: false, checksum: nil)))
                    }
                }
                next = Description()
            }
            at = start + (count + blockBytes - 1) / blockBytes * blockBytes
        }
        return members
    }

    /// What earlier headers say of the next file.
    private struct Description {
        var name: [UInt8]?
        var size: Int64?

        /// Lines `LENGTH NAME=VALUE\n`, where the length is that of the line.
        mutating func read(pax text: [UInt8]) throws {
            var rest = text[...]
            while !rest.isEmpty {
                guard let space = rest.firstIndex(of: UInt8(ascii: " ")),
                    let length = Int(String(decoding: rest[..<space], as: UTF8.self)), length <= rest.count,
                    length > space - rest.startIndex + 2
                else { throw ArchiveError("a pax header of the archive is damaged") }
                let line = rest[(space + 1)..<(rest.startIndex + length - 1)]
                rest = rest.dropFirst(length)
                guard let sign = line.firstIndex(of: UInt8(ascii: "=")) else { continue }
                let value = Array(line[(sign + 1)...])
                switch String(decoding: line[..<sign], as: UTF8.self) {
                case "path": name = value
                case "size":
                    guard let number = Int64(String(decoding: value, as: UTF8.self)), number >= 0 else {
                        throw ArchiveError("a pax header of the archive has a size that is no number")
                    }
                    size = number
                case "GNU.sparse.major", "GNU.sparse.map":
                    throw ArchiveError("the archive has a sparse file, which is not read")
                default: break
                }
            }
        }
    }

    /// Whether a block's checksum holds.
    private static func isHeader(_ block: [UInt8]) -> Bool {
        guard block.count == Int(blockBytes), block[0] != 0, let told = number(block[148..<156]) else { return false }
        let sum = block.enumerated().reduce(Int64(0)) {
            $0 + Int64((148..<156).contains($1.offset) ? 0x20 : $1.element)
        }
        return sum == told
    }

    /// A name in two fields.
    private static func name(in block: [UInt8]) -> [UInt8] {
        let name = block[0..<100].prefix { $0 != 0 }
        guard block[257..<262].elementsEqual("ustar".utf8), block[262] == 0, block[345] != 0 else { return Array(name) }
        return Array(block[345..<500].prefix { $0 != 0 }) + [UInt8(ascii: "/")] + name
    }

    /// Octal digits, or a binary number where the first bit is set. Nil for what is neither.
    private static func number(_ field: ArraySlice<UInt8>) -> Int64? {
        guard let first = field.first else { return nil }
        if first & 0x80 != 0 {
            guard first == 0x80, field.dropFirst().dropLast(8).allSatisfy({ $0 == 0 }) else { return nil }
            return Int64(exactly: field.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
        }
        let digits = field.drop { $0 == 0x20 }.prefix { $0 != 0 && $0 != 0x20 }
        if digits.isEmpty { return 0 }
        return Int64(String(decoding: digits, as: UTF8.self), radix: 8).flatMap { $0 >= 0 ? $0 : nil }
    }
}
