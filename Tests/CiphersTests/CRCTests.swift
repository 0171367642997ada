import TestSupport
import Testing

@testable import Ciphers

struct CRCTests {
    // The check values of the catalogue of parametrised CRC algorithms: those of the digits 1 to 9.
    @Test(
        "the check values are the published ones",
        arguments: [
            (CRCAlgorithm.crc32, UInt64(0xCBF4_3926)), (.crc32c, 0xE306_9283), (.crc64nvme, 0xAE8B_1486_0A79_9888),
        ])
    func checkValue(_ algorithm: CRCAlgorithm, _ expected: UInt64) {
        var crc = CRC(algorithm)
        #expect(crc.value == 0)
        crc.update(ascii("123456789"))
        #expect(crc.value == expected)
        #expect(crc.bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } == expected)
        #expect(crc.bytes.count == algorithm.byteCount)
    }

    // RFC 3720, B.4.
    @Test(
        "the CRC-32C values of RFC 3720 hold",
        arguments: [
            ([UInt8](repeating: 0, count: 32), UInt64(0x8A91_36AA)),
            ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
            ([UInt8](0..<32), 0x46DD_794E),
            ([UInt8]((0..<32).reversed()), 0x113F_DB5C),
        ] as [([UInt8], UInt64)])
    func iscsi(_ bytes: [UInt8], _ expected: UInt64) {
        var crc = CRC(.crc32c)
        crc.update(bytes)
        #expect(crc.value == expected)
    }

    @Test("folding agrees with the tables at every length and alignment", arguments: CRCAlgorithm.allCases)
    func folding(_ algorithm: CRCAlgorithm) {
        var random = SeededGenerator(seed: 2)
        let bytes = random.bytes(1100)
        for count in 0...1024 {
            let piece = Array(bytes[(count % 31)...].prefix(count))
            var crc = CRC(algorithm)
            crc.update(piece)
            #expect(crc.value == CRC.portable(algorithm, piece))
        }
    }

    @Test(
        "the tables agree with the definition, bit by bit",
        arguments: [
            (CRCAlgorithm.crc32, UInt64(0xEDB8_8320)), (.crc32c, 0x82F6_3B78), (.crc64nvme, 0x9A6C_9329_AC4B_C9B5),
        ])
    func definition(_ algorithm: CRCAlgorithm, _ polynomial: UInt64) {
        var random = SeededGenerator(seed: 3)
        let bytes = random.bytes(333)
        let ones: UInt64 = algorithm.byteCount == 8 ? .max : 0xFFFF_FFFF
        var register = ones
        for byte in bytes {
            register ^= UInt64(byte)
            for _ in 0..<8 { register = register >> 1 ^ (register & 1 == 1 ? polynomial : 0) }
        }
        #expect(CRC.portable(algorithm, bytes) == register ^ ones)
    }

    @Test("pieces give the checksum of the whole", arguments: CRCAlgorithm.allCases)
    func pieces(_ algorithm: CRCAlgorithm) {
        var random = SeededGenerator(seed: 4)
        let bytes = random.bytes(50_000)
        var whole = CRC(algorithm)
        whole.update(bytes)
        var crc = CRC(algorithm)
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + Int.random(in: 0...700, using: &random))
            crc.update(Array(bytes[start..<end]))
            start = end
        }
        #expect(crc == whole)
    }

    @Test("two checksums combine to that of both parts", arguments: CRCAlgorithm.allCases)
    func combining(_ algorithm: CRCAlgorithm) {
        var random = SeededGenerator(seed: 5)
        for lengthB in [0, 1, 2, 63, 64, 65, 1000, 65_537] {
            let a = random.bytes(Int.random(in: 0...300, using: &random))
            let b = random.bytes(lengthB)
            var crcA = CRC(algorithm)
            crcA.update(a)
            var crcB = CRC(algorithm)
            crcB.update(b)
            var whole = CRC(algorithm)
            whole.update(a + b)
            #expect(algorithm.combine(crcA.value, crcB.value, lengthB: Int64(lengthB)) == whole.value)
        }
    }

    @Test("combining is associative over lengths no test can hold", arguments: CRCAlgorithm.allCases)
    func combiningHuge(_ algorithm: CRCAlgorithm) {
        let (a, b, c) = (UInt64(0x1234_5678), UInt64(0x9ABC_DEF0), UInt64(0x0FED_CBA9))
        let (lengthB, lengthC) = (Int64(1) << 45, Int64(7) << 50)
        let left = algorithm.combine(algorithm.combine(a, b, lengthB: lengthB), c, lengthB: lengthC)
        let right = algorithm.combine(a, algorithm.combine(b, c, lengthB: lengthC), lengthB: lengthB + lengthC)
        #expect(left == right)
        #expect(algorithm.combine(a, b, lengthB: -1) == a ^ b)
    }
}
