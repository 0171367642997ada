/// Base64 (RFC 4648 §4) and its URL-safe form without padding (§5).
package enum Base64 {
    private static let standard = [UInt8]("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let urlSafe = [UInt8]("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// Standard alphabet, padded.
    package static func encode(_ bytes: [UInt8]) -> String { encode(bytes, standard, padded: true) }

    /// URL-safe alphabet, not padded.
    package static func encodeURL(_ bytes: [UInt8]) -> String { encode(bytes, urlSafe, padded: false) }

    private static func encode(_ bytes: [UInt8], _ alphabet: [UInt8], padded: Bool) -> String {
        String(unsafeUninitializedCapacity: (bytes.count + 2) / 3 * 4) { out in
            var o = 0
            var i = 0
            while i < bytes.count {
                let left = bytes.count - i
                let group =
                    UInt32(bytes[i]) << 16
                    | (left > 1 ? UInt32(bytes[i + 1]) << 8 : 0)
                    | (left > 2 ? UInt32(bytes[i + 2]) : 0)
                for k in 0..<4 {
                    if k <= left {
                        out[o] = alphabet[Int(group >> (18 - 6 * UInt32(k))) & 63]
                        o += 1
                    } else if padded {
                        out[o] = UInt8(ascii: "=")
                        o += 1
                    }
                }
                i += 3
            }
            return o
        }
    }

    /// Decodes either alphabet, padded or not. Nil for any other character, a wrong length, or set bits after the last
    /// byte.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var text = String(text)
        return text.withUTF8(decode)
    }

    private static func decode(_ utf8: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        let padding = utf8.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard padding <= 2, padding == 0 || utf8.count.isMultiple(of: 4) else { return nil }
        let digits = utf8.count - padding
        // One digit alone is no byte.
        guard digits % 4 != 1 else { return nil }
        var isValid = true
        let out = [UInt8](unsafeUninitializedCapacity: digits * 3 / 4) { out, count in
            var group: UInt32 = 0
            for index in 0..<digits {
                let v = value(of: utf8[index])
                isValid = isValid && v != nil
                group = group << 6 | UInt32(v ?? 0)
                // Every digit of four but the first completes a byte.
                guard index & 3 > 0 else { continue }
                let bits = UInt32(6 - 2 * (index & 3))
                out[count] = UInt8(truncatingIfNeeded: group >> bits)
                count += 1
                group &= (1 << bits) - 1
            }
            isValid = isValid && group == 0
        }
        return isValid ? out : nil
    }

    private static func value(of c: UInt8) -> UInt8? {
        switch c {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): c - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): c - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): c - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
        case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
