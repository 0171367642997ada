package import Wire

/// The name of a trace: a UUID (RFC 9562).
package struct TraceID: Hashable, Sendable, CustomStringConvertible {
    /// 16 bytes.
    package let bytes: [UInt8]

    /// Nil unless there are exactly 16 bytes.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    /// Reads the form `7374c9be-84c5-4ea4-8b2b-b1e9b1a539d7`, in either case, and no other.
    package init?(_ text: some StringProtocol) {
        let parts = text.utf8.split(separator: UInt8(ascii: "-"), maxSplits: 5, omittingEmptySubsequences: false)
        guard text.utf8.count == 36, parts.map(\.count) == [8, 4, 4, 4, 12],
            let bytes = Hex.decode(parts.map { String(decoding: $0, as: UTF8.self) }.joined())
        else { return nil }
        self.init(bytes)
    }

    /// A new one of version 7 (RFC 9562 §5.7): those made later sort later, so that an index over a billion of them
    /// grows at its end.
    package static func make(now: Timestamp = .now) -> TraceID {
        var generator = SystemRandomNumberGenerator()
        let milliseconds = UInt64(clamping: now.microseconds / 1000) & 0xFFFF_FFFF_FFFF
        let high = milliseconds << 16 | 0x7000 | generator.next() & 0x0FFF
        let low = 1 << 63 | generator.next() & 0x3FFF_FFFF_FFFF_FFFF
        return TraceID(
            unchecked: [high, low].flatMap { word in
                (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) }
            })
    }

    private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

    package var text: String {
        var text: [UInt8] = []
        text.reserveCapacity(36)
        bytes.withUnsafeBytes { bytes in
            for (begin, end) in [(0, 4), (4, 6), (6, 8), (8, 10), (10, 16)] {
                if begin > 0 { text.append(UInt8(ascii: "-")) }
                Hex.append(.init(rebasing: bytes[begin..<end]), to: &text)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    package var description: String { text }
}
