import Glibc

/// A network in CIDR notation or a single address, IPv4 or IPv6. IPv4 counts as `::ffff:a.b.c.d`, so that an address
/// means the same whichever way the socket shows it.
package struct IPNetwork: Hashable, Sendable {
    let high: UInt64
    let low: UInt64
    let prefix: Int

    private static let mapped: UInt64 = 0x0000_FFFF_0000_0000

    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or one address; nil for anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard text.utf8.count <= 64, let host = parts.first, let address = Self.address(String(host)) else {
            return nil
        }
        var prefix = 128
        if parts.count == 2 {
            let digits = parts[1].utf8
            guard (1...3).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
                let bits = Int(parts[1]), bits <= (address.isIPv4 ? 32 : 128)
            else { return nil }
            prefix = address.isIPv4 ? bits + 96 : bits
        }
        self.prefix = prefix
        high = address.high & Self.mask(prefix)
        low = address.low & Self.mask(prefix - 64)
    }

    private static func mask(_ bits: Int) -> UInt64 { bits <= 0 ? 0 : bits >= 64 ? .max : ~(.max >> UInt64(bits)) }

    private static func address(_ text: String) -> (high: UInt64, low: UInt64, isIPv4: Bool)? {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            return (0, mapped | UInt64(UInt32(bigEndian: four.s_addr)), true)
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        let (high, low) = withUnsafeBytes(of: six) {
            ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        return (UInt64(bigEndian: high), UInt64(bigEndian: low), false)
    }

    /// Whether the network holds a single address. `::/0` and other wide IPv6 networks hold no IPv4 address.
    package func contains(_ address: IPNetwork) -> Bool {
        let isIPv4 = address.high == 0 && address.low & 0xFFFF_FFFF_0000_0000 == Self.mapped
        if isIPv4, prefix < 96 { return false }
        return address.high & Self.mask(prefix) == high && address.low & Self.mask(prefix - 64) == low
    }
}
