internal import Wire

/// A text with signatures (C2SP signed-note v1.0.0). Nothing in it is to be believed before `verify` has returned.
package struct SignedNote: Hashable, Sendable {
    package struct Signature: Hashable, Sendable {
        package let name: String
        package let keyID: UInt32
        /// The signature without the key ID.
        package let bytes: [UInt8]
    }

    /// The most signatures that are read; the specification asks for at least 16.
    package static let maxSignatures = 64
    /// The longest note in bytes that is read: 16 post-quantum signatures are 80 kB.
    package static let maxLength = 256 * 1024

    private static let signaturePrefix = "\u{2014} "

    /// What is signed, with its final newline.
    package let text: String
    package private(set) var signatures: [Signature]

    /// A note that nobody has signed yet.
    /// - Throws: `malformed` unless the text ends with a newline and has no other control character.
    package init(text: String) throws {
        guard text.utf8.last == newline, isPlainText(text) else {
            throw MerkleLogError(
                .malformed, "the text of a note must end with a newline and have no other control character")
        }
        self.text = text
        signatures = []
    }

    /// Reads a note and its signatures, without verifying them.
    /// - Throws: `malformed`, or `tooLarge` beyond `maxLength` bytes or `maxSignatures` signatures.
    package init(_ bytes: [UInt8]) throws {
        guard bytes.count <= Self.maxLength else {
            throw MerkleLogError(.tooLarge, "a note of \(bytes.count) bytes: at most \(Self.maxLength) are read")
        }
        guard bytes.last == newline, let note = String(validating: bytes, as: UTF8.self), isPlainText(note) else {
            throw MerkleLogError(
                .malformed, "a note must be UTF-8, end with a newline and have no other control character")
        }
        guard let blank = bytes.indices.dropLast().last(where: { bytes[$0] == newline && bytes[$0 + 1] == newline })
        else { throw MerkleLogError(.malformed, "a note must have an empty line before its signatures") }
        guard let signatureLines = lines(String(decoding: bytes[(blank + 2)...], as: UTF8.self)) else {
            throw MerkleLogError(.malformed, "a note must have at least one signature line")
        }
        guard signatureLines.count <= Self.maxSignatures else {
            throw MerkleLogError(
                .tooLarge, "a note with \(signatureLines.count) signatures: at most \(Self.maxSignatures) are read")
        }
        try self.init(text: String(decoding: bytes[...blank], as: UTF8.self))
        signatures = try signatureLines.map(Self.parseSignature)
    }

    /// The note in its wire form. A note without signatures has none: sign it first.
    package var encoded: [UInt8] {
        var result = text + "\n"
        for signature in signatures {
            let base64 = Base64.encode(bigEndianBytes(signature.keyID) + signature.bytes)
            result += "\(Self.signaturePrefix)\(signature.name) \(base64)\n"
        }
        return Array(result.utf8)
    }

    /// Adds a signature after those that are there.
    package mutating func sign(with signer: NoteSigner) throws {
        guard signatures.count < Self.maxSignatures else {
            throw MerkleLogError(.tooLarge, "a note has at most \(Self.maxSignatures) signatures")
        }
        signatures.append(try signer.sign(text))
    }

    /// The keys among `keys` that have signed the note, each once. Signatures by other keys are ignored.
    /// - Throws: `invalidSignature` if a signature by a known key (same name and ID) does not verify, `unsigned` if
    ///   there is none by a known key.
    package func verify(with keys: [VerifierKey]) throws -> [VerifierKey] {
        var verified: [VerifierKey] = []
        for signature in signatures {
            let known = keys.filter { $0.id == signature.keyID && isSameBytes($0.name, signature.name) }
            guard !known.isEmpty else { continue }
            // Two known keys can share name and ID, if only by design: one of them must have signed.
            guard let key = known.first(where: { $0.verifies(signature.bytes, of: text) }) else {
                throw MerkleLogError(
                    .invalidSignature,
                    "the signature by \(excerpt(signature.name)) is not one of this text by the key of that name")
            }
            if !verified.contains(key) { verified.append(key) }
        }
        guard !verified.isEmpty else {
            throw MerkleLogError(.unsigned, "none of the \(keys.count) known keys has signed the note")
        }
        return verified
    }

    private static func parseSignature(_ line: Substring) throws -> Signature {
        let parts = line.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            .map { Substring($0) }
        guard parts.count == 3, isSameBytes(parts[0] + " ", signaturePrefix), isKeyName(parts[1]),
            let bytes = decodeStrictBase64(parts[2]), bytes.count > 4
        else { throw MerkleLogError(.malformed, "signature line \(excerpt(line)) must be '\u{2014} NAME BASE64'") }
        return Signature(
            name: String(parts[1]), keyID: bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) },
            bytes: Array(bytes.dropFirst(4)))
    }
}
