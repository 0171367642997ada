import Ciphers
import TestSupport

/// The bytes of hexadecimal digits; spaces between them do not count.
func hex(_ text: String) -> [UInt8] {
    let digits = text.compactMap { $0.hexDigitValue }
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

func ascii(_ text: String) -> [UInt8] {
    Array(text.utf8)
}

extension SeededGenerator {
    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}

extension FrameSealer {
    func seal(_ plaintext: [UInt8], isLast: Bool) throws(CipherError) -> [UInt8] {
        var sealed = [UInt8](repeating: 0, count: Int(Frames.sealedLength(of: Int64(plaintext.count))))
        let count = try seal(plaintext, isLast: isLast, into: &sealed)
        return Array(sealed[..<count])
    }

    func seal(_ plaintext: [UInt8], isLast: Bool, into sealed: inout [UInt8]) throws(CipherError) -> Int {
        let result = plaintext.withUnsafeBytes { plaintext in
            sealed.withUnsafeMutableBytes { sealed in
                Result { () throws(CipherError) in try seal(plaintext, isLast: isLast, into: sealed) }
            }
        }
        return try result.get()
    }
}

extension FrameOpener {
    func open(
        _ frames: [UInt8], firstIndex: Int64 = 0, endsAtLast: Bool = true
    ) throws(CipherError) -> [UInt8] {
        var plaintext = [UInt8](repeating: 0, count: frames.count)
        let result = frames.withUnsafeBytes { frames in
            plaintext.withUnsafeMutableBytes { plaintext in
                Result { () throws(CipherError) in
                    try open(frames: frames, firstIndex: firstIndex, endsAtLast: endsAtLast, into: plaintext)
                }
            }
        }
        return Array(plaintext[..<(try result.get())])
    }
}
