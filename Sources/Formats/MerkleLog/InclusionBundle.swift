internal import Wire

/// What an outsider needs to check, offline, that an entry is in a log (C2SP tlog-proof, files `.tlog-proof`).
package struct InclusionBundle: Hashable, Sendable {
    private static let header = "c2sp.org/tlog-proof@v1"
    /// The most hashes a path can have in a tree of fewer than 2^64 leaves.
    private static let maxHashes = 64
    /// The longest bundle in bytes that is read.
    package static let maxLength = 512 * 1024

    /// Data for the application, which nothing vouches for.
    package let extra: [UInt8]?
    package let index: UInt64
    /// The audit path, from the leaf's sibling up.
    package let proof: [Hash]
    /// The signed checkpoint, as the log gave it out.
    package let checkpoint: [UInt8]

    package init(extra: [UInt8]? = nil, index: UInt64, proof: [Hash], checkpoint: [UInt8]) {
        self.extra = extra
        self.index = index
        self.proof = proof
        self.checkpoint = checkpoint
    }

    /// Reads a bundle, without verifying anything.
    /// - Throws: `malformed`, or `tooLarge` beyond `maxLength` bytes.
    package init(_ bytes: [UInt8]) throws {
        guard bytes.count <= Self.maxLength else {
            throw MerkleLogError(.tooLarge, "a proof of \(bytes.count) bytes: at most \(Self.maxLength) are read")
        }
        guard
            let blank = bytes.indices.dropLast().first(where: { bytes[$0] == newline && bytes[$0 + 1] == newline }),
            let head = String(validating: bytes[...blank], as: UTF8.self), var rows = lines(head)?[...]
        else { throw MerkleLogError(.malformed, "a proof must have an empty line before its checkpoint") }
        guard let first = rows.popFirst(), isSameBytes(first, Self.header) else {
            throw MerkleLogError(.malformed, "a proof must begin with the line '\(Self.header)'")
        }
        var extra: [UInt8]?
        if let line = rows.first, let value = Self.value(of: "extra ", in: line) {
            guard let decoded = decodeStrictBase64(value) else {
                throw MerkleLogError(.malformed, "the extra data of the proof must be Base64")
            }
            extra = decoded
            rows.removeFirst()
        }
        guard let line = rows.popFirst(), let value = Self.value(of: "index ", in: line),
            let index = parseDecimal(value)
        else { throw MerkleLogError(.malformed, "a proof must have a line 'index N', without leading zeros") }
        guard rows.count <= Self.maxHashes else {
            throw MerkleLogError(.malformed, "a proof of \(rows.count) hashes: no tree needs more than 64")
        }
        let proof = try rows.map { row in
            guard let hash = Hash(base64: row) else {
                throw MerkleLogError(.malformed, "proof line \(excerpt(row)) must be the Base64 of 32 bytes")
            }
            return hash
        }
        self.init(extra: extra, index: index, proof: proof, checkpoint: Array(bytes[(blank + 2)...]))
    }

    /// The bundle's text.
    package var encoded: [UInt8] {
        var head = Self.header + "\n"
        if let extra { head += "extra \(Base64.encode(extra))\n" }
        head += "index \(index)\n"
        for hash in proof { head += hash.base64 + "\n" }
        return Array((head + "\n").utf8) + checkpoint
    }

    /// Checks that a log has signed the checkpoint and that `leaf` is entry `index` of its tree.
    /// - Parameters:
    ///   - leaf: the leaf hash of the entry in question, which the bundle does not carry.
    ///   - origin: the log that is trusted with the entry.
    ///   - keys: the keys that sign for this origin.
    ///   - policy: says which witnesses must have cosigned the checkpoint; nil for none. Its logs are not looked at.
    /// - Returns: the checkpoint.
    /// - Throws: what `SignedNote`, its `verify`, `Checkpoint` and `MerkleTree.verifyInclusion` throw; `invalidProof`
    ///   for another origin.
    package func verify(
        leaf: Hash, origin: String, keys: [VerifierKey], policy: LogPolicy? = nil
    ) throws -> Checkpoint {
        let note = try SignedNote(checkpoint)
        // A witness's key says nothing for the log.
        let signers = try note.verify(with: keys.filter { $0.kind == .text })
        if let policy { _ = try policy.verify(note, log: signers.first) }
        let state = try Checkpoint(text: note.text)
        guard isSameBytes(state.origin, origin) else {
            throw MerkleLogError(
                .invalidProof, "the checkpoint is of the log \(excerpt(state.origin)), not of \(excerpt(origin))")
        }
        try MerkleTree.verifyInclusion(leaf: leaf, index: index, size: state.size, root: state.root, proof: proof)
        return state
    }

    private static func value(of key: String, in line: Substring) -> Substring? {
        guard line.utf8.starts(with: key.utf8) else { return nil }
        return Substring(line.utf8.dropFirst(key.utf8.count))
    }
}
