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

func fillRandomly(_ buffer: UnsafeMutableRawBufferPointer) {
    // glibc's is getrandom(2) and cannot fail, unlike libcrypto's generator, which also keeps a state to be guarded.
    guard let start = buffer.baseAddress else { return }
    arc4random_buf(start, buffer.count)
}

/// Whether both hold the same bytes, in a time that depends on the length alone. For tags, tokens, digests of secrets.
package func constantTimeEquals(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    a.count == b.count && cevp_equal(a, b, a.count) == 1
}
