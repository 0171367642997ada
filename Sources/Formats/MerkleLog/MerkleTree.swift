/// Roots and proofs of a tree whose complete subtrees' hashes are stored (RFC 6962 §2.1). Each function reads O(log n)
/// of them and throws what the reader throws.
package enum MerkleTree {
    /// The Merkle tree hash of the first `size` leaves.
    package static func rootHash(size: UInt64, read: HashReader) throws -> Hash {
        try root(0, size, read)
    }

    /// The audit path of leaf `index` in the tree of `size` leaves, from the leaf's sibling up (RFC 6962 §2.1.1).
    /// - Throws: `invalidArgument` if there is no such leaf.
    package static func inclusionProof(index: UInt64, size: UInt64, read: HashReader) throws -> [Hash] {
        guard index < size else {
            throw MerkleLogError(
                .invalidArgument, "leaf index \(index) is outside the tree: it must be less than the size \(size)")
        }
        var siblings: [Range<UInt64>] = []
        var start: UInt64 = 0
        var end = size
        while end - start > 1 {
            let middle = start + splitPoint(end - start)
            if index < middle {
                siblings.append(middle..<end)
                end = middle
            } else {
                siblings.append(start..<middle)
                start = middle
            }
        }
        return try siblings.reversed().map { try root($0.lowerBound, $0.upperBound, read) }
    }

    /// The proof that the tree of `oldSize` leaves is a prefix of that of `newSize` (RFC 6962 §2.1.2). Empty if the
    /// sizes are equal or the old tree is empty: there is nothing to prove.
    /// - Throws: `invalidArgument` if the old tree is the larger.
    package static func consistencyProof(
        from oldSize: UInt64, to newSize: UInt64, read: HashReader
    ) throws -> [Hash] {
        guard oldSize <= newSize else {
            throw MerkleLogError(
                .invalidArgument, "the old size \(oldSize) is more than the new size \(newSize): a log only grows")
        }
        guard oldSize > 0, oldSize < newSize else { return [] }
        var parts: [Range<UInt64>] = []
        var start: UInt64 = 0
        var end = newSize
        while end != oldSize {
            let middle = start + splitPoint(end - start)
            if oldSize <= middle {
                parts.append(middle..<end)
                end = middle
            } else {
                parts.append(start..<middle)
                start = middle
            }
        }
        // A verifier knows the old root, and so this subtree if it is the whole old tree.
        if start > 0 { parts.append(start..<end) }
        return try parts.reversed().map { try root($0.lowerBound, $0.upperBound, read) }
    }

    private static func root(_ start: UInt64, _ end: UInt64, _ read: HashReader) throws -> Hash {
        fold(try Subtree.cover(start, end).map { try read($0.level, $0.index) })
    }
}
