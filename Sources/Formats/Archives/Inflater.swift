private import CZlib

/// Unpacks raw DEFLATE (RFC 1951) piece by piece.
final class Inflater {
    /// zlib remembers its address, so it has one that stays.
    private let stream: UnsafeMutablePointer<z_stream>
    private var output = [UInt8](repeating: 0, count: 256 << 10)
    /// Whether the stream has come to its end.
    private(set) var isAtEnd = false

    init() throws {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard czlib_inflate_raw(stream) == Z_OK else { throw ArchiveError("zlib has no memory to unpack with") }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// - Throws: ``ArchiveError`` for what is no DEFLATE, and for bytes behind its end; what `body` throws.
    func inflate(_ input: [UInt8], to body: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard !input.isEmpty else { return }
        guard !isAtEnd else { throw ArchiveError("there are bytes behind the end of a compressed member") }
        var input = input
        try input.withUnsafeMutableBufferPointer { bytes in
            stream.pointee.next_in = bytes.baseAddress
            stream.pointee.avail_in = UInt32(bytes.count)
            repeat {
                let (outcome, count) = output.withUnsafeMutableBufferPointer { room in
                    stream.pointee.next_out = room.baseAddress
                    stream.pointee.avail_out = UInt32(room.count)
                    let outcome = CZlib.inflate(stream, Z_NO_FLUSH)
                    return (outcome, room.count - Int(stream.pointee.avail_out))
                }
                guard outcome == Z_OK || outcome == Z_STREAM_END || outcome == Z_BUF_ERROR else {
                    throw ArchiveError("a compressed member is damaged")
                }
                try output.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
                isAtEnd = outcome == Z_STREAM_END
            } while !isAtEnd && (stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0)
            stream.pointee.next_in = nil
            guard !isAtEnd || stream.pointee.avail_in == 0 else {
                throw ArchiveError("there are bytes behind the end of a compressed member")
            }
        }
    }
}

/// The checksum of ZIP (IEEE 802.3).
struct CRC32 {
    private var sum: UInt = 0

    var value: UInt32 { UInt32(truncatingIfNeeded: sum) }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        sum = crc32_z(sum, base.assumingMemoryBound(to: UInt8.self), bytes.count)
    }
}
