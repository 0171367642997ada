import CCodecs

/// How pages are compressed (`CompressionCodec` of parquet.thrift).
enum Codec: Int32 {
    case none = 0
    case snappy = 1
    case gzip = 2
    case zstd = 6

    /// - Parameter count: how many bytes must come out; the caller bounds it.
    func decompress(_ bytes: ArraySlice<UInt8>, count: Int) throws -> [UInt8] {
        switch self {
        case .none:
            guard bytes.count == count else { throw ParquetError("its length is not as it says") }
            return Array(bytes)
        case .snappy: return try Snappy.decompress(bytes, count: count)
        case .gzip: return try Self.fill(bytes, count, "gzip", ccodecs_inflate)
        case .zstd: return try Self.fill(bytes, count, "zstd", ccodecs_zstd_decompress)
        }
    }

    private static func fill(
        _ bytes: ArraySlice<UInt8>, _ count: Int, _ name: String,
        _ unpack: (UnsafePointer<UInt8>?, Int, UnsafeMutablePointer<UInt8>?, Int) -> Int32
    ) throws -> [UInt8] {
        guard count > 0 else { return [] }
        var isWhole = false
        let out = [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
            isWhole = bytes.withUnsafeBufferPointer { unpack($0.baseAddress, $0.count, buffer.baseAddress, count) == 1 }
            done = isWhole ? count : 0
        }
        guard isWhole else { throw ParquetError("it is not the \(name) that it says") }
        return out
    }

    /// Compresses with zstd.
    static func compress(_ bytes: [UInt8]) throws -> [UInt8] {
        let room = ccodecs_zstd_bound(bytes.count)
        let out = [UInt8](unsafeUninitializedCapacity: room) { buffer, done in
            done = bytes.withUnsafeBufferPointer {
                ccodecs_zstd_compress($0.baseAddress, $0.count, buffer.baseAddress, room)
            }
        }
        guard !out.isEmpty else { throw ParquetError("zstd has no memory") }
        return out
    }
}

/// Snappy's format (format_description.txt of google/snappy): a length, then literals and copies of what came before.
package enum Snappy {
    /// - Throws: `ParquetError` where the bytes do not give exactly `count`.
    package static func decompress(_ bytes: ArraySlice<UInt8>, count: Int) throws -> [UInt8] {
        let fault = ParquetError("it is not the snappy that it says")
        var at = bytes.startIndex
        let end = bytes.endIndex
        var length = 0
        var shift = 0
        while true {
            guard at < end, shift < 35 else { throw fault }
            length |= Int(bytes[at] & 0x7F) << shift
            at += 1
            if bytes[at - 1] < 0x80 { break }
            shift += 7
        }
        guard length == count else { throw fault }
        var out: [UInt8] = []
        out.reserveCapacity(count)
        /// A number of so many bytes, little-endian.
        func number(_ bytesCount: Int) throws -> Int {
            guard bytesCount <= end - at else { throw fault }
            var value = 0
            for index in 0..<bytesCount { value |= Int(bytes[at + index]) << (8 * index) }
            at += bytesCount
            return value
        }
        while at < end {
            let tag = Int(bytes[at])
            at += 1
            if tag & 3 == 0 {
                let short = tag >> 2
                let size = short < 60 ? short + 1 : try number(short - 59) + 1
                guard size <= end - at, size <= count - out.count else { throw fault }
                out.append(contentsOf: bytes[at..<(at + size)])
                at += size
                continue
            }
            let size: Int
            let distance: Int
            switch tag & 3 {
            case 1: (size, distance) = ((tag >> 2) & 7 + 4, try number(1) | (tag >> 5) << 8)
            case 2: (size, distance) = ((tag >> 2) + 1, try number(2))
            default: (size, distance) = ((tag >> 2) + 1, try number(4))
            }
            guard distance > 0, distance <= out.count, size <= count - out.count else { throw fault }
            // What is copied may reach into what the copy itself writes.
            for _ in 0..<size { out.append(out[out.count - distance]) }
        }
        guard out.count == count else { throw fault }
        return out
    }
}
