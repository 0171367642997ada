/// Tells addresses of the public internet from all others: where a stranger may have the node send something.
package enum PublicAddress {
    /// Of "IANA IPv4 Special-Purpose Address Registry", and what is sent to many.
    private static let reserved = [
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
        // Of global unicast in IPv6: Teredo and the other protocols' own, documentation, 6to4.
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    ].compactMap { IPNetwork($0) }

    private static let everyIPv4 = IPNetwork("0.0.0.0/0")
    private static let globalUnicast = IPNetwork("2000::/3")

    /// - Parameter address: as text, IPv4 or IPv6. What is no address is not public.
    package static func isPublic(_ address: String) -> Bool {
        guard !address.contains("/"), let address = IPNetwork(address) else { return false }
        let isGlobal = everyIPv4?.contains(address) == true || globalUnicast?.contains(address) == true
        return isGlobal && !reserved.contains { $0.contains(address) }
    }

    /// Whether a host says of itself that it is not public. A name that does not may still lead to one that is not.
    package static func isForbidden(host: String) -> Bool {
        let host = host.lowercased()
        if IPNetwork(host) != nil { return !isPublic(host) }
        // Forms of IPv4 that only some readers know: 127.1, 0x7f000001, 2130706433.
        let isNumber = host.split(separator: ".").last.map { $0.allSatisfy(\.isNumber) || $0.hasPrefix("0x") } ?? true
        return isNumber || host == "localhost" || host.hasSuffix(".localhost")
    }

    /// The host of `https://user@host:port/path`; of an IPv6 address without its brackets.
    package static func host(ofURL url: String) -> String {
        let authority =
            url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false).dropFirst(2).first ?? ""
        let place = authority.prefix { $0 != "?" && $0 != "#" }.split(separator: "@").last ?? ""
        if place.hasPrefix("[") { return String(place.dropFirst().prefix { $0 != "]" }) }
        return String(place.prefix { $0 != ":" })
    }
}
