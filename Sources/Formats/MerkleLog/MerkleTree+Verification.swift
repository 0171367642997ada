extension MerkleTree {
    /// The root of the tree of `size` leaves in which `proof` leads up from leaf `index` (RFC 9162 §2.1.3.2).
    /// - Throws: `invalidProof` if there is no such leaf, or the proof has too many or too few hashes.
    package static func rootHash(leaf: Hash, index: UInt64, size: UInt64, proof: [Hash]) throws -> Hash {
        guard index < size else {
            throw MerkleLogError(
                .invalidProof, "leaf index \(index) is outside the tree: it must be less than the size \(size)")
        }
        var node = index
        var last = size - 1
        var hash = leaf
        for sibling in proof {
            guard last > 0 else { throw wrongLength(proof) }
            if node & 1 == 1 || node == last {
                hash = .node(sibling, hash)
                // The right edge: levels at which this node has no sibling are skipped.
                while node & 1 == 0 && node != 0 {
                    node >>= 1
                    last >>= 1
                }
            } else {
                hash = .node(hash, sibling)
            }
            node >>= 1
            last >>= 1
        }
        guard last == 0 else { throw wrongLength(proof) }
        return hash
    }

    /// Checks that `leaf` is leaf `index` of the tree of `size` leaves with this root (RFC 9162 §2.1.3.2).
    /// - Throws: `invalidProof` if it is not shown to be.
    package static func verifyInclusion(
        leaf: Hash, index: UInt64, size: UInt64, root: Hash, proof: [Hash]
    ) throws {
        guard try rootHash(leaf: leaf, index: index, size: size, proof: proof) == root else {
            throw MerkleLogError(
                .invalidProof, "the inclusion proof of leaf \(index) does not lead to the root of size \(size)")
        }
    }

    /// Checks that the tree of `oldSize` leaves is a prefix of that of `newSize` (RFC 9162 §2.1.4.2). The empty tree
    /// is a prefix of every tree; a tree is a prefix of itself; both need an empty proof.
    /// - Throws: `invalidProof` if it is not shown to be.
    package static func verifyConsistency(
        oldSize: UInt64, oldRoot: Hash, newSize: UInt64, newRoot: Hash, proof: [Hash]
    ) throws {
        guard oldSize <= newSize else {
            throw MerkleLogError(
                .invalidProof, "the old size \(oldSize) is more than the new size \(newSize): a log only grows")
        }
        if oldSize == 0 || oldSize == newSize {
            guard proof.isEmpty else { throw wrongLength(proof) }
            guard oldRoot == (oldSize == 0 ? .emptyTree : newRoot), newSize > 0 || newRoot == .emptyTree else {
                throw MerkleLogError(.invalidProof, "trees of size \(oldSize) have one root, and these are two")
            }
            return
        }
        var path = proof[...]
        // A complete old tree is a node of the new one, so its root is where the path starts.
        guard let start = oldSize & (oldSize - 1) == 0 ? oldRoot : path.popFirst() else { throw wrongLength(proof) }
        var node = oldSize - 1
        var last = newSize - 1
        while node & 1 == 1 {
            node >>= 1
            last >>= 1
        }
        var old = start
        var new = start
        for hash in path {
            guard last > 0 else { throw wrongLength(proof) }
            if node & 1 == 1 || node == last {
                old = .node(hash, old)
                new = .node(hash, new)
                while node & 1 == 0 && node != 0 {
                    node >>= 1
                    last >>= 1
                }
            } else {
                new = .node(new, hash)
            }
            node >>= 1
            last >>= 1
        }
        guard last == 0 else { throw wrongLength(proof) }
        guard old == oldRoot else {
            throw MerkleLogError(.invalidProof, "the consistency proof does not lead to the root of size \(oldSize)")
        }
        guard new == newRoot else {
            throw MerkleLogError(.invalidProof, "the consistency proof does not lead to the root of size \(newSize)")
        }
    }

    private static func wrongLength(_ proof: [Hash]) -> MerkleLogError {
        MerkleLogError(.invalidProof, "a proof of \(proof.count) hashes does not fit these sizes")
    }
}
