private import CEVP

/// The digest algorithms that the protocols name (FIPS 180-4, FIPS 202, RFC 1321).
package enum DigestAlgorithm: Hashable, Sendable, CaseIterable {
    /// For S3's ETag and Content-MD5 only: no proof against intent.
    case md5
    /// For old checksums that clients send: no proof against intent.
    case sha1
    case sha256
    case sha512
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case sha3_256

    /// The length of the digest in bytes.
    package var byteCount: Int {
        switch self {
        case .md5: 16
        case .sha1: 20
        case .sha256, .sha3_256: 32
        case .sha512: 64
        }
    }

    /// The digest of `bytes`.
    package func hash(_ bytes: [UInt8]) -> [UInt8] {
        bytes.withUnsafeBytes { hash($0) }
    }

    /// The digest of `bytes`.
    package func hash(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        let digest = Digest(self)
        digest.update(bytes)
        return digest.finish()
    }

    fileprivate var number: Int32 {
        switch self {
        case .md5: Int32(CEVP_MD5)
        case .sha1: Int32(CEVP_SHA1)
        case .sha256: Int32(CEVP_SHA256)
        case .sha512: Int32(CEVP_SHA512)
        case .sha3_256: Int32(CEVP_SHA3_256)
        }
    }
}

/// A digest over bytes that come in pieces.
///
/// It may be handed from thread to thread between two calls, as a body that is hashed on the thread pool needs; the
/// caller makes only one call at a time. That is why it is marked Sendable by hand: the state is one C object that is
/// bound to no thread.
///
/// The algorithms belong to libcrypto's default provider, so these calls can only fail when memory runs out, and then
/// end the process as any allocation does.
package final class Digest: @unchecked Sendable {
    package let algorithm: DigestAlgorithm
    private let state: OpaquePointer

    package init(_ algorithm: DigestAlgorithm) {
        guard let state = cevp_digest_new(algorithm.number) else {
            preconditionFailure("libcrypto has no memory for a digest")
        }
        self.algorithm = algorithm
        self.state = state
    }

    deinit {
        cevp_digest_free(state)
    }

    package func update(_ bytes: UnsafeRawBufferPointer) {
        precondition(
            cevp_digest_update(state, bytes.baseAddress, bytes.count) == 1, "libcrypto could not continue a digest")
    }

    package func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// The digest of all bytes since the start, or since the last `finish()`: the object begins anew.
    package func finish() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
            precondition(
                cevp_digest_finish(state, buffer.baseAddress) == 1, "libcrypto could not finish a digest")
            count = algorithm.byteCount
        }
    }
}
