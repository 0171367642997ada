private import CEVP

/// The cyclic redundancy checks that S3 and zlib name. All are reflected, start with all ones and end inverted.
package enum CRCAlgorithm: Hashable, Sendable, CaseIterable {
    /// zlib, gzip, PNG (ISO 3309): polynomial 04C11DB7.
    case crc32
    /// Castagnoli (RFC 3720): polynomial 1EDC6F41.
    case crc32c
    /// NVM Express Base Specification, 64b CRC: polynomial AD93D23594C93659.
    case crc64nvme

    /// The length of the checksum in bytes.
    package var byteCount: Int {
        self == .crc64nvme ? 8 : 4
    }

    /// The checksum of A followed by B, from both checksums and the length of B in bytes, in logarithmic time.
    ///
    /// S3's full-object checksum of a multipart upload is made this way from those of its parts. A negative length
    /// counts as 0.
    package func combine(_ crcA: UInt64, _ crcB: UInt64, lengthB: Int64) -> UInt64 {
        cevp_crc_combine(number, crcA, crcB, UInt64(max(0, lengthB)))
    }

    fileprivate var number: Int32 {
        switch self {
        case .crc32: Int32(CEVP_CRC32)
        case .crc32c: Int32(CEVP_CRC32C)
        case .crc64nvme: Int32(CEVP_CRC64NVME)
        }
    }
}

/// A cyclic redundancy check over bytes that come in pieces.
package struct CRC: Hashable, Sendable {
    package let algorithm: CRCAlgorithm
    /// The checksum of all bytes so far; the 32-bit kinds leave the upper half 0.
    package private(set) var value: UInt64 = 0

    package init(_ algorithm: CRCAlgorithm) {
        self.algorithm = algorithm
    }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        value = cevp_crc_update(algorithm.number, value, bytes.baseAddress, bytes.count)
    }

    package mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// The checksum in big-endian order, as S3 carries it in base64.
    package var bytes: [UInt8] {
        (1...algorithm.byteCount).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64(algorithm.byteCount - $0))) }
    }

    /// The checksum by tables alone, with which the tests compare the fast way.
    static func portable(_ algorithm: CRCAlgorithm, _ bytes: [UInt8], continuing value: UInt64 = 0) -> UInt64 {
        cevp_crc_update_portable(algorithm.number, value, bytes, bytes.count)
    }
}
