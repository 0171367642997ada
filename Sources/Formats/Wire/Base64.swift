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
        var out: [UInt8] = []
        out.reserveCapacity(text.utf8.count / 4 * 3 + 2)
        var group: UInt32 = 0
        var bits: UInt32 = 0
        var padding = 0
        for c in text.utf8 {
            if c == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            guard padding == 0, let v = value(of: c) else { return nil }
            group = group << 6 | UInt32(v)
            bits += 6
            if bits >= 8 {
                bits -= 8
                out.append(UInt8(truncatingIfNeeded: group >> bits))
                group &= (1 << bits) - 1
            }
        }
        guard padding <= 2, bits < 6, group == 0 else { return nil }
        guard padding == 0 || text.utf8.count.isMultiple(of: 4) else { return nil }
        return out
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
