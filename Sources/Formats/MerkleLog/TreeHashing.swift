internal import Crypto

// RFC 6962 §2.1: the prefix byte keeps a leaf from being taken for a node.
private let leafPrefix: UInt8 = 0
private let nodePrefix: UInt8 = 1

extension Hash {
    /// The root of the tree without leaves, SHA-256 of nothing (RFC 6962 §2.1).
    package static let emptyTree = Hash(SHA256().finalize())

    /// The hash of an entry as a leaf: SHA-256(0x00 || entry).
    package static func leaf(_ entry: UnsafeRawBufferPointer) -> Hash {
        var hasher = SHA256()
        Swift.withUnsafeBytes(of: leafPrefix) { hasher.update(bufferPointer: $0) }
        hasher.update(bufferPointer: entry)
        return Hash(hasher.finalize())
    }

    /// The hash of an entry as a leaf: SHA-256(0x00 || entry).
    package static func leaf(_ entry: [UInt8]) -> Hash { entry.withUnsafeBytes { leaf($0) } }

    /// The hash of an inner node: SHA-256(0x01 || left || right).
    package static func node(_ left: Hash, _ right: Hash) -> Hash {
        withUnsafeTemporaryAllocation(byteCount: 1 + 2 * length, alignment: 8) { block in
            block[0] = nodePrefix
            left.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: block[1..<33]).copyMemory(from: $0) }
            right.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: block[33..<65]).copyMemory(from: $0) }
            var hasher = SHA256()
            hasher.update(bufferPointer: UnsafeRawBufferPointer(block))
            return Hash(hasher.finalize())
        }
    }
}
