import Wire

/// The few nodes of DER (X.690) that revocation lists and OCSP answers are made of.
enum DERWriting {
    static func node(_ tag: UInt8, _ parts: [UInt8]...) -> [UInt8] { node(tag, joined: parts) }

    static func node(_ tag: UInt8, joined parts: [[UInt8]]) -> [UInt8] {
        let count = parts.reduce(0) { $0 + $1.count }
        var out: [UInt8] = [tag]
        if count < 0x80 {
            out.append(UInt8(count))
        } else {
            let bytes = withUnsafeBytes(of: UInt64(count).bigEndian) { Array($0.drop { $0 == 0 }) }
            out.append(0x80 | UInt8(bytes.count))
            out += bytes
        }
        out.reserveCapacity(out.count + count)
        for part in parts { out += part }
        return out
    }

    static func sequence(_ parts: [UInt8]...) -> [UInt8] { node(0x30, joined: parts) }
    static func octets(_ bytes: [UInt8]) -> [UInt8] { node(0x04, bytes) }
    static func bits(_ bytes: [UInt8]) -> [UInt8] { node(0x03, [0], bytes) }
    static func enumerated(_ value: UInt8) -> [UInt8] { node(0x0A, [value]) }

    /// A number that is not below 0, big-endian.
    static func integer(_ bytes: [UInt8]) -> [UInt8] {
        var digits = Array(bytes.drop { $0 == 0 })
        if digits.first.map({ $0 >= 0x80 }) ?? true { digits.insert(0, at: 0) }
        return node(0x02, digits)
    }

    static func integer(_ value: Int64) -> [UInt8] {
        integer(withUnsafeBytes(of: UInt64(value).bigEndian) { Array($0) })
    }

    /// `20261121180000Z`.
    static func generalizedTime(_ time: Timestamp) -> [UInt8] { node(0x18, Array(digits(time).utf8)) }

    /// A time as certificates have them: of two digits of the year up to 2049 (RFC 5280 §4.1.2.5).
    static func time(_ time: Timestamp) -> [UInt8] {
        guard (1950..<2050).contains(time.parts.year) else { return generalizedTime(time) }
        return node(0x17, Array(digits(time).dropFirst(2).utf8))
    }

    private static func digits(_ time: Timestamp) -> String {
        time.rfc3339.prefix(19).filter(\.isNumber) + "Z"
    }

    /// One of an X.509 extension's forms.
    static func `extension`(_ oid: [UInt8], isCritical: Bool = false, _ value: [UInt8]) -> [UInt8] {
        sequence(node(0x06, oid), isCritical ? [0x01, 0x01, 0xFF] : [], octets(value))
    }

    /// ecdsa-with-SHA256 (RFC 5758 §3.2).
    static let ecdsaWithSHA256 = sequence([0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02])
}
