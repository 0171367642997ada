internal import CBLAKE3

/// An unkeyed BLAKE3 hash with a 32-byte output, fed piece by piece.
///
/// A value may move between threads from one call to the next (a thread pool that hashes one buffer after another), but
/// the calls themselves must follow one another: two at a time are a data race, which is why only the owner of a stream
/// should hold it. Up to 2^64 - 1 bytes.
package final class BLAKE3: @unchecked Sendable {
    private let memory: UnsafeMutableRawPointer
    private var state: OpaquePointer { OpaquePointer(memory) }

    /// The length of a digest in bytes.
    package static let digestLength = 32

    /// - Parameter kernel: the code to hash with; one that this processor lacks is replaced by the fastest it has. Only
    ///   tests and benchmarks have a reason to choose.
    package init(kernel: Kernel = .fastest) {
        memory = .allocate(byteCount: cblake3_state_size, alignment: 16)
        cblake3_init(OpaquePointer(memory), kernel.number)
    }

    deinit { memory.deallocate() }

    /// Adds bytes. Pieces of 64 KiB or more, in multiples of 16 KiB, are hashed without being copied.
    package func update(_ bytes: UnsafeRawBufferPointer) {
        cblake3_update(state, bytes.baseAddress, bytes.count)
    }

    /// The digest of all bytes so far. More may be added afterwards.
    package func finish() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Self.digestLength) { buffer, count in
            guard let start = buffer.baseAddress else { return }
            cblake3_finish(state, start)
            count = Self.digestLength
        }
    }

    /// The digest of one array.
    package static func hash(_ bytes: [UInt8]) -> [UInt8] {
        let hasher = BLAKE3()
        bytes.withUnsafeBytes { hasher.update($0) }
        return hasher.finish()
    }
}
