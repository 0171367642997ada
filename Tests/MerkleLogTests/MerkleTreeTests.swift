import MerkleLog
import TestSupport
import Testing
import Wire

/// The leaves that Certificate Transparency implementations test with, and the roots of their first n.
private let knownLeaves = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
].compactMap { Hex.decode($0) }

private let knownRoots = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

private let sizes = 0...70

struct MerkleTreeTests {
    @Test("the roots of the well-known leaves hold", arguments: 0...8)
    func knownAnswers(size: Int) throws {
        let tree = PlainTree(entries: knownLeaves)
        #expect(try MerkleTree.rootHash(size: UInt64(size), read: tree.read).hex == knownRoots[size])
        var frontier = Frontier()
        _ = try frontier.append(Array(tree.leaves.prefix(size)))
        #expect(frontier.root.hex == knownRoots[size])
    }

    @Test("every inclusion proof verifies and every altered one fails", arguments: sizes)
    func inclusion(size: Int) throws {
        let tree = PlainTree(size: size)
        let root = tree.root(size: size)
        for index in 0..<size {
            let proof = try MerkleTree.inclusionProof(index: UInt64(index), size: UInt64(size), read: tree.read)
            func holds(_ leaf: Hash, _ i: Int, _ n: Int, _ root: Hash, _ proof: [Hash]) -> Bool {
                code {
                    try MerkleTree.verifyInclusion(
                        leaf: leaf, index: UInt64(i), size: UInt64(n), root: root, proof: proof)
                } == nil
            }
            let leaf = tree.leaves[index]
            #expect(holds(leaf, index, size, root, proof))
            #expect(!holds(leaf.flipped(index), index, size, root, proof))
            #expect(!holds(leaf, index, size, root.flipped(index), proof))
            #expect(!holds(leaf, index, size, root, proof + [root]))
            #expect(!holds(leaf, size, size, root, proof))
            if index > 0 { #expect(!holds(leaf, index - 1, size, root, proof)) }
            if index + 1 < size { #expect(!holds(leaf, index + 1, size, root, proof)) }
            for i in proof.indices {
                var altered = proof
                altered[i] = altered[i].flipped(13 * i + index)
                #expect(!holds(leaf, index, size, root, altered))
                altered = proof
                altered.remove(at: i)
                #expect(!holds(leaf, index, size, root, altered))
                if i > 0 {
                    altered = proof
                    altered.swapAt(i - 1, i)
                    #expect(!holds(leaf, index, size, root, altered))
                }
            }
        }
    }

    @Test("every consistency proof verifies and every altered one fails", arguments: sizes)
    func consistency(newSize: Int) throws {
        let tree = PlainTree(size: newSize)
        let newRoot = tree.root(size: newSize)
        for oldSize in 0...newSize {
            let oldRoot = tree.root(size: oldSize)
            let proof = try MerkleTree.consistencyProof(from: UInt64(oldSize), to: UInt64(newSize), read: tree.read)
            func holds(_ old: Hash, _ new: Hash, _ proof: [Hash]) -> Bool {
                code {
                    try MerkleTree.verifyConsistency(
                        oldSize: UInt64(oldSize), oldRoot: old, newSize: UInt64(newSize), newRoot: new, proof: proof)
                } == nil
            }
            #expect(holds(oldRoot, newRoot, proof))
            #expect(!holds(oldRoot.flipped(oldSize), newRoot, proof))
            // From the empty tree every new root is consistent, and a proof cannot say more.
            if oldSize > 0 { #expect(!holds(oldRoot, newRoot.flipped(oldSize), proof)) }
            #expect(!holds(oldRoot, newRoot, proof + [newRoot]))
            for i in proof.indices {
                var altered = proof
                altered[i] = altered[i].flipped(13 * i + oldSize)
                #expect(!holds(oldRoot, newRoot, altered))
                altered = proof
                altered.remove(at: i)
                #expect(!holds(oldRoot, newRoot, altered))
            }
        }
    }

    @Test("a proof reads no more hashes than twice the tree's height")
    func reads() throws {
        // Nothing is stored: the sizes are those of a log of billions.
        for size: UInt64 in [1, 2, 70_000, 1_346_300_000, (1 << 40) - 1, 1 << 40, UInt64.max] {
            let height = 64 - size.leadingZeroBitCount
            for index in [0, size / 3, size / 2, size - 1] {
                var count = 0
                _ = try MerkleTree.inclusionProof(index: index, size: size) { _, _ in
                    count += 1
                    return .emptyTree
                }
                #expect(count <= 2 * height)
                count = 0
                _ = try MerkleTree.consistencyProof(from: index, to: size) { _, _ in
                    count += 1
                    return .emptyTree
                }
                #expect(count <= 2 * height)
            }
        }
    }

    @Test("impossible sizes and indexes are refused")
    func refusals() {
        let tree = PlainTree(size: 4)
        #expect(code { try MerkleTree.inclusionProof(index: 4, size: 4, read: tree.read) } == .invalidArgument)
        #expect(code { try MerkleTree.inclusionProof(index: 0, size: 0, read: tree.read) } == .invalidArgument)
        #expect(code { try MerkleTree.consistencyProof(from: 5, to: 4, read: tree.read) } == .invalidArgument)
        #expect(
            code {
                try MerkleTree.verifyConsistency(
                    oldSize: 5, oldRoot: .emptyTree, newSize: 4, newRoot: .emptyTree, proof: [])
            } == .invalidProof)
        #expect(
            code {
                try MerkleTree.verifyConsistency(
                    oldSize: 0, oldRoot: .emptyTree, newSize: 0, newRoot: .filled(1), proof: [])
            } == .invalidProof)
    }

    @Test("random proofs at the ends of the number range fail and do no harm", arguments: 0..<8)
    func fuzz(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        for _ in 0..<300 {
            let sizes = (0..<2).map { _ in
                UInt64.random(in: 0...UInt64.max, using: &random) >> UInt64.random(in: 0...63, using: &random)
            }
            let proof = (0..<Int.random(in: 0...70, using: &random)).map { _ in
                Hash.filled(UInt8.random(in: 0...255, using: &random))
            }
            #expect(
                code {
                    try MerkleTree.verifyInclusion(
                        leaf: .filled(1), index: sizes[0], size: sizes[1], root: .filled(2), proof: proof)
                } == .invalidProof)
            if sizes[0] != sizes[1] {
                #expect(
                    code {
                        try MerkleTree.verifyConsistency(
                            oldSize: sizes[0], oldRoot: .filled(1), newSize: sizes[1], newRoot: .filled(2),
                            proof: proof)
                    } == .invalidProof)
            }
        }
    }
}
