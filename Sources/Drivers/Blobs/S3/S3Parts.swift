/// How a large blob is cut into the parts of a multipart upload.
///
/// S3 takes 10,000 parts of 5 MiB to 5 GiB; how many bytes will come is not known at the first. Parts begin small, so
/// that a writer is small, and double every 1,000 parts, so that the last one ends above 5 TiB.
enum S3Parts {
    static let countMax = 10_000
    static let first = 8 << 20
    static let last = 1664 << 20
    private static let countEach = 1000
    /// Up to this size two parts are on their way while the next is filled, above it one.
    private static let sizeMaxOfPairs = 64 << 20

    /// The size in bytes of the part at `index`, from 0.
    static func size(_ index: Int) -> Int { min(first << (index / countEach), last) }

    /// How many parts may be on their way. So a writer holds up to 24 MiB for a blob of up to 8 GB, 192 MiB up to 125
    /// GB.
    static func inFlightMax(_ index: Int) -> Int { size(index) <= sizeMaxOfPairs ? 2 : 1 }
}
