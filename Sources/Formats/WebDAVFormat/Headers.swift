/// The `Depth` header (RFC 4918 §10.2).
package enum Depth: String, Sendable {
    case zero = "0", one = "1", infinity

    /// - Throws: ``WebDAVFormatError`` for another value.
    package init(header: String?, default other: Depth) throws(WebDAVFormatError) {
        guard let header else {
            self = other
            return
        }
        guard let depth = Depth(rawValue: header.lowercased()) else {
            throw WebDAVFormatError("Depth is 0, 1 or infinity, not '\(header.prefix(40))'")
        }
        self = depth
    }
}

/// The `Timeout` header (RFC 4918 §10.7): what a client wishes, first choice first.
package enum LockTimeout {
    /// Where a client wishes nothing: ten minutes.
    package static let defaultSeconds: Int64 = 600

    /// The first of the wishes that is understood, in seconds.
    package static func seconds(header: String?) -> Int64 {
        for wish in (header ?? "").split(separator: ",") {
            let wish = wish.filter { $0 != " " }.lowercased()
            if wish == "infinite" { return .max }
            if wish.hasPrefix("second-"), let seconds = Int64(wish.dropFirst(7)), seconds > 0 { return seconds }
        }
        return defaultSeconds
    }
}

/// A URI that names a resource of this server: of the `Destination` header (RFC 4918 §10.3) or in an `If` header.
package enum LocalURI {
    /// Its path, still percent-encoded; nil where it is of another server.
    ///
    /// - Parameter host: what the request's `Host` header says. A proxy may have ended TLS, so schemes are not
    ///   compared.
    package static func path(_ uri: String, host: String?) -> String? {
        if uri.hasPrefix("/"), !uri.hasPrefix("//") { return withoutQuery(uri[...]) }
        for scheme in ["http://", "https://"] where uri.lowercased().hasPrefix(scheme) {
            let rest = uri.dropFirst(scheme.count)
            let slash = rest.firstIndex(of: "/") ?? rest.endIndex
            guard let host, bare(rest[..<slash].lowercased()) == bare(host.lowercased()) else { return nil }
            return slash == rest.endIndex ? "/" : withoutQuery(rest[slash...])
        }
        return nil
    }

    /// Without a port that is the scheme's own.
    private static func bare(_ host: String) -> String {
        for port in [":80", ":443"] where host.hasSuffix(port) { return String(host.dropLast(port.count)) }
        return host
    }

    private static func withoutQuery(_ path: Substring) -> String {
        String(path.prefix { $0 != "?" && $0 != "#" })
    }
}

/// The `Overwrite` header (RFC 4918 §10.6): true unless it says `F`.
package enum Overwrite {
    package static func value(header: String?) throws(WebDAVFormatError) -> Bool {
        switch header?.uppercased() {
        case nil, "T": return true
        case "F": return false
        default: throw WebDAVFormatError("Overwrite is T or F")
        }
    }
}

/// The value of a `Lock-Token` header (RFC 4918 §10.5): a URI in angle brackets.
package enum LockTokenHeader {
    package static func token(_ header: String) throws(WebDAVFormatError) -> String {
        let text = header.trimmed
        guard text.hasPrefix("<"), text.hasSuffix(">"), text.utf8.count > 2 else {
            throw WebDAVFormatError("a Lock-Token is a URI in angle brackets")
        }
        return String(text.dropFirst().dropLast())
    }
}

extension String {
    fileprivate var trimmed: Substring {
        var text = self[...]
        while text.first == " " { text = text.dropFirst() }
        while text.last == " " { text = text.dropLast() }
        return text
    }
}
