package import Certificates
package import NIOCore
package import NIOHTTP1
package import Wire

/// One HTTP request as a face sees it: parsed no further than every face needs.
package struct Request: Sendable {
    package var method: HTTPMethod
    /// The path exactly as received, still percent-encoded: signatures are computed over it.
    package var rawPath: String
    /// The query exactly as received, without the question mark.
    package var rawQuery: String
    /// The decoded query, or nil where its percent-encoding is broken.
    package let query: QueryItems?
    package var headers: HTTPHeaders
    package var body: RequestBody
    package var connection: ConnectionInfo
    /// Names this request in logs and answers.
    package var id: String

    package init(
        method: HTTPMethod, target: String, headers: HTTPHeaders, body: RequestBody, connection: ConnectionInfo,
        id: String
    ) {
        self.method = method
        // An absolute-form target (RFC 9112 §3.2.2) is reduced to its path.
        var rest = Substring(target)
        if !rest.hasPrefix("/"), let scheme = rest.range(of: "://") {
            rest = rest[scheme.upperBound...]
            rest = rest.firstIndex(where: { $0 == "/" || $0 == "?" }).map { rest[$0...] } ?? "/"
        }
        if let mark = rest.utf8.firstIndex(of: UInt8(ascii: "?")) {
            rawPath = String(rest[..<mark])
            rawQuery = String(rest[rest.utf8.index(after: mark)...])
        } else {
            rawPath = String(rest)
            rawQuery = ""
        }
        query = rawQuery.isEmpty ? QueryItems() : QueryItems(parsing: rawQuery)
        self.headers = headers
        self.body = body
        self.connection = connection
        self.id = id
    }

    /// The decoded segments of the path, without empty ones; nil where the percent-encoding is broken, or hides a NUL
    /// character, which no name contains.
    package var segments: [String]? {
        var out: [String] = []
        for part in rawPath.split(separator: "/") {
            guard let text = PercentEncoding.decode(part), !text.utf8.contains(0) else { return nil }
            out.append(text)
        }
        return out
    }

    /// The first value of a header.
    package func header(_ name: String) -> String? { headers.first(name: name) }

    /// What follows a scheme in the `Authorization` header (RFC 9110 §11.4), without spaces around it; nil for another
    /// scheme. By bytes, since each request is asked for several.
    package func credentials(_ scheme: String) -> Substring? {
        guard let header = header("authorization") else { return nil }
        let utf8 = header.utf8
        // Schemes are letters, and only letters differ by this bit from letters.
        guard utf8.count > scheme.utf8.count, zip(utf8, scheme.utf8).allSatisfy({ $0 | 0x20 == $1 | 0x20 }) else {
            return nil
        }
        let end = utf8.index(utf8.startIndex, offsetBy: scheme.utf8.count)
        guard utf8[end] == 0x20 else { return nil }
        return header[end...].trimmingSpaces
    }

    /// `https://host:port` as the client addressed this node: also where a proxy has ended TLS that answers for the
    /// node's public address.
    package var origin: String {
        let host = header("host") ?? connection.localAddress
        if let known = connection.publicURL, known.hasSuffix("://" + host) { return known }
        return (connection.isSecure ? "https://" : "http://") + host
    }
}

extension Substring {
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}

/// What is known of the connection that a request came by.
package struct ConnectionInfo: Sendable {
    /// The peer's address without its port, as text; empty for a unix socket.
    package var remoteAddress: String
    /// `host:port` on our side.
    package var localAddress: String
    package var isSecure: Bool
    /// `https://host[:port]` by which clients know the node, where that was said.
    package var publicURL: String?
    /// What the client showed, whoever issued it: ``Authenticator`` tells whose it is.
    package var certificate: PresentedCertificate?

    /// `host:port` of one of our own addresses.
    package static func place(_ address: SocketAddress?) -> String {
        (address?.ipAddress ?? "localhost") + (address?.port.map { ":\($0)" } ?? "")
    }

    /// Whether the peer is this machine itself.
    package var isLoopback: Bool { remoteAddress.isEmpty || Self.isLoopback(remoteAddress) }

    /// Whether an address, without its port, is one of this machine alone.
    package static func isLoopback(_ address: String) -> Bool {
        address == "::1" || address.hasPrefix("127.") || address.hasPrefix("::ffff:127.")
    }

    package init(
        remoteAddress: String, localAddress: String, isSecure: Bool, publicURL: String? = nil,
        certificate: PresentedCertificate? = nil
    ) {
        self.remoteAddress = remoteAddress
        self.localAddress = localAddress
        self.isSecure = isSecure
        self.publicURL = publicURL
        self.certificate = certificate
    }
}

/// What a face does with a request. It never throws: a face renders its own errors in its protocol's form.
package typealias Responder = @Sendable (Request) async -> Response
