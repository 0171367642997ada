/// What a log sends to a witness (C2SP tlog-witness, add-checkpoint): a checkpoint, and the proof that it is consistent
/// with the one that the witness has cosigned last.
package struct WitnessRequest: Hashable, Sendable {
    package let oldSize: UInt64
    package let proof: [Hash]
    package let note: SignedNote

    /// The most hashes that the specification allows.
    private static let proofMax = 63
    /// The longest request in bytes that is read.
    package static let maxLength = SignedNote.maxLength + 8 * 1024

    package init(oldSize: UInt64, proof: [Hash], note: SignedNote) {
        self.oldSize = oldSize
        self.proof = proof
        self.note = note
    }

    /// Reads a request, without verifying anything.
    /// - Throws: `malformed`, or `tooLarge`.
    package init(_ bytes: [UInt8]) throws {
        guard bytes.count <= Self.maxLength else {
            throw MerkleLogError(.tooLarge, "a request of \(bytes.count) bytes: at most \(Self.maxLength) are read")
        }
        guard
            let blank = bytes.indices.dropLast().first(where: { bytes[$0] == newline && bytes[$0 + 1] == newline }),
            let head = String(validating: bytes[...blank], as: UTF8.self), var rows = lines(head)?[...],
            let first = rows.popFirst(), first.utf8.starts(with: "old ".utf8),
            let size = parseDecimal(first.dropFirst(4))
        else { throw MerkleLogError(.malformed, "a request is 'old SIZE', a proof, an empty line and a checkpoint") }
        guard rows.count <= Self.proofMax else {
            throw MerkleLogError(.malformed, "a proof of \(rows.count) hashes: at most \(Self.proofMax) are allowed")
        }
        let proof = try rows.map { row in
            guard let hash = Hash(base64: row) else {
                throw MerkleLogError(.malformed, "proof line \(excerpt(row)) must be the Base64 of 32 bytes")
            }
            return hash
        }
        self.init(oldSize: size, proof: proof, note: try SignedNote(Array(bytes[(blank + 2)...])))
    }

    /// The request's text.
    package var encoded: [UInt8] {
        Array("old \(oldSize)\n\(proof.map { $0.base64 + "\n" }.joined())\n".utf8) + note.encoded
    }
}
