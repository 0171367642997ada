import Wire

/// A mail server that takes messages in (RFC 6409), as the address of a setting names it.
package struct SMTPServer: Sendable {
    package enum Security: Sendable {
        /// TLS from the first byte: `smtps:`.
        case implicit
        /// STARTTLS (RFC 3207), or no message: `smtp:`.
        case startTLS
        /// None: only on this machine.
        case none
    }

    package var host: String
    package var port: Int
    package var security: Security
    /// For AUTH PLAIN (RFC 4616); nil where the server wants none.
    package var credentials: (name: String, password: String)?

    /// Reads `smtp://USER:PASSWORD@HOST:PORT` (STARTTLS; not asked for on this machine itself) or `smtps://…`.
    ///
    /// - Throws: ``SMTPError`` `.invalidAddress`.
    package init(_ url: String) throws(SMTPError) {
        func invalid() -> SMTPError {
            SMTPError(.invalidAddress, "a mail server is smtp://USER:PASSWORD@HOST:PORT or smtps://…")
        }
        let isImplicit = url.hasPrefix("smtps://")
        guard isImplicit || url.hasPrefix("smtp://") else { throw invalid() }
        var rest = url.dropFirst(isImplicit ? 8 : 7)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        if let at = rest.lastIndex(of: "@") {
            let pair = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard pair.count == 2, let name = PercentEncoding.decode(pair[0]),
                let password = PercentEncoding.decode(pair[1]), !name.isEmpty,
                !name.utf8.contains(0), !password.utf8.contains(0)
            else { throw invalid() }
            credentials = (name, password)
            rest = rest[rest.index(after: at)...]
        }
        let isNumbered = rest.hasPrefix("[")
        let host = isNumbered ? rest.dropFirst().prefix { $0 != "]" } : rest.prefix { $0 != ":" }
        let end = rest.dropFirst(host.count + (isNumbered ? 2 : 0))
        let isFine = host.utf8.allSatisfy { PercentEncoding.isUnreserved($0) || isNumbered && $0 == UInt8(ascii: ":") }
        guard !host.isEmpty, isFine, end.isEmpty || end.hasPrefix(":") else { throw invalid() }
        self.host = String(host)
        let isHere = self.host == "localhost" || self.host == "127.0.0.1" || self.host == "::1"
        security = isImplicit ? .implicit : isHere ? .none : .startTLS
        if end.isEmpty {
            port = isImplicit ? 465 : 587
        } else {
            guard let port = Int(end.dropFirst()), (1...65_535).contains(port) else { throw invalid() }
            self.port = port
        }
    }
}

/// Why a message was not taken.
package struct SMTPError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable {
        case invalidAddress
        /// Nobody answers, or not in this protocol, or without TLS.
        case unavailable
        /// Not now (4xx).
        case deferred
        /// Never (5xx).
        case refused
    }

    package var code: Code
    package var description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
