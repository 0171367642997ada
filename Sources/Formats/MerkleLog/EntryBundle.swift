/// The bytes of an entry bundle (C2SP tlog-tiles): each entry after its length, a big-endian 16-bit number.
package enum EntryBundle {
    /// The longest entry in bytes.
    package static let maxEntryLength = 65_535

    /// - Throws: `tooLarge` for more than 256 entries or an entry of more than 65,535 bytes.
    package static func encode(_ entries: [[UInt8]]) throws -> [UInt8] {
        guard entries.count <= Tile.fullWidth else {
            throw MerkleLogError(.tooLarge, "\(entries.count) entries do not fit a bundle: it holds at most 256")
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(entries.reduce(0) { $0 + 2 + $1.count })
        for (i, entry) in entries.enumerated() {
            guard let length = UInt16(exactly: entry.count) else {
                throw MerkleLogError(.tooLarge, "entry \(i) has \(entry.count) bytes: at most 65,535 fit a bundle")
            }
            bytes.append(UInt8(length >> 8))
            bytes.append(UInt8(length & 255))
            bytes.append(contentsOf: entry)
        }
        return bytes
    }

    /// - Parameter width: how many entries the bundle must hold, 1 to 256.
    /// - Throws: `malformed` if it holds more or fewer, or ends within one.
    package static func decode(_ bytes: [UInt8], width: Int) throws -> [ArraySlice<UInt8>] {
        guard (1...Tile.fullWidth).contains(width) else {
            throw MerkleLogError(.invalidArgument, "bundle width \(width) must be 1 to 256")
        }
        var entries: [ArraySlice<UInt8>] = []
        entries.reserveCapacity(width)
        var at = 0
        while entries.count < width {
            guard bytes.count - at >= 2 else { throw cutOff(entries.count, width) }
            let length = Int(bytes[at]) << 8 | Int(bytes[at + 1])
            at += 2
            guard bytes.count - at >= length else { throw cutOff(entries.count, width) }
            entries.append(bytes[at..<at + length])
            at += length
        }
        guard at == bytes.count else {
            throw MerkleLogError(.malformed, "\(bytes.count - at) bytes follow the \(width) entries of the bundle")
        }
        return entries
    }

    private static func cutOff(_ found: Int, _ width: Int) -> MerkleLogError {
        MerkleLogError(.malformed, "the bundle ends within entry \(found) of \(width)")
    }
}
