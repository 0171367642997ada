private import CEVP

/// A 256-bit key for AES-256-GCM (NIST SP 800-38D), wiped from memory when its last reference goes.
///
/// `seal` and `open` are for wrapped keys and small secrets; bulk data goes through ``FrameSealer`` under a key of its
/// own. The nonce is random, so one key should seal no more than 2^32 texts (SP 800-38D, 8.3).
///
/// Sendable by hand: the bytes are not written after the key has been made, so any thread may read them.
package final class AEADKey: @unchecked Sendable {
    package static let byteCount = 32
    /// What `seal` adds: 12 bytes of nonce before the ciphertext and 16 of tag behind it.
    package static let overhead = 28
    /// The longest plaintext of `seal`, in bytes. Anything longer belongs into frames.
    package static let plaintextMax = 1 << 20

    private let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: AEADKey.byteCount, alignment: 16)

    private init() {}

    /// A key of the given 32 bytes; throws `.wrongLength` for any other count.
    package convenience init(_ bytes: [UInt8]) throws(CipherError) {
        guard bytes.count == Self.byteCount else {
            throw CipherError(.wrongLength, "a key has \(Self.byteCount) bytes, not \(bytes.count)")
        }
        self.init()
        self.bytes.copyBytes(from: bytes)
    }

    deinit {
        cevp_wipe(bytes.baseAddress, bytes.count)
        bytes.deallocate()
    }

    /// A new key from the operating system's randomness.
    package static func random() -> AEADKey {
        let key = AEADKey()
        fillRandomly(key.bytes)
        return key
    }

    /// Lends the key's bytes for the time of the call; a copy would not be wiped.
    package func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(bytes))
    }

    /// Seals `plaintext` and binds it to `authenticating`, which has to be given again to open it.
    ///
    /// - Returns: 12 bytes of random nonce, the ciphertext, 16 bytes of tag.
    /// - Throws: `.wrongLength` above `plaintextMax`, `.libraryFailed`.
    package func seal(_ plaintext: [UInt8], authenticating: [UInt8]) throws(CipherError) -> [UInt8] {
        guard let sealed = plaintext.withUnsafeBytes({ sealed($0, authenticating) }) else {
            guard plaintext.count <= Self.plaintextMax else {
                throw CipherError(
                    .wrongLength, "at most \(Self.plaintextMax) bytes can be sealed at once, not \(plaintext.count)")
            }
            throw CipherError(.libraryFailed, "libcrypto could not seal \(plaintext.count) bytes")
        }
        return sealed
    }

    /// Opens what `seal` made with this key and the same `authenticating`.
    ///
    /// - Throws: `.wrongLength` if `seal` cannot have made it, `.notAuthentic`, `.libraryFailed`.
    package func open(_ sealed: [UInt8], authenticating: [UInt8]) throws(CipherError) -> [UInt8] {
        let count = sealed.count - Self.overhead
        guard count >= 0, count <= Self.plaintextMax else {
            throw CipherError(
                .wrongLength,
                "a sealed text has \(Self.overhead) to \(Self.plaintextMax + Self.overhead) bytes, not \(sealed.count)")
        }
        var outcome: Int32 = -1
        let plaintext = [UInt8](unsafeUninitializedCapacity: count) { out, written in
            outcome = opened(sealed, authenticating, into: UnsafeMutableRawBufferPointer(out), count: count)
            written = outcome == 1 ? count : 0
        }
        try Self.check(outcome)
        return plaintext
    }

    /// Seals another key with this one, leaving no copy of it behind.
    package func wrap(_ key: AEADKey, authenticating: [UInt8]) throws(CipherError) -> [UInt8] {
        guard let sealed = sealed(UnsafeRawBufferPointer(key.bytes), authenticating) else {
            throw CipherError(.libraryFailed, "libcrypto could not wrap a key")
        }
        return sealed
    }

    /// Opens a key that `wrap` has sealed, leaving no copy of it behind.
    ///
    /// - Throws: `.wrongLength` if it cannot hold a key, `.notAuthentic`, `.libraryFailed`.
    package func unwrap(_ sealed: [UInt8], authenticating: [UInt8]) throws(CipherError) -> AEADKey {
        guard sealed.count == Self.byteCount + Self.overhead else {
            throw CipherError(
                .wrongLength, "a wrapped key has \(Self.byteCount + Self.overhead) bytes, not \(sealed.count)")
        }
        let key = AEADKey()
        try Self.check(opened(sealed, authenticating, into: key.bytes, count: Self.byteCount))
        return key
    }

    private func sealed(_ plaintext: UnsafeRawBufferPointer, _ authenticating: [UInt8]) -> [UInt8]? {
        guard plaintext.count <= Self.plaintextMax, let context = cevp_gcm_new(bytes.baseAddress, 1) else { return nil }
        defer { cevp_gcm_free(context) }
        var done = false
        let sealed = [UInt8](unsafeUninitializedCapacity: plaintext.count + Self.overhead) { out, written in
            guard let nonce = out.baseAddress else { return }
            fillRandomly(UnsafeMutableRawBufferPointer(start: nonce, count: 12))
            done =
                cevp_gcm_seal(
                    context, nonce, authenticating, authenticating.count, plaintext.baseAddress, plaintext.count,
                    nonce + 12) == 1
            written = done ? plaintext.count + Self.overhead : 0
        }
        return done ? sealed : nil
    }

    private func opened(
        _ sealed: [UInt8], _ authenticating: [UInt8], into out: UnsafeMutableRawBufferPointer, count: Int
    ) -> Int32 {
        guard let context = cevp_gcm_new(bytes.baseAddress, 0) else { return -1 }
        defer { cevp_gcm_free(context) }
        return sealed.withUnsafeBufferPointer { sealed in
            guard let nonce = sealed.baseAddress else { return -1 }
            return cevp_gcm_open(
                context, nonce, authenticating, authenticating.count, nonce + 12, count, out.baseAddress)
        }
    }

    private static func check(_ outcome: Int32) throws(CipherError) {
        switch outcome {
        case 1: return
        case 0: throw CipherError(.notAuthentic, "the tag does not match: altered, or sealed under another key or name")
        default: throw CipherError(.libraryFailed, "libcrypto could not open a sealed text")
        }
    }
}
