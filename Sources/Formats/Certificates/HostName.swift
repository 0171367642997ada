import Glibc
import SwiftASN1
import X509

/// What a client compares with the host it meant to reach: a DNS name or an IP address.
enum HostName {
    /// The entry of the subject's alternative names (RFC 5280 §4.2.1.6) for `host`: a DNS name, also `*.` before one,
    /// or an IPv4 or IPv6 literal, with or without brackets.
    static func generalName(_ host: String) throws(CertificatesError) -> GeneralName {
        if let address = address(host) { return .ipAddress(ASN1OctetString(contentBytes: address[...])) }
        guard isName(host) else {
            throw CertificatesError(
                .invalidParameter,
                "\(quoted(host)) is neither a DNS name (letters, digits, - and dots; xn-- for others) nor an IP address"
            )
        }
        return .dnsName(host.lowercased())
    }

    static func isAddress(_ text: String) -> Bool { address(text) != nil }

    /// The bytes of an IP literal, 4 or 16.
    private static func address(_ text: String) -> [UInt8]? {
        guard text.utf8.count <= 64, !text.utf8.contains(0) else { return nil }
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: four) { Array($0) } }
        let isBracketed = text.hasPrefix("[") && text.hasSuffix("]") && text.utf8.count > 2
        var six = in6_addr()
        guard inet_pton(AF_INET6, isBracketed ? String(text.dropFirst().dropLast()) : text, &six) == 1 else {
            return nil
        }
        return withUnsafeBytes(of: six) { Array($0) }
    }

    /// The literal of 4 or 16 bytes; nil for any other number.
    static func text(address bytes: [UInt8]) -> String? {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        var text = [CChar](repeating: 0, count: 64)
        guard inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &text, 64) != nil else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Whether `text` is a host name (RFC 1123 §2.1), its first label perhaps `*` (RFC 9525 §6.3).
    private static func isName(_ text: String) -> Bool {
        guard (1...253).contains(text.utf8.count) else { return false }
        var labels = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        if labels.count > 1, labels[0].elementsEqual([UInt8(ascii: "*")]) { labels.removeFirst() }
        // A last label of digits alone is a broken address, which no client would look up as a name.
        guard let last = labels.last, !last.allSatisfy(isDigit) else { return false }
        return labels.allSatisfy { label in
            (1...63).contains(label.count) && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
                && label.allSatisfy { isDigit($0) || $0 == UInt8(ascii: "-") || isLetter($0) }
        }
    }

    private static func isDigit(_ c: UInt8) -> Bool { (0x30...0x39).contains(c) }
    private static func isLetter(_ c: UInt8) -> Bool { (0x61...0x7A).contains(c | 0x20) }

    /// A value from outside as it may stand in a message: short, and without control characters.
    static func quoted(_ text: String) -> String {
        "\"" + String(String.UnicodeScalarView(text.unicodeScalars.prefix(80).map { $0.value < 0x20 ? " " : $0 }))
            + "\""
    }
}
