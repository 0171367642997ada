import Crypto
package import Wire

/// The canonical form of a request (AWS Signature Version 4, "Create a canonical request"), as S3 has it: the path is
/// not normalised (`//` and `..` stay) and is encoded once.
package struct CanonicalRequest: Sendable {
    package let bytes: [UInt8]

    /// - Parameters:
    ///   - signedHeaders: lower-case names, sorted.
    ///   - payload: what stands for the body.
    ///   - omitting: a query parameter that is left out (the signature itself in a presigned URL).
    /// - Throws: `headerMissing` for a signed header that is not there, `malformed` for a path with broken encoding.
    package init(_ head: RequestHead, signedHeaders: [String], payload: String, omitting: String? = nil)
        throws(SignatureError)
    {
        var out: [UInt8] = []
        out.reserveCapacity(512)
        out.append(contentsOf: head.method.utf8)
        out.append(0x0A)
        try Self.path(head.path, into: &out)
        out.append(0x0A)
        Self.query(head.query, omitting: omitting, into: &out)
        out.append(0x0A)
        for name in signedHeaders { try Self.header(name, of: head, into: &out) }
        out.append(0x0A)
        out.append(contentsOf: signedHeaders.joined(separator: ";").utf8)
        out.append(0x0A)
        out.append(contentsOf: payload.utf8)
        bytes = out
    }

    /// What is signed: algorithm, time, scope and the hash of the canonical request.
    package func stringToSign(date: Timestamp, scope: CredentialScope) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(160)
        text.append(contentsOf: "AWS4-HMAC-SHA256\n".utf8)
        text.append(contentsOf: date.basic.utf8)
        text.append(0x0A)
        for part in [scope.date, scope.region, scope.service] {
            text.append(contentsOf: part.utf8)
            text.append(UInt8(ascii: "/"))
        }
        text.append(contentsOf: "aws4_request\n".utf8)
        SHA256.hash(data: bytes).withUnsafeBytes { Hex.append($0, to: &text) }
        return text
    }

    /// Decodes and encodes again byte by byte, so that clients that encode more or less than they should still agree.
    /// An encoded slash stays encoded: it is a part of its segment.
    private static func path(_ path: String, into out: inout [UInt8]) throws(SignatureError) {
        if path.utf8.first != UInt8(ascii: "/") { out.append(UInt8(ascii: "/")) }
        var iterator = path.utf8.makeIterator()
        while var c = iterator.next() {
            if c == UInt8(ascii: "/") {
                out.append(c)
                continue
            }
            if c == UInt8(ascii: "%") {
                guard let high = iterator.next().flatMap(Hex.value(of:)),
                    let low = iterator.next().flatMap(Hex.value(of:))
                else { throw SignatureError(.malformed, "in the path, % must be followed by two hexadecimal digits") }
                c = high << 4 | low
            }
            if PercentEncoding.isUnreserved(c) { out.append(c) } else { PercentEncoding.append(escaped: c, to: &out) }
        }
    }

    /// Sorted by the encoded name, then by the encoded value.
    static func query(_ query: QueryItems, omitting: String?, into out: inout [UInt8]) {
        var pairs: [(name: [UInt8], value: [UInt8])] = []
        pairs.reserveCapacity(query.items.count)
        for item in query.items where item.name != omitting {
            var pair: (name: [UInt8], value: [UInt8]) = ([], [])
            PercentEncoding.append(item.name, to: &pair.name)
            PercentEncoding.append(item.value ?? "", to: &pair.value)
            pairs.append(pair)
        }
        pairs.sort {
            $0.name == $1.name
                ? $0.value.lexicographicallyPrecedes($1.value) : $0.name.lexicographicallyPrecedes($1.name)
        }
        for (index, pair) in pairs.enumerated() {
            if index > 0 { out.append(UInt8(ascii: "&")) }
            out.append(contentsOf: pair.name)
            out.append(UInt8(ascii: "="))
            out.append(contentsOf: pair.value)
        }
    }

    private static func header(_ name: String, of head: RequestHead, into out: inout [UInt8]) throws(SignatureError) {
        out.append(contentsOf: name.utf8)
        out.append(UInt8(ascii: ":"))
        var count = 0
        for header in head.headers where header.name == name {
            if count > 0 { out.append(UInt8(ascii: ",")) }
            count += 1
            collapse(header.value, into: &out)
        }
        guard count > 0 else { throw SignatureError(.headerMissing, "the signed header \(name) is not in the request") }
        out.append(0x0A)
    }

    /// White space at both ends goes, a run of it inside becomes one space.
    private static func collapse(_ value: String, into out: inout [UInt8]) {
        let start = out.count
        var isSpacePending = false
        for c in value.utf8 {
            if c == 0x20 || c == 0x09 {
                isSpacePending = out.count > start
            } else {
                if isSpacePending { out.append(0x20) }
                isSpacePending = false
                out.append(c)
            }
        }
    }
}
