import Crypto
import MerkleLog
import TestSupport
import Testing
import Wire

private let specKey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
private let specSignature =
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
private let specNote = """
    This is an example message.

    \u{2014} example.com/foo \(specSignature)

    """

private func signer(_ name: String, _ seed: UInt8) throws -> NoteSigner {
    try NoteSigner(name: name, privateKey: .init(rawRepresentation: [UInt8](repeating: seed, count: 32)))
}

struct NoteTests {
    @Test("the specification's key and note verify")
    func specification() throws {
        let key = try VerifierKey(vkey: specKey)
        #expect(key.name == "example.com/foo")
        #expect(key.id == 0x530d_903a)
        #expect(key.vkey == specKey)
        let note = try SignedNote(Array(specNote.utf8))
        #expect(note.text == "This is an example message.\n")
        #expect(try note.verify(with: [key]) == [key])
        #expect(note.encoded == Array(specNote.utf8))
        let altered = Array(specNote.utf8).map { $0 == UInt8(ascii: "T") ? UInt8(ascii: "t") : $0 }
        #expect(code { try SignedNote(altered).verify(with: [key]) } != nil)
    }

    @Test("a note of the format's first implementation verifies (golang.org/x/mod/sumdb/note)")
    func firstImplementation() throws {
        let key = try VerifierKey(vkey: "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
        let note = """
            If you think cryptography is the answer to your problem,
            then you don't know what your problem is.

            \u{2014} PeterNeumann \
            x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=

            """
        #expect(try SignedNote(Array(note.utf8)).verify(with: [key]) == [key])
    }

    @Test("a text with empty lines keeps them, and each signer is found")
    func roundTrip() throws {
        let a = try signer("a.example/log", 1)
        let b = try signer("b.example/witness", 2)
        var note = try SignedNote(text: "first\n\nsecond – ö\n\n")
        try note.sign(with: a)
        try note.sign(with: b)
        let read = try SignedNote(note.encoded)
        #expect(read == note)
        #expect(try read.verify(with: [b.verifierKey, a.verifierKey]) == [a.verifierKey, b.verifierKey])
        #expect(try read.verify(with: [b.verifierKey]) == [b.verifierKey])
    }

    @Test("unknown keys are ignored, but one known key that fails rejects the note")
    func knownAndUnknown() throws {
        let a = try signer("a.example", 1)
        let b = try signer("b.example", 2)
        var note = try SignedNote(text: "text\n")
        try note.sign(with: a)
        #expect(code { try note.verify(with: [b.verifierKey]) } == .unsigned)
        #expect(code { try note.verify(with: []) } == .unsigned)
        // The same key under another name, and another key under the same name, are both unknown.
        #expect(code { try note.verify(with: [signer("c.example", 1).verifierKey]) } == .unsigned)
        #expect(code { try note.verify(with: [signer("a.example", 2).verifierKey]) } == .unsigned)
        var other = try SignedNote(text: "other\n")
        try other.sign(with: b)
        let foreign = String(decoding: other.encoded.dropFirst("other\n\n".utf8.count), as: UTF8.self)
        let mixed = try SignedNote(note.encoded + Array(foreign.utf8))
        #expect(try mixed.verify(with: [a.verifierKey]) == [a.verifierKey])
        #expect(code { try mixed.verify(with: [a.verifierKey, b.verifierKey]) } == .invalidSignature)
    }

    @Test("64 signatures are read, 65 are not, nor more than the longest note")
    func limits() throws {
        let a = try signer("a.example", 1)
        var note = try SignedNote(text: "text\n")
        for _ in 0..<64 { try note.sign(with: a) }
        #expect(try SignedNote(note.encoded).verify(with: [a.verifierKey]) == [a.verifierKey])
        #expect(code { try note.sign(with: a) } == .tooLarge)
        let line = Array(note.encoded.suffix(from: note.encoded.count - (note.encoded.count - 6) / 64))
        #expect(code { try SignedNote(note.encoded + line) } == .tooLarge)
        let long = [UInt8](repeating: UInt8(ascii: "a"), count: SignedNote.maxLength)
        #expect(code { try SignedNote(long + Array(specNote.utf8)) } == .tooLarge)
    }

    @Test(
        "malformed notes are refused",
        arguments: [
            "", "\n", "text\n", "text\n\n", "text\n\n\u{2014} a\n", "text\n\n\u{2014} a AAAAAA==\n",
            "text\n\n\u{2014} a AAAAAAA\n", "text\n\n\u{2014} a AAAAAA_-\n", "text\n\n- a AAAAAAA=\n",
            "text\n\n\u{2014}  AAAAAAA=\n", "text\n\n\u{2014} a+b AAAAAAA=\n", "text\n\n\u{2014} a\u{a0}b AAAAAAA=\n",
            "text\n\n\u{2014} a AAAAAAA= \n", "text\n\n\u{2014} a AAAAAAA=", "te\txt\n\n\u{2014} a AAAAAAA=\n",
            "text\r\n\n\u{2014} a AAAAAAA=\n", "text\n\u{2014} a AAAAAAA=\n",
        ])
    func malformed(note: String) {
        #expect(code { try SignedNote(Array(note.utf8)) } == .malformed)
    }

    @Test("a note that is not UTF-8 is refused, and a well-formed one of the same shape is read")
    func encoding() throws {
        let good = Array("text\n\n\u{2014} a AAAAAAA=\n".utf8)
        #expect(try SignedNote(good).signatures.first?.bytes == [0])
        var bad = good
        bad[1] = 0xff
        #expect(code { try SignedNote(bad) } == .malformed)
        for text in ["", "text", "a\u{0}\n", "a\tb\n"] {
            #expect(code { try SignedNote(text: text) } == .malformed)
        }
    }

    @Test(
        "malformed verifier keys are refused",
        arguments: [
            "", "+", "++", "a+b", "example.com/foo+530d903a",
            "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/bar+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530d903a+BOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U==",
            "example com+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
        ])
    func malformedKeys(vkey: String) {
        #expect(code { try VerifierKey(vkey: vkey) } == .malformed)
    }

    @Test("a key whose Base64 has a plus sign is read back")
    func plusInKey() throws {
        for seed in UInt8(0)..<40 {
            let key = try signer("log.example", seed).verifierKey
            #expect(try VerifierKey(vkey: key.vkey) == key)
        }
    }

    @Test("no mutation of a note or key verifies another text", arguments: 0..<8)
    func fuzz(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let key = try VerifierKey(vkey: specKey)
        for _ in 0..<500 {
            let bytes = mutated(Array(specNote.utf8), using: &random)
            if let note = try? SignedNote(bytes) {
                #expect(note.encoded == bytes)
                if (try? note.verify(with: [key])) != nil { #expect(note.text == "This is an example message.\n") }
            }
            let vkey = String(decoding: mutated(Array(specKey.utf8), using: &random), as: UTF8.self)
            if let other = try? VerifierKey(vkey: vkey) { #expect(other.vkey == vkey) }
        }
    }
}

struct CheckpointTests {
    private static let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="

    @Test("the specification's checkpoint is read and written")
    func specification() throws {
        let text = "example.com/behind-the-sofa\n20852163\n\(Self.root)\n"
        let checkpoint = try Checkpoint(text: text)
        #expect(checkpoint.origin == "example.com/behind-the-sofa")
        #expect(checkpoint.size == 20_852_163)
        #expect(checkpoint.root.base64 == Self.root)
        #expect(checkpoint.text == text)
        let extended = try Checkpoint(text: text + "one\ntwo 2\n")
        #expect(extended.extensions == ["one", "two 2"])
        #expect(extended.text == text + "one\ntwo 2\n")
    }

    @Test(
        "malformed checkpoints are refused",
        arguments: [
            "", "a\n", "a\n1\n", "a\n1\n\(root)", "\n1\n\(root)\n", "a\n01\n\(root)\n", "a\n+1\n\(root)\n",
            "a\n-1\n\(root)\n", "a\n18446744073709551616\n\(root)\n", "a\n1\n\(root)=\n", "a\n1\n\(root.dropLast())\n",
            "a\n1\n\n\(root)\n", "a\n1\n\(root)\n\n", "a\n1 \n\(root)\n", "a\n1\nAAAA\n", "a\n1\r\n\(root)\n",
            "a\n1\n\(root.dropLast(2))J=\n",
        ])
    func malformed(text: String) {
        #expect(code { try Checkpoint(text: text) } == .malformed)
    }

    @Test("lines that would break the text are refused")
    func lines() throws {
        for origin in ["", "a\nb", "a\n", "a\t"] {
            #expect(code { try Checkpoint(origin: origin, size: 1, root: .emptyTree) } == .malformed)
        }
        #expect(code { try Checkpoint(origin: "a", size: 1, root: .emptyTree, extensions: [""]) } == .malformed)
    }

    @Test("mutated checkpoints are refused or written back as they were", arguments: 0..<4)
    func fuzz(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let text = "example.com/behind-the-sofa\n20852163\n\(Self.root)\n"
        for _ in 0..<500 {
            let input = String(decoding: mutated(Array(text.utf8), using: &random), as: UTF8.self)
            if let checkpoint = try? Checkpoint(text: input) { #expect(checkpoint.text == input) }
        }
    }
}
