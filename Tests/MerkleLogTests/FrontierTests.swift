import MerkleLog
import TestSupport
import Testing

struct FrontierTests {
    @Test("appending in pieces stores every complete subtree once and keeps the root", arguments: 0..<6)
    func append(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let tree = PlainTree(size: 300)
        var frontier = Frontier()
        var stored: [Subtree: Hash] = [:]
        while frontier.size < 300 {
            let start = Int(frontier.size)
            let count = min(Int.random(in: 0...40, using: &random), 300 - start)
            for entry in try frontier.append(Array(tree.leaves[start..<start + count])) {
                #expect(stored.updateValue(entry.hash, forKey: entry.subtree) == nil)
            }
            #expect(frontier.root == tree.root(size: start + count))
        }
        var expected = 0
        for level in 0..<9 {
            for index in 0..<(300 >> level) {
                expected += 1
                #expect(try stored[Subtree(level: level, index: UInt64(index))] == tree.read(level, UInt64(index)))
            }
        }
        #expect(stored.count == expected)
    }

    @Test("a frontier read from storage equals the one that grew", arguments: 0...70)
    func reload(size: Int) throws {
        let tree = PlainTree(size: size)
        var grown = Frontier()
        _ = try grown.append(tree.leaves)
        #expect(try Frontier(size: UInt64(size), read: tree.read) == grown)
        #expect(grown.edge.count == Subtree.edge(size: UInt64(size)).count)
    }

    @Test("an edge that does not fit the size is refused, and so is growth past the limit")
    func refusals() throws {
        #expect(code { try Frontier(size: 3, edge: [.emptyTree]) } == .invalidArgument)
        var full = try Frontier(size: UInt64(Int64.max), edge: Array(repeating: .emptyTree, count: 63))
        #expect(code { try full.append([.emptyTree]) } == .invalidArgument)
        #expect(try full.append([]).isEmpty)
        var beyond = try Frontier(size: UInt64.max, edge: Array(repeating: .emptyTree, count: 64))
        #expect(code { try beyond.append([.emptyTree]) } == .invalidArgument)
    }
}
