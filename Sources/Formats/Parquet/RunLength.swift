/// The hybrid of runs and packed bits in which levels and places in a dictionary are written (Encodings.md, "RLE").
package enum RunLength {
    /// How many bits a value up to `maximum` needs.
    static func width(_ maximum: Int) -> Int { Int.bitWidth - max(0, maximum).leadingZeroBitCount }

    /// Appends values of `width` bits: what stands there eight times or more as a run, the rest packed.
    package static func append(_ values: [UInt32], width: Int, to out: inout [UInt8]) {
        guard width > 0 else {
            // Without bits there is only a run.
            return out.appendVarint(UInt64(values.count) << 1)
        }
        var packed = 0
        var at = 0
        while at < values.count {
            var end = at + 1
            while end < values.count, values[end] == values[at] { end += 1 }
            if end - at < 8 {
                at = end
                continue
            }
            // Packed values come in eights.
            let open = (at - packed) % 8
            if open > 0 {
                at += 8 - open
                continue
            }
            append(packed: values[packed..<at], width: width, to: &out)
            out.appendVarint(UInt64(end - at) << 1)
            for byte in 0..<((width + 7) / 8) {
                out.append(UInt8(truncatingIfNeeded: values[at] >> (8 * UInt32(byte))))
            }
            (packed, at) = (end, end)
        }
        append(packed: values[packed...], width: width, to: &out)
    }

    private static func append(packed values: ArraySlice<UInt32>, width: Int, to out: inout [UInt8]) {
        guard !values.isEmpty else { return }
        let eights = (values.count + 7) / 8
        out.appendVarint(UInt64(eights) << 1 | 1)
        var bits: UInt64 = 0
        var count = 0
        for value in values {
            bits |= UInt64(value) << UInt64(count)
            count += width
            while count >= 8 {
                out.append(UInt8(truncatingIfNeeded: bits))
                bits >>= 8
                count -= 8
            }
        }
        var left = eights * width - (values.count * width - count) / 8
        while left > 0 {
            out.append(UInt8(truncatingIfNeeded: bits))
            bits >>= 8
            left -= 1
        }
    }
}

/// Reads such values one by one, so that a long run takes no memory.
package struct RunLengthReader {
    private let bytes: [UInt8]
    private var at: Int
    private let end: Int
    private let width: Int
    private var repeated: UInt64 = 0
    private var value: UInt32 = 0
    private var packed: UInt64 = 0
    /// Bits of the packed values that were read.
    private var bit = 0

    /// - Parameters:
    ///   - range: where they stand in `bytes`.
    ///   - width: bits of a value, 0 to 32.
    package init(_ bytes: [UInt8], _ range: Range<Int>, width: Int) {
        (self.bytes, at, end, self.width) = (bytes, range.lowerBound, range.upperBound, width)
    }

    /// - Throws: `ParquetError` where they end.
    package mutating func next() throws -> UInt32 {
        guard width > 0 else { return 0 }
        while repeated == 0 && packed == 0 { try begin() }
        if repeated > 0 {
            repeated -= 1
            return value
        }
        packed -= 1
        var out: UInt64 = 0
        let first = at + bit / 8
        guard first < end else { throw ParquetError("its levels or places end too early") }
        let count = (bit % 8 + width + 7) / 8
        // The last of them may have been cut off, where they are only there to make eight.
        for offset in 0..<count where first + offset < end {
            out |= UInt64(bytes[first + offset]) << UInt64(8 * offset)
        }
        out >>= UInt64(bit % 8)
        bit += width
        if packed == 0 { at = min(end, at + bit / 8) }
        return UInt32(truncatingIfNeeded: out & ((1 << UInt64(width)) - 1))
    }

    private mutating func begin() throws {
        var reader = ThriftReader(bytes, at: at)
        let head: UInt64
        do {
            head = try reader.varint()
        } catch {
            throw ParquetError("its levels or places end too early")
        }
        at = reader.at
        guard at <= end, head >> 1 <= UInt64(Int32.max) else {
            throw ParquetError("a run of levels or places is too long")
        }
        if head & 1 == 1 {
            packed = (head >> 1) * 8
            bit = 0
        } else {
            repeated = head >> 1
            value = 0
            let count = (width + 7) / 8
            guard count <= end - at else { throw ParquetError("its levels or places end too early") }
            for byte in 0..<count { value |= UInt32(bytes[at + byte]) << UInt32(8 * byte) }
            at += count
        }
    }
}
