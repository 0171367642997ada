import Ciphers
import Testing

struct KeyDerivationTests {
    // RFC 4231, 4.2, 4.3, 4.7.
    @Test(
        "the HMAC-SHA-256 values of RFC 4231 hold",
        arguments: [
            (
                [UInt8](repeating: 0x0B, count: 20), "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
            ),
            (
                ascii("Jefe"), "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
            (
                [UInt8](repeating: 0xAA, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
            ),
            ([], "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
        ])
    func hmac(_ key: [UInt8], _ text: String, _ expected: String) {
        #expect(hmacSHA256(key: key, ascii(text)) == hex(expected))
    }

    // RFC 5869, A.1 to A.3.
    @Test(
        "the HKDF-SHA-256 values of RFC 5869 hold",
        arguments: [
            (
                [UInt8](repeating: 0x0B, count: 22), [UInt8](0x00...0x0C), [UInt8](0xF0...0xF9),
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
            ),
            (
                [UInt8](0x00...0x4F), [UInt8](0x60...0xAF), [UInt8](0xB0...0xFF),
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
                    + "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
            ),
            (
                [UInt8](repeating: 0x0B, count: 22), [], [],
                "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
            ),
        ])
    func hkdf(_ secret: [UInt8], _ salt: [UInt8], _ info: [UInt8], _ expected: String) throws {
        let expected = hex(expected)
        #expect(try hkdfSHA256(secret: secret, salt: salt, info: info, length: expected.count) == expected)
    }

    @Test(
        "HKDF refuses what it cannot do",
        arguments: [
            (0, 0, 32), (1, 0, 0), (1, 0, -1), (1, 0, 8161), (1, 1025, 32),
        ])
    func hkdfLimits(_ secret: Int, _ info: Int, _ length: Int) {
        let error = #expect(throws: CipherError.self) {
            try hkdfSHA256(
                secret: [UInt8](repeating: 1, count: secret), salt: [], info: [UInt8](repeating: 1, count: info),
                length: length)
        }
        #expect(error?.code == .invalidParameter)
    }

    @Test("HKDF reaches its limits")
    func hkdfFar() throws {
        let key = try hkdfSHA256(secret: [1], salt: [], info: [UInt8](repeating: 1, count: 1024), length: 8160)
        #expect(key.count == 8160)
    }

    // RFC 7914, 12.
    @Test(
        "the scrypt values of RFC 7914 hold",
        arguments: [
            (
                "", "", 16, 1, 1,
                "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                    + "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"
            ),
            (
                "password", "NaCl", 1024, 8, 16,
                "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                    + "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
            ),
            (
                "pleaseletmein", "SodiumChloride", 16_384, 8, 1,
                "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
                    + "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
            ),
        ])
    func scryptVectors(
        _ password: String, _ salt: String, _ n: Int, _ r: Int, _ p: Int, _ expected: String
    ) throws {
        let key = try scrypt(password: ascii(password), salt: ascii(salt), n: n, r: r, p: p, length: 64)
        #expect(key == hex(expected))
    }

    @Test("scrypt at the strength for stored passwords is allowed")
    func scryptStrength() throws {
        let key = try scrypt(password: ascii("correct horse"), salt: ascii("salt"), n: 1 << 15, r: 8, p: 1, length: 32)
        #expect(key.count == 32)
    }

    @Test(
        "scrypt refuses parameters that are wrong or too costly",
        arguments: [
            (0, 8, 1, 32), (1, 8, 1, 32), (3, 8, 1, 32), (-2, 8, 1, 32), (Int.min, 8, 1, 32), (1 << 62, 8, 1, 32),
            (16, 0, 1, 32), (16, Int.max, 1, 32), (16, 8, 0, 32), (16, 8, 17, 32), (16, 8, 1, 0), (16, 8, 1, 1025),
            (1 << 20, 8, 1, 32),
        ])
    func scryptLimits(_ n: Int, _ r: Int, _ p: Int, _ length: Int) {
        let error = #expect(throws: CipherError.self) {
            try scrypt(password: [1], salt: [2], n: n, r: r, p: p, length: length)
        }
        #expect(error?.code == .invalidParameter)
    }

    @Test("random bytes have their count and differ")
    func random() {
        #expect(randomBytes(-1).isEmpty)
        #expect(randomBytes(0).isEmpty)
        #expect(randomBytes(33).count == 33)
        #expect(randomBytes(16) != randomBytes(16))
    }

    @Test(
        "constant-time equality is equality",
        arguments: [
            ([UInt8](), [UInt8](), true), ([1], [1], true), ([1, 2], [1, 3], false), ([1], [1, 2], false),
            ([], [0], false),
        ])
    func equality(_ a: [UInt8], _ b: [UInt8], _ expected: Bool) {
        #expect(constantTimeEquals(a, b) == expected)
    }
}
