/// The place of a complete subtree: the 2^level leaves from `index * 2^level`. Level 0 is the leaf hashes.
package struct Subtree: Hashable, Sendable {
    package var level: Int
    package var index: UInt64

    package init(level: Int, index: UInt64) {
        self.level = level
        self.index = index
    }

    /// The complete subtrees that cover the leaves of a tree of `size`, from left to right: one for each set bit of the
    /// size, the largest first.
    package static func edge(size: UInt64) -> [Subtree] { cover(0, size) }

    /// The complete subtrees that cover the leaves from `start` up to `end`, from left to right. `start` must be a
    /// multiple of a power of two not less than `end - start`, as every subtree of RFC 6962 has it.
    static func cover(_ start: UInt64, _ end: UInt64) -> [Subtree] {
        var result: [Subtree] = []
        var at = start
        while at < end {
            let level = floorLog2(end - at)
            result.append(Subtree(level: level, index: at >> UInt64(level)))
            at += 1 << UInt64(level)
        }
        return result
    }
}

/// Reads the stored hash of a complete subtree (level, index). Level 0 is the leaf hashes.
package typealias HashReader = (_ level: Int, _ index: UInt64) throws -> Hash

func floorLog2(_ value: UInt64) -> Int { 63 - value.leadingZeroBitCount }

/// The largest power of two that is less than `count`, which must be at least 2 (RFC 6962 §2.1).
func splitPoint(_ count: UInt64) -> UInt64 { 1 << UInt64(floorLog2(count - 1)) }

/// The root over subtrees that stand side by side, the larger on the left.
func fold(_ hashes: [Hash]) -> Hash {
    guard var root = hashes.last else { return .emptyTree }
    for hash in hashes.dropLast().reversed() { root = .node(hash, root) }
    return root
}
