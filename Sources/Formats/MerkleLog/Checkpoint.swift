/// The state of a log at a size (C2SP tlog-checkpoint): the text that a signed note carries. It is the caller's promise
/// never to sign one that is inconsistent with another.
package struct Checkpoint: Hashable, Sendable {
    /// The log's identity, by custom a URL without scheme, the same as its key's name.
    package let origin: String
    package let size: UInt64
    package let root: Hash
    /// Further lines, which the specification discourages: nobody audits them.
    package let extensions: [String]

    /// - Throws: `malformed` for an empty line, or one with a control character.
    package init(origin: String, size: UInt64, root: Hash, extensions: [String] = []) throws {
        for line in [origin] + extensions where line.isEmpty || !isPlainText(line) || line.utf8.contains(newline) {
            throw MerkleLogError(
                .malformed, "checkpoint line \(excerpt(line)) must not be empty or have control characters")
        }
        self.origin = origin
        self.size = size
        self.root = root
        self.extensions = extensions
    }

    /// Reads the text of a note.
    /// - Throws: `malformed`.
    package init(text: String) throws {
        guard let rows = lines(text), rows.count >= 3 else {
            throw MerkleLogError(.malformed, "a checkpoint has the lines origin, size and root, each with its newline")
        }
        guard let size = parseDecimal(rows[1]) else {
            throw MerkleLogError(
                .malformed, "checkpoint size \(excerpt(rows[1])) must be a decimal number without leading zeros")
        }
        guard let root = Hash(base64: rows[2]) else {
            throw MerkleLogError(.malformed, "checkpoint root \(excerpt(rows[2])) must be the Base64 of 32 bytes")
        }
        try self.init(origin: String(rows[0]), size: size, root: root, extensions: rows.dropFirst(3).map(String.init))
    }

    /// The text to sign.
    package var text: String {
        ([origin, String(size), root.base64] + extensions).map { $0 + "\n" }.joined()
    }

    /// The note with this checkpoint and a signature by each signer, in order.
    package func signed(by signers: [NoteSigner]) throws -> SignedNote {
        var note = try SignedNote(text: text)
        for signer in signers { try note.sign(with: signer) }
        return note
    }
}
