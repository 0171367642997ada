import Crypto
import Wire

/// An OpenPGP certificate (a transferable public key, RFC 4880 §11.1), as far as it takes to know which key it is:
/// what is signed by it, programs made for that verify.
package struct OpenPGPKey: Hashable, Sendable {
    /// Its packets.
    package let bytes: [UInt8]
    /// Of the primary key: 40 upper-case hexadecimal digits (RFC 4880 §12.2).
    package let fingerprint: String
    /// Its first name, such as `Ada <ada@example.org>`; empty where it has none.
    package let userID: String

    package static let bytesMax = 64 << 10
    /// Of a key by RSA or DSA.
    private static let bitsMin = 2048

    /// - Parameter bytes: binary, or in ASCII armour.
    /// - Throws: ``TraceError`` `malformed` for anything but one public key of version 4, `tooLarge`.
    package init(_ given: [UInt8]) throws(TraceError) {
        guard given.count <= Self.bytesMax else {
            throw TraceError(.tooLarge, "an OpenPGP key has at most \(Self.bytesMax) bytes")
        }
        let bytes = given.starts(with: "-----BEGIN".utf8) ? try Self.unarmoured(given) : given
        var rest = bytes[...]
        var (fingerprint, userID) = ("", "")
        while !rest.isEmpty {
            let (tag, body) = try Self.packet(&rest)
            switch tag {
            case 6:
                guard fingerprint.isEmpty else { throw Self.malformed("it holds more than one key") }
                fingerprint = try Self.fingerprint(of: body)
            case 5, 7:
                throw Self.malformed("it holds a secret key, which must not leave its owner: export the public one")
            case 13 where userID.isEmpty:
                userID = String(decoding: body.prefix(256), as: UTF8.self).filter {
                    $0.isLetter || $0.isASCII && $0 >= " "
                }
            default: break
            }
            guard !fingerprint.isEmpty else { throw Self.malformed("it begins with no public key") }
        }
        guard !fingerprint.isEmpty else { throw Self.malformed("it is empty") }
        self.bytes = bytes
        self.fingerprint = fingerprint
        self.userID = userID
    }

    private static func malformed(_ why: String) -> TraceError {
        TraceError(.malformed, "not an OpenPGP public key, as gpg --export gives it: \(why)")
    }

    /// Takes a packet (RFC 4880 §4.2).
    private static func packet(_ rest: inout ArraySlice<UInt8>) throws(TraceError) -> (tag: UInt8, ArraySlice<UInt8>) {
        func number(_ count: Int) throws(TraceError) -> Int {
            guard rest.count >= count else { throw malformed("a packet ends too early") }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
        }
        let head = try number(1)
        guard head & 0x80 != 0 else { throw malformed("a byte that begins no packet") }
        let tag: Int
        let length: Int
        if head & 0x40 != 0 {
            tag = head & 0x3F
            switch try number(1) {
            case let first where first < 192: length = first
            case let first where first < 224: length = (first - 192) << 8 + 192 + (try number(1))
            case 255: length = try number(4)
            default: throw malformed("a packet in parts")
            }
        } else {
            tag = head >> 2 & 0x0F
            guard head & 3 < 3 else { throw malformed("a packet without a length") }
            length = try number(1 << (head & 3))
        }
        guard rest.count >= length else { throw malformed("a packet ends too early") }
        defer { rest = rest.dropFirst(length) }
        return (UInt8(tag), rest.prefix(length))
    }

    private static func fingerprint(of body: ArraySlice<UInt8>) throws(TraceError) -> String {
        let bytes = Array(body)
        guard bytes.count > 8, bytes.count <= 0xFFFF, bytes[0] == 4 else {
            throw malformed("its version is not 4, which is the one that all programs know")
        }
        // RSA (1 to 3) and DSA (17) begin with the modulus, which says how strong they are.
        let bits = Int(bytes[6]) << 8 | Int(bytes[7])
        guard ![1, 2, 3, 17].contains(bytes[5]) || bits >= bitsMin else {
            throw TraceError(.malformed, "an OpenPGP key of \(bits) bits is too weak: \(bitsMin) are needed")
        }
        let length = [UInt8(bytes.count >> 8), UInt8(bytes.count & 0xFF)]
        return Hex.encode(Array(Insecure.SHA1.hash(data: [0x99] + length + bytes))).uppercased()
    }

    /// The bytes in ASCII armour (RFC 4880 §6.2). The checksum at its end is passed over: packets show damage
    /// themselves.
    private static func unarmoured(_ text: [UInt8]) throws(TraceError) -> [UInt8] {
        let lines = String(decoding: text, as: UTF8.self).split(omittingEmptySubsequences: false) { $0.isNewline }
        guard lines.first == "-----BEGIN PGP PUBLIC KEY BLOCK-----",
            let end = lines.firstIndex(of: "-----END PGP PUBLIC KEY BLOCK-----"),
            lines[lines.index(after: end)...].allSatisfy(\.isEmpty), let start = lines.firstIndex(where: \.isEmpty),
            start < end
        else { throw malformed("no PUBLIC KEY BLOCK, or more than one") }
        let body = lines[start..<end].filter { !$0.hasPrefix("=") }.joined()
        guard let bytes = Base64.decode(body) else { throw malformed("its armour is not Base64") }
        return bytes
    }
}
