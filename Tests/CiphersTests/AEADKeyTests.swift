import Ciphers
import TestSupport
import Testing

struct AEADKeyTests {
    // McGrew and Viega, "The Galois/Counter Mode of Operation" (submitted to NIST), appendix B, cases 13, 14 and 16.
    @Test(
        "published texts open",
        arguments: [
            (
                String(repeating: "00", count: 32), "000000000000000000000000", "", "", "",
                "530f8afbc74536b9a963b4f1c4cb738b"
            ),
            (
                String(repeating: "00", count: 32), "000000000000000000000000", "", "cea7403d4d606b6e074ec5d3baf39d18",
                String(repeating: "00", count: 16), "d0d1c8a799996bf0265b98b5d48ab919"
            ),
            (
                "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
                "feedfacedeadbeeffeedfacedeadbeefabaddad2",
                "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                    + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
                "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                    + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
                "76fc6ece0f4e1768cddf8853bb2d551b"
            ),
        ])
    func vectors(
        _ key: String, _ nonce: String, _ authenticated: String, _ ciphertext: String, _ plaintext: String,
        _ tag: String
    ) throws {
        let key = try AEADKey(hex(key))
        #expect(try key.open(hex(nonce + ciphertext + tag), authenticating: hex(authenticated)) == hex(plaintext))
    }

    @Test("what is sealed opens again", arguments: [0, 1, 15, 16, 17, 1000, AEADKey.plaintextMax])
    func roundTrip(_ count: Int) throws {
        var random = SeededGenerator(seed: 6)
        let plaintext = random.bytes(count)
        let key = AEADKey.random()
        let sealed = try key.seal(plaintext, authenticating: ascii("version 7"))
        #expect(sealed.count == count + AEADKey.overhead)
        #expect(try key.open(sealed, authenticating: ascii("version 7")) == plaintext)
        #expect(try key.seal(plaintext, authenticating: ascii("version 7")) != sealed)
    }

    @Test("every flipped bit fails")
    func flips() throws {
        let key = AEADKey.random()
        let sealed = try key.seal(ascii("a secret"), authenticating: [1])
        for bit in 0..<sealed.count * 8 {
            var altered = sealed
            altered[bit / 8] ^= 1 << UInt8(bit % 8)
            let error = #expect(throws: CipherError.self) { try key.open(altered, authenticating: [1]) }
            #expect(error?.code == .notAuthentic)
        }
    }

    @Test("every truncation fails")
    func truncations() throws {
        let key = AEADKey.random()
        let sealed = try key.seal(ascii("a secret"), authenticating: [])
        for count in 0..<sealed.count {
            let error = #expect(throws: CipherError.self) { try key.open(Array(sealed[..<count]), authenticating: []) }
            #expect(error?.code == (count < AEADKey.overhead ? .wrongLength : .notAuthentic))
        }
    }

    @Test("another name or key does not open it")
    func binding() throws {
        let key = AEADKey.random()
        let sealed = try key.seal([1, 2, 3], authenticating: ascii("a"))
        #expect(throws: CipherError.self) { try key.open(sealed, authenticating: ascii("b")) }
        #expect(throws: CipherError.self) { try key.open(sealed, authenticating: []) }
        #expect(throws: CipherError.self) { try AEADKey.random().open(sealed, authenticating: ascii("a")) }
    }

    @Test("a wrapped key comes back as itself")
    func wrapping() throws {
        let outer = AEADKey.random()
        let inner = AEADKey.random()
        let wrapped = try outer.wrap(inner, authenticating: ascii("id"))
        let unwrapped = try outer.unwrap(wrapped, authenticating: ascii("id"))
        #expect(unwrapped.withUnsafeBytes { Array($0) } == inner.withUnsafeBytes { Array($0) })
        #expect(try outer.open(wrapped, authenticating: ascii("id")) == inner.withUnsafeBytes { Array($0) })
        #expect(throws: CipherError.self) { try outer.unwrap(wrapped, authenticating: ascii("other")) }
        let short = try outer.seal([1, 2, 3], authenticating: [])
        #expect(throws: CipherError.self) { try outer.unwrap(short, authenticating: []) }
    }

    @Test("wrong lengths are refused")
    func lengths() throws {
        for count in [0, 16, 31, 33] {
            #expect(throws: CipherError.self) { try AEADKey([UInt8](repeating: 0, count: count)) }
        }
        let key = AEADKey.random()
        let long = [UInt8](repeating: 0, count: AEADKey.plaintextMax + 1)
        let error = #expect(throws: CipherError.self) { try key.seal(long, authenticating: []) }
        #expect(error?.code == .wrongLength)
        #expect(throws: CipherError.self) { try key.open(long + long, authenticating: []) }
    }

    @Test("one key serves many tasks at once")
    func concurrent() async throws {
        let key = AEADKey.random()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<64 {
                group.addTask {
                    let text = [UInt8](repeating: UInt8(number), count: number * 10)
                    let sealed = try key.seal(text, authenticating: [])
                    let opened = try key.open(sealed, authenticating: [])
                    #expect(opened == text)
                }
            }
            try await group.waitForAll()
        }
    }
}
