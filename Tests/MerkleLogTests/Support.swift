import MerkleLog
import TestSupport
import Wire

/// A tree kept the plain way: all leaf hashes, and roots by the recursion of RFC 6962 §2.1, to compare with.
struct PlainTree {
    var leaves: [Hash]

    init(size: Int) { leaves = (0..<size).map { .leaf(Array("entry \($0)".utf8)) } }
    init(entries: [[UInt8]]) { leaves = entries.map { .leaf($0) } }

    func root(_ range: Range<Int>) -> Hash {
        if range.isEmpty { return .emptyTree }
        if range.count == 1 { return leaves[range.lowerBound] }
        var half = 1
        while half * 2 < range.count { half *= 2 }
        let middle = range.lowerBound + half
        return .node(root(range.lowerBound..<middle), root(middle..<range.upperBound))
    }

    func root(size: Int) -> Hash { root(0..<size) }

    /// The hash of a complete subtree; throws for one that is not, as a store would.
    func read(_ level: Int, _ index: UInt64) throws -> Hash {
        let start = Int(index) << level
        let end = start + 1 << level
        guard end <= leaves.count else { throw MerkleLogError(.invalidArgument, "not stored") }
        return root(start..<end)
    }
}

extension Hash {
    static func filled(_ byte: UInt8) -> Hash {
        Hash([UInt8](repeating: byte, count: 32)) ?? .emptyTree
    }

    /// The same hash with one bit flipped.
    func flipped(_ bit: Int) -> Hash {
        var copy = bytes
        copy[bit / 8 % 32] ^= 1 << UInt8(bit % 8)
        return Hash(copy) ?? .emptyTree
    }
}

/// The input with one to four bytes replaced, removed, inserted or repeated.
func mutated(_ input: [UInt8], using random: inout SeededGenerator) -> [UInt8] {
    var bytes = input
    let telling: [UInt8] = [0, 10, 13, 32, 43, 45, 46, 47, 48, 61, 120, 128, 226, 255]
    for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes[at] = telling.randomElement(using: &random) ?? 0
        case 2: bytes.remove(at: at)
        case 3: bytes.insert(telling.randomElement(using: &random) ?? 0, at: at)
        case 4: bytes.removeSubrange(at...)
        default: bytes.append(contentsOf: bytes[at...])
        }
    }
    return bytes
}

func code(_ body: () throws -> some Any) -> MerkleLogError.Code? {
    do {
        _ = try body()
        return nil
    } catch let error as MerkleLogError {
        return error.code
    } catch {
        return nil
    }
}
