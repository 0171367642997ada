/// How the node and `martlet-raster` talk over the child's standard input and output.
///
/// 1. The node sends a `Start`.
/// 2. The child sends requests, each a `Head` of the kind `request`. The node answers with exactly so many bytes, and
///    with nothing around them; where it cannot, it ends the child.
/// 3. The child sends a `Head` of the kind `result`, the description (JSON) and the preview (PNG, may be empty), and
/// exits.
///
/// Numbers are big-endian.
package enum RasterProtocol {
    /// The bytes that a request may ask for.
    package static let requestMax: UInt32 = 1 << 20
    package static let descriptionMax: UInt64 = 1 << 20
    package static let previewMax: UInt32 = 4 << 20

    /// What the child is to do. The object's name is not in it: the child needs none.
    package struct Start: Sendable, Equatable {
        package static let byteCount = 13
        private static let magic: UInt32 = 0x4D52_5331  // MRS1

        /// Bytes of the object.
        package var size: UInt64
        package var wantsPreview: Bool

        package init(size: UInt64, wantsPreview: Bool) {
            self.size = size
            self.wantsPreview = wantsPreview
        }

        package init?(_ bytes: [UInt8]) {
            guard bytes.count == Self.byteCount, RasterProtocol.number(bytes[0..<4]) == UInt64(Self.magic),
                bytes[12] <= 1
            else {
                return nil
            }
            self.init(size: RasterProtocol.number(bytes[4..<12]), wantsPreview: bytes[12] == 1)
        }

        package var bytes: [UInt8] {
            RasterProtocol.bytes(Self.magic) + RasterProtocol.bytes(size) + [wantsPreview ? 1 : 0]
        }
    }

    /// The head of each message that the child sends.
    package enum Head: Sendable, Equatable {
        package static let byteCount = 16
        private static let requestMagic: UInt32 = 0x4D52_5251  // MRRQ
        private static let resultMagic: UInt32 = 0x4D52_5253  // MRRS

        case request(offset: UInt64, length: UInt32)
        /// The bytes of the description and of the preview, which follow.
        case result(description: UInt64, preview: UInt32)

        /// Nil for what no head begins with, and for lengths beyond the limits.
        package init?(_ bytes: [UInt8]) {
            guard bytes.count == Self.byteCount else { return nil }
            let (first, second) = (RasterProtocol.number(bytes[4..<12]), UInt32(RasterProtocol.number(bytes[12..<16])))
            switch UInt32(RasterProtocol.number(bytes[0..<4])) {
            case Self.requestMagic where second > 0 && second <= RasterProtocol.requestMax:
                self = .request(offset: first, length: second)
            case Self.resultMagic where first <= RasterProtocol.descriptionMax && second <= RasterProtocol.previewMax:
                self = .result(description: first, preview: second)
            default: return nil
            }
        }

        package var bytes: [UInt8] {
            switch self {
            case .request(let offset, let length):
                RasterProtocol.bytes(Self.requestMagic) + RasterProtocol.bytes(offset) + RasterProtocol.bytes(length)
            case .result(let description, let preview):
                RasterProtocol.bytes(Self.resultMagic) + RasterProtocol.bytes(description)
                    + RasterProtocol.bytes(preview)
            }
        }
    }

    private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
