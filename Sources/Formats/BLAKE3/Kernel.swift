internal import CBLAKE3

extension BLAKE3 {
    /// The implementations of the compression function, slowest first. All give the same digest.
    package enum Kernel: Sendable, CaseIterable {
        /// One input at a time, in plain code.
        case scalar
        /// Four at a time, in the vectors every processor of the architecture has.
        case lanes4
        /// Eight at a time (x86-64 with AVX2).
        case avx2
        /// Sixteen at a time (x86-64 with AVX-512 F and VL).
        case avx512

        /// The fastest that this processor runs.
        package static let fastest = allCases.last { $0.isAvailable } ?? .scalar

        /// Whether this processor runs it.
        package var isAvailable: Bool { cblake3_has_kernel(number) != 0 }

        var number: Int32 {
            switch self {
            case .scalar: Int32(CBLAKE3_SCALAR)
            case .lanes4: Int32(CBLAKE3_LANES4)
            case .avx2: Int32(CBLAKE3_AVX2)
            case .avx512: Int32(CBLAKE3_AVX512)
            }
        }
    }
}
