/// The right edge of a tree: all that is needed to append leaves and to know the root, O(log n) hashes.
package struct Frontier: Hashable, Sendable {
    /// A hash to store: that of a subtree which has become complete.
    package struct StoredHash: Hashable, Sendable {
        package var subtree: Subtree
        package var hash: Hash

        package init(subtree: Subtree, hash: Hash) {
            self.subtree = subtree
            self.hash = hash
        }
    }

    /// The number of leaves.
    package private(set) var size: UInt64

    /// The hashes of `Subtree.edge(size:)`, in that order.
    package private(set) var edge: [Hash]

    /// The edge of the empty tree.
    package init() {
        size = 0
        edge = []
    }

    /// - Parameter edge: the hashes of `Subtree.edge(size:)`, in that order.
    /// - Throws: `invalidArgument` if their number does not fit the size.
    package init(size: UInt64, edge: [Hash]) throws {
        guard edge.count == size.nonzeroBitCount else {
            throw MerkleLogError(
                .invalidArgument,
                "a tree of size \(size) has \(size.nonzeroBitCount) hashes at its right edge, not \(edge.count)")
        }
        self.size = size
        self.edge = edge
    }

    /// Reads the edge of a stored tree.
    package init(size: UInt64, read: HashReader) throws {
        try self.init(size: size, edge: Subtree.edge(size: size).map { try read($0.level, $0.index) })
    }

    /// The Merkle tree hash of the leaves so far.
    package var root: Hash { fold(edge) }

    /// Appends leaf hashes and returns, in the order in which they became complete, the hashes of all new subtrees: the
    /// leaves themselves and what they completed, fewer than two for each leaf.
    /// - Throws: `invalidArgument` if the size would pass 2^63 - 1, the most that an SQL integer holds.
    package mutating func append(_ leaves: [Hash]) throws -> [StoredHash] {
        guard UInt64(leaves.count) <= UInt64(Int64.max) - min(size, UInt64(Int64.max)) else {
            throw MerkleLogError(
                .invalidArgument, "\(leaves.count) leaves more than \(size) pass the limit of 2^63 - 1")
        }
        var stored: [StoredHash] = []
        stored.reserveCapacity(2 * leaves.count)
        for leaf in leaves {
            var level = 0
            var index = size
            var hash = leaf
            stored.append(StoredHash(subtree: Subtree(level: level, index: index), hash: hash))
            while index & 1 == 1, let left = edge.popLast() {
                hash = .node(left, hash)
                index >>= 1
                level += 1
                stored.append(StoredHash(subtree: Subtree(level: level, index: index), hash: hash))
            }
            edge.append(hash)
            size += 1
        }
        return stored
    }
}
