/// The control of simple paged results (RFC 2696).
package struct PagedResults: Sendable, Equatable {
    package static let oid = "1.2.840.113556.1.4.319"

    /// Entries a page in a request; how many there are in all, or 0, in an answer.
    package var size: Int64
    /// Where the next page begins, in words of the server; empty at the beginning and at the end.
    package var cookie: [UInt8]

    package init(size: Int64, cookie: [UInt8]) {
        self.size = size
        self.cookie = cookie
    }

    /// - Throws: ``LDAPError`` `.protocolError`.
    package init(_ value: [UInt8]?) throws(LDAPError) {
        var outer = BERReader((value ?? [])[...])
        var reader = try outer.reader()
        self.init(size: try reader.integer(), cookie: try reader.octets())
        guard size >= 0 else { throw .malformed("a page has at least 0 entries") }
    }

    package var control: Control {
        var writer = BERWriter(capacity: 32)
        writer.constructed {
            $0.integer(size)
            $0.octets(cookie)
        }
        return Control(type: Self.oid, value: writer.bytes)
    }
}
