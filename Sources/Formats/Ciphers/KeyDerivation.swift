private import CEVP

/// HMAC-SHA-256 (RFC 2104): 32 bytes.
///
/// It can only fail when memory runs out, and then ends the process as any allocation does.
package func hmacSHA256(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 32) { out, written in
        precondition(
            cevp_hmac_sha256(key, key.count, bytes, bytes.count, out.baseAddress) == 1,
            "libcrypto has no memory for an HMAC")
        written = 32
    }
}

/// HKDF-SHA-256, extract and expand (RFC 5869): a key of `length` bytes from a strong secret.
///
/// - Throws: `.invalidParameter` for an empty secret, a length outside 1...8160 (RFC 5869, 2.3) or an `info` above
///   1 KiB, `.libraryFailed`.
package func hkdfSHA256(
    secret: [UInt8], salt: [UInt8], info: [UInt8], length: Int
) throws(CipherError) -> [UInt8] {
    guard !secret.isEmpty else { throw CipherError(.invalidParameter, "HKDF needs a secret that is not empty") }
    guard (1...8160).contains(length) else {
        throw CipherError(.invalidParameter, "HKDF-SHA-256 makes 1 to 8160 bytes, not \(length)")
    }
    guard info.count <= 1024 else {
        throw CipherError(.invalidParameter, "HKDF's info has at most 1024 bytes here, not \(info.count)")
    }
    var done = false
    let key = [UInt8](unsafeUninitializedCapacity: length) { out, written in
        done =
            cevp_hkdf_sha256(
                secret, secret.count, salt, salt.count, info, info.count, out.baseAddress, length) == 1
        written = done ? length : 0
    }
    guard done else { throw CipherError(.libraryFailed, "libcrypto could not derive a key with HKDF") }
    return key
}

/// scrypt (RFC 7914): `length` bytes from a password, at the cost of `n` * `r` * 128 bytes of memory.
///
/// It is slow on purpose, so call it on a thread pool. The bound on memory is there because the parameters are read
/// back from stored password hashes.
///
/// - Parameters:
///   - n: the CPU and memory cost, a power of two of at least 2.
///   - r: the block size, at least 1.
///   - p: the parallelisation, at least 1.
///   - length: 1 to 1024 bytes.
/// - Throws: `.invalidParameter` for anything else and above 256 MiB or `p` 16, `.libraryFailed`.
package func scrypt(
    password: [UInt8], salt: [UInt8], n: Int, r: Int, p: Int, length: Int
) throws(CipherError) -> [UInt8] {
    guard n >= 2, n <= 1 << 24, n & (n - 1) == 0 else {
        throw CipherError(.invalidParameter, "scrypt's N is a power of two from 2 to 2^24, not \(n)")
    }
    guard (1...1024).contains(r), (1...16).contains(p) else {
        throw CipherError(.invalidParameter, "scrypt's r is 1 to 1024 and its p 1 to 16, not \(r) and \(p)")
    }
    guard (1...1024).contains(length) else {
        throw CipherError(.invalidParameter, "scrypt makes 1 to 1024 bytes here, not \(length)")
    }
    // RFC 7914, 6: V has 128 * r * N bytes, B has 128 * r * p, and two more blocks are at work.
    let memory = 128 * r * (n + p + 2)
    let memoryMax = 256 << 20
    guard memory <= memoryMax else {
        throw CipherError(.invalidParameter, "scrypt with N \(n), r \(r) needs \(memory) bytes, above \(memoryMax)")
    }
    var done = false
    let key = [UInt8](unsafeUninitializedCapacity: length) { out, written in
        done = password.withUnsafeBytes { password in
            cevp_scrypt(
                password.baseAddress, password.count, salt, salt.count, UInt64(n), UInt64(r), UInt64(p),
                UInt64(memoryMax) + 65_536, out.baseAddress, length) == 1
        }
        written = done ? length : 0
    }
    guard done else { throw CipherError(.libraryFailed, "libcrypto could not derive a key with scrypt") }
    return key
}
