/// Writes CBOR (RFC 8949 §4.2.1, core deterministic encoding): what COSE needs, no more. Whoever writes a map gives its
/// members in the order of their encoded keys.
struct CBORWriter {
    private(set) var bytes: [UInt8] = []

    mutating func integer(_ value: Int64) {
        // Of a negative number -1 - n is encoded, which is its complement.
        if value < 0 { head(1, UInt64(bitPattern: ~value)) } else { head(0, UInt64(value)) }
    }

    mutating func unsigned(_ value: UInt64) { head(0, value) }

    mutating func bytes(_ value: [UInt8]) {
        head(2, UInt64(value.count))
        bytes += value
    }

    mutating func text(_ value: String) {
        head(3, UInt64(value.utf8.count))
        bytes += value.utf8
    }

    /// The items follow.
    mutating func array(_ count: Int) { head(4, UInt64(count)) }

    /// The keys and values follow, in turns.
    mutating func map(_ count: Int) { head(5, UInt64(count)) }

    mutating func tag(_ number: UInt64) { head(6, number) }

    mutating func null() { bytes.append(0xF6) }

    private mutating func head(_ major: UInt8, _ value: UInt64) {
        let type = major << 5
        switch value {
        case 0..<24: bytes.append(type | UInt8(value))
        case 24...0xFF: append(type | 24, value, 1)
        case 0x100...0xFFFF: append(type | 25, value, 2)
        case 0x1_0000...0xFFFF_FFFF: append(type | 26, value, 4)
        default: append(type | 27, value, 8)
        }
    }

    private mutating func append(_ first: UInt8, _ value: UInt64, _ count: Int) {
        bytes.append(first)
        for place in (0..<count).reversed() { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * place))) }
    }
}
