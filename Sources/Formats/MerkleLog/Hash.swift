package import Crypto
internal import Wire

/// A SHA-256 value: 32 bytes held in place, so that an array of hashes is one allocation.
package struct Hash: Hashable, Sendable, CustomStringConvertible {
    // The bytes in memory order: `withUnsafeBytes(of: self)` are the 32 bytes of the hash on every machine.
    private var words: (UInt64, UInt64, UInt64, UInt64)

    /// The length in bytes.
    package static let length = 32

    /// Nil unless there are exactly 32 bytes.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == Self.length else { return nil }
        words = (0, 0, 0, 0)
        withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes) }
    }

    /// Nil unless there are exactly 32 bytes.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.length else { return nil }
        words = (0, 0, 0, 0)
        withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: bytes) }
    }

    package init(_ digest: SHA256Digest) {
        words = (0, 0, 0, 0)
        digest.withUnsafeBytes { source in withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: source) } }
    }

    /// Nil unless the text is the standard, padded Base64 of 32 bytes (RFC 4648 §4), in its one canonical spelling.
    package init?(base64: some StringProtocol) {
        guard base64.utf8.count == 44, let bytes = decodeStrictBase64(base64) else { return nil }
        self.init(bytes)
    }

    package var bytes: [UInt8] { withUnsafeBytes { [UInt8]($0) } }
    package var hex: String { Hex.encode(bytes) }
    package var base64: String { Base64.encode(bytes) }
    package var description: String { hex }

    package func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try Swift.withUnsafeBytes(of: words, body)
    }

    package static func == (a: Hash, b: Hash) -> Bool { a.words == b.words }

    package func hash(into hasher: inout Hasher) {
        withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}

/// Standard Base64 in its canonical spelling only: `Base64.decode` also takes the URL-safe alphabet and missing
/// padding, which would give one signed text several spellings.
func decodeStrictBase64(_ text: some StringProtocol) -> [UInt8]? {
    guard let bytes = Base64.decode(text), Base64.encode(bytes) == text else { return nil }
    return bytes
}
