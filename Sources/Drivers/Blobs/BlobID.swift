/// The opaque name of a blob: 16 bytes, in stores written as 32 lower-case hexadecimal digits.
package struct BlobID: Hashable, Comparable, Sendable, CustomStringConvertible {
    private let high: UInt64
    private let low: UInt64

    package static let byteCount = 16

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The id written as 32 lower-case hexadecimal digits; nil for any other text, so that an id has one name only.
    package init?(hex: String) {
        var halves: (UInt64, UInt64) = (0, 0)
        var count = 0
        for digit in hex.utf8 {
            let value: UInt8
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digit - UInt8(ascii: "a") + 10
            default: return nil
            }
            count += 1
            guard count <= 2 * Self.byteCount else { return nil }
            if count <= Self.byteCount {
                halves.0 = halves.0 << 4 | UInt64(value)
            } else {
                halves.1 = halves.1 << 4 | UInt64(value)
            }
        }
        guard count == 2 * Self.byteCount else { return nil }
        self.init(high: halves.0, low: halves.1)
    }

    /// The id of 16 bytes; throws `.invalid` for any other count.
    package init(bytes: [UInt8]) throws(BlobError) {
        guard bytes.count == Self.byteCount else {
            throw BlobError(.invalid, "a blob id has \(Self.byteCount) bytes, not \(bytes.count)")
        }
        self.init(
            high: bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) },
            low: bytes[8...].reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// A new id. 128 random bits do not meet by chance; `create` still refuses an id that exists.
    package static func random() -> BlobID {
        BlobID(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max))
    }

    package var bytes: [UInt8] {
        (0..<16).map { byte($0) }
    }

    package var hex: String {
        String(unsafeUninitializedCapacity: 32) { out in
            for index in 0..<16 {
                out[2 * index] = Self.digit(byte(index) >> 4)
                out[2 * index + 1] = Self.digit(byte(index) & 0xF)
            }
            return 32
        }
    }

    package var description: String { hex }

    package static func < (a: BlobID, b: BlobID) -> Bool {
        (a.high, a.low) < (b.high, b.low)
    }

    /// The byte at `index`, 0 to 15.
    func byte(_ index: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: (index < 8 ? high : low) >> UInt64(56 - 8 * (index & 7)))
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}
