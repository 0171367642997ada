/// The layout of encrypted blobs, version 1.
///
/// The plaintext is cut into frames of 64 KiB, of which only the last may be shorter; each is stored as its AES-256-GCM
/// ciphertext and the 16-byte tag. An empty blob is one empty frame, and no other frame is empty, so plain and sealed
/// lengths determine each other.
///
/// The nonce is the version (1 byte), whether the frame is the last (1 byte, 0 or 1), two zero bytes and the index of
/// the frame (8 bytes, big-endian). It never repeats, because a key seals one blob only. It is not stored: a frame that
/// was moved, or that is the last by truncation, meets another nonce and fails.
package enum Frames {
    /// Plaintext bytes of a full frame.
    package static let plainSize = 65_536
    /// Stored bytes of a full frame.
    package static let sealedSize = 65_552
    package static let tagSize = 16
    static let version: UInt8 = 1

    /// How many frames a blob of `plain` bytes has: at least one. A negative length counts as 0.
    package static func count(of plain: Int64) -> Int64 {
        plain <= 0 ? 1 : (plain - 1) / Int64(plainSize) + 1
    }

    /// The stored length of a blob of `plain` bytes. A negative length counts as 0, and the sum stops at `Int64.max`.
    package static func sealedLength(of plain: Int64) -> Int64 {
        let (sum, overflow) = max(0, plain).addingReportingOverflow(count(of: plain) * Int64(tagSize))
        return overflow ? .max : sum
    }

    /// The plaintext length of a stored blob of `sealed` bytes, or nil if no blob has that length.
    package static func plainLength(ofSealed sealed: Int64) -> Int64? {
        let (full, rest) = max(0, sealed).quotientAndRemainder(dividingBy: Int64(sealedSize))
        if rest == 0 { return full > 0 ? full * Int64(plainSize) : nil }
        // An empty frame stands only alone.
        guard rest > Int64(tagSize) || rest == Int64(tagSize) && full == 0 else { return nil }
        return full * Int64(plainSize) + rest - Int64(tagSize)
    }

    /// What has to be read and opened for a range of the plaintext.
    package struct Span: Hashable, Sendable {
        /// The index of the first frame.
        package let firstIndex: Int64
        /// The stored bytes of all frames, from the start of the blob.
        package let sealed: Range<Int64>
        /// Whether the last of these frames is the last of the blob.
        package let endsAtLast: Bool
        /// The bytes that the frames hold once opened.
        package let plainCount: Int64
        /// Which of the opened bytes are those of the range, counted from the first frame's start.
        package let wanted: Range<Int64>
    }

    /// The frames that hold `range` of a blob of `total` plaintext bytes; nil if the range is not within it.
    ///
    /// An empty range needs no frame, except in an empty blob, whose only frame proves that it is empty.
    package static func span(of range: Range<Int64>, inPlain total: Int64) -> Span? {
        guard range.lowerBound >= 0, range.upperBound <= total, sealedLength(of: total) < .max else { return nil }
        let size = Int64(plainSize)
        let first = range.lowerBound / size
        if range.isEmpty, total > 0 {
            let start = first * Int64(sealedSize)
            return Span(firstIndex: first, sealed: start..<start, endsAtLast: false, plainCount: 0, wanted: 0..<0)
        }
        let end = range.isEmpty ? 1 : (range.upperBound - 1) / size + 1
        let endsAtLast = end == count(of: total)
        let sealedEnd = endsAtLast ? sealedLength(of: total) : end * Int64(sealedSize)
        let plainStart = first * size
        return Span(
            firstIndex: first, sealed: first * Int64(sealedSize)..<sealedEnd, endsAtLast: endsAtLast,
            plainCount: (endsAtLast ? total : end * size) - plainStart,
            wanted: range.lowerBound - plainStart..<range.upperBound - plainStart)
    }
}

/// The nonce of a frame, on the stack.
struct FrameNonce {
    private var high: UInt32
    private var low: (UInt32, UInt32)

    init(index: Int64, isLast: Bool) {
        high = (UInt32(Frames.version) << 24 | (isLast ? 1 : 0) << 16).bigEndian
        let index = UInt64(bitPattern: index)
        low = (UInt32(truncatingIfNeeded: index >> 32).bigEndian, UInt32(truncatingIfNeeded: index).bigEndian)
    }

    func withBytes<Result>(_ body: (UnsafePointer<UInt8>?) -> Result) -> Result {
        withUnsafeBytes(of: self) { body($0.baseAddress?.assumingMemoryBound(to: UInt8.self)) }
    }
}
