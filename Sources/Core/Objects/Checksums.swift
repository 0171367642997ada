import Ciphers
import NIOCore
import Synchronization
import Wire

/// Computes one of S3's additional checksums over a stream.
struct ChecksumStream {
    private enum State {
        case crc(CRC)
        case digest(Digest)
    }

    let algorithm: ChecksumAlgorithm
    private var state: State

    init(_ algorithm: ChecksumAlgorithm) {
        self.algorithm = algorithm
        state =
            switch algorithm {
            case .sha1: .digest(Digest(.sha1))
            case .sha256: .digest(Digest(.sha256))
            case .crc32: .crc(CRC(.crc32))
            case .crc32c: .crc(CRC(.crc32c))
            case .crc64nvme: .crc(CRC(.crc64nvme))
            }
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        switch state {
        case .crc(var crc):
            crc.update(bytes)
            state = .crc(crc)
        case .digest(let digest): digest.update(bytes)
        }
    }

    /// The raw value, big-endian.
    func finish() -> [UInt8] {
        switch state {
        case .crc(let crc): crc.bytes
        case .digest(let digest): digest.finish()
        }
    }
}

/// A checksum that closures add to, one after the other.
final class SharedChecksum: Sendable {
    private let stream: Mutex<ChecksumStream>

    init(_ algorithm: ChecksumAlgorithm) { stream = Mutex(ChecksumStream(algorithm)) }

    func update(_ buffer: ByteBuffer) {
        buffer.withUnsafeReadableBytes { bytes in stream.withLock { $0.update(bytes) } }
    }

    func finish() -> [UInt8] { stream.withLock { $0.finish() } }
}

extension ChecksumAlgorithm {
    /// How long a raw value is.
    package var length: Int {
        switch self {
        case .crc32, .crc32c: 4
        case .crc64nvme: 8
        case .sha1: 20
        case .sha256: 32
        }
    }

    private var crc: CRCAlgorithm? {
        switch self {
        case .crc32: .crc32
        case .crc32c: .crc32c
        case .crc64nvme: .crc64nvme
        case .sha1, .sha256: nil
        }
    }

    /// Whether the checksum of a whole can be computed from those of its parts.
    package var isLinear: Bool { crc != nil }

    /// Joins the checksums of two neighbouring stretches of bytes, the second of `length` bytes. Nil for a digest.
    func combine(_ a: [UInt8], _ b: [UInt8], length: Int64) -> [UInt8]? {
        guard let crc else { return nil }
        func number(_ bytes: [UInt8]) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        let joined = crc.combine(number(a), number(b), lengthB: length)
        return (0..<self.length).map { UInt8(truncatingIfNeeded: joined >> UInt64(8 * (self.length - 1 - $0))) }
    }
}
