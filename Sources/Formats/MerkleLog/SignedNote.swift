internal import Wire

/// A text with signatures (C2SP signed-note v1.0.0). Nothing in it is to be believed before `verify` has returned.
package struct SignedNote: Hashable, Sendable {
    package struct Signature: Hashable, Sendable {
        package let name: String
        package let keyID: UInt32
        /// The signature without the key ID.
        package let bytes: [UInt8]

        /// The line of a note, with its newline.
        package var line: String {
            "\(signaturePrefix)\(name) \(Base64.encode(bigEndianBytes(keyID) + bytes))\n"
        }
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
    package var encoded: [UInt8] { Array((text + "\n" + signatures.map(\.line).joined()).utf8) }

    /// Adds a signature after those that are there.
    package mutating func sign(with signer: NoteSigner) throws { try add(signer.sign(text)) }

    /// Adds a signature that somebody has made, after those that are there.
    package mutating func add(_ signature: Signature) throws {
        guard signatures.count < Self.maxSignatures else {
            throw MerkleLogError(.tooLarge, "a note has at most \(Self.maxSignatures) signatures")
        }
        signatures.append(signature)
    }

    /// Reads signature lines that came without their note, as a witness answers (C2SP tlog-witness).
    /// - Throws: `malformed`, or `tooLarge` beyond `maxSignatures`.
    package static func signatures(_ bytes: [UInt8]) throws -> [Signature] {
        guard bytes.count <= maxLength, let text = String(validating: bytes, as: UTF8.self), let rows = lines(text)
        else { throw MerkleLogError(.malformed, "signature lines must be UTF-8, each with its newline") }
        guard rows.count <= maxSignatures else {
            throw MerkleLogError(.tooLarge, "\(rows.count) signatures: at most \(maxSignatures) are read")
        }
        return try rows.map(parseSignature)
    }

    /// The signatures by one of `keys` that verify.
    package func signatures(by keys: [VerifierKey]) -> [Signature] {
        signatures.filter { signature in
            keys.contains { $0.signed(signature) && $0.verifies(signature.bytes, of: text) }
        }
    }

    /// The keys among `keys` that have signed the note, each once. Signatures by other keys are ignored.
    /// - Throws: `invalidSignature` if a signature by a known key (same name and ID) does not verify, `unsigned` if
    ///   there is none by a known key.
    package func verify(with keys: [VerifierKey]) throws -> [VerifierKey] {
        let verified = try signers(among: keys)
        guard !verified.isEmpty else {
            throw MerkleLogError(.unsigned, "none of the \(keys.count) known keys has signed the note")
        }
        return verified
    }

    /// As `verify`, but that nobody has signed is no error.
    func signers(among keys: [VerifierKey]) throws -> [VerifierKey] {
        var verified: [VerifierKey] = []
        for signature in signatures {
            let known = keys.filter { $0.signed(signature) }
            guard !known.isEmpty else { continue }
            // Two known keys can share name and ID, if only by design: one of them must have signed.
            guard let key = known.first(where: { $0.verifies(signature.bytes, of: text) }) else {
                throw MerkleLogError(
                    .invalidSignature,
                    "the signature by \(excerpt(signature.name)) is not one of this text by the key of that name")
            }
            if !verified.contains(key) { verified.append(key) }
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
