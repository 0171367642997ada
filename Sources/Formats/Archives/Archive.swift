/// A ZIP (PKWARE APPNOTE 6.3.10, with ZIP64) or tar archive (POSIX pax, ustar, GNU) whose files are read as streams.
///
/// It is read where it lies, nothing is unpacked. What strangers made is bounded: members cannot overlap, give no more
/// bytes than they announce, and have relative names that lead nowhere else.
package struct Archive: Sendable {
    /// A file in it. Folders, links and devices are left out.
    package struct Member: Sendable, Hashable {
        package var name: String
        /// In bytes, unpacked.
        package var size: Int64
        var place: Place
    }

    /// Where the bytes of a member are.
    struct Place: Sendable, Hashable {
        var offset: Int64
        var count: Int64
        var isDeflated: Bool
        /// CRC-32 of what comes out; nil where the format has none.
        var checksum: UInt32?
    }

    /// Reads `count` bytes at an offset: all of them, or it throws.
    package typealias Read = @Sendable (_ offset: Int64, _ count: Int) throws -> [UInt8]

    /// The most members of an archive.
    package static let membersMax = 100_000
    /// The longest name of a member in bytes.
    static let nameBytesMax = 4096
    /// Bytes that are read, and given, at once.
    static let pieceBytes = 1 << 20

    /// In the order in which the archive lists them.
    package let members: [Member]
    let read: Read

    /// Lists what is in a file.
    ///
    /// - Parameter size: of the file in bytes.
    /// - Returns: nil for a file that is no archive.
    /// - Throws: ``ArchiveError`` for a damaged or malicious one, and what `read` throws.
    package static func open(size: Int64, read: @escaping Read) throws -> Archive? {
        let members: [Member]
        if let found = try ZipDirectory.members(size: size, read) {
            members = found
        } else if let found = try TarHeader.members(size: size, read) {
            members = found
        } else {
            return nil
        }
        var names: Set<String> = []
        for member in members {
            try check(member.name)
            guard names.insert(member.name).inserted else {
                throw ArchiveError("the archive has the member \(excerpt(member.name)) twice")
            }
        }
        return Archive(members: members, read: read)
    }

    private init(members: [Member], read: @escaping Read) {
        self.members = members
        self.read = read
    }

    /// A name that would lead out of a folder, were the archive unpacked, is one that nobody means well with.
    private static func check(_ name: String) throws {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard !name.isEmpty, name.utf8.count <= nameBytesMax, !name.hasPrefix("/"), !parts.contains(".."),
            name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else { throw ArchiveError("the archive has a member of the name \(excerpt(name)), which no file should have") }
    }

    /// Gives the bytes of a member, piece by piece.
    ///
    /// - Throws: ``ArchiveError`` where they are damaged or more than announced, and what `read` and `body` throw.
    package func stream(_ member: Member, to body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let place = member.place
        let unpacker = place.isDeflated ? try Inflater() : nil
        var sum = CRC32()
        var given: Int64 = 0
        func give(_ bytes: UnsafeRawBufferPointer) throws {
            given += Int64(bytes.count)
            guard given <= member.size else {
                throw ArchiveError("the member \(excerpt(member.name)) is larger than the archive says")
            }
            sum.update(bytes)
            try body(bytes)
        }
        var done: Int64 = 0
        while done < place.count {
            let piece = try read(place.offset + done, Int(min(Int64(Self.pieceBytes), place.count - done)))
            done += Int64(piece.count)
            guard let unpacker else {
                try piece.withUnsafeBytes { try give($0) }
                continue
            }
            try unpacker.inflate(piece, to: give)
        }
        guard given == member.size, unpacker?.isAtEnd ?? true, place.checksum ?? sum.value == sum.value else {
            throw ArchiveError("the member \(excerpt(member.name)) is damaged: it is not what the archive says")
        }
    }
}
