/// The name of a storage class: `STANDARD`, another one of S3's, or what an operator has called one.
package struct StorageClass: RawRepresentable, Sendable, Hashable {
    package let rawValue: String

    /// Nil for what is not 1 to 40 upper-case letters, digits or `_`.
    package init?(rawValue: String) {
        let isName = rawValue.utf8.allSatisfy {
            (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || $0 == UInt8(ascii: "_")
        }
        guard isName, (1...40).contains(rawValue.utf8.count) else { return nil }
        self.rawValue = rawValue
    }

    private init(_ name: StaticString) { rawValue = "\(name)" }

    package static let standard = StorageClass("STANDARD")
    package static let standardIA = StorageClass("STANDARD_IA")
    package static let intelligentTiering = StorageClass("INTELLIGENT_TIERING")
    package static let oneZoneIA = StorageClass("ONEZONE_IA")
    package static let glacierIR = StorageClass("GLACIER_IR")
    package static let glacier = StorageClass("GLACIER")
    package static let deepArchive = StorageClass("DEEP_ARCHIVE")

    /// S3's, in the order in which rules move objects ("Transitioning objects using Amazon S3 Lifecycle").
    private static let waterfall = [
        standard, standardIA, intelligentTiering, oneZoneIA, glacierIR, glacier, deepArchive,
    ]

    /// Whether a rule may move an object there: not up S3's waterfall. A class that S3 has not stands nowhere in it.
    package func canMove(to other: StorageClass) -> Bool {
        guard self != other else { return false }
        guard let here = Self.waterfall.firstIndex(of: self), let there = Self.waterfall.firstIndex(of: other) else {
            return true
        }
        return there > here
    }
}
