private import CEVP
private import Glibc

/// `count` bytes from the operating system's randomness, fit for keys; none for a negative count.
package func randomBytes(_ count: Int) -> [UInt8] {
    guard count > 0 else { return [] }
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
        fillRandomly(UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[..<count])))
        written = count
    }
}

/// A random UUID in lower case (version 4, RFC 9562 §5.4).
package func randomUUID() -> String {
    uuid(randomBytes(16), version: 4)
}

/// The UUID of 16 bytes, of which six bits give way to version and variant (RFC 9562 §4), in lower case.
package func uuid(_ bytes: some Collection<UInt8>, version: UInt8) -> String {
    var bytes = Array(bytes)
    bytes[6] = bytes[6] & 0x0F | version << 4
    bytes[8] = bytes[8] & 0x3F | 0x80
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for (index, byte) in bytes.enumerated() {
        if [4, 6, 8, 10].contains(index) { text.append(UInt8(ascii: "-")) }
        text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
    return String(decoding: text, as: UTF8.self)
}

func fillRandomly(_ buffer: UnsafeMutableRawBufferPointer) {
    // glibc's is getrandom(2) and cannot fail, unlike libcrypto's generator, which also keeps a state to be guarded.
    guard let start = buffer.baseAddress else { return }
    arc4random_buf(start, buffer.count)
}

/// Whether both hold the same bytes, in a time that depends on the length alone. For tags, tokens, digests of secrets.
package func constantTimeEquals(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    a.count == b.count && cevp_equal(a, b, a.count) == 1
}
