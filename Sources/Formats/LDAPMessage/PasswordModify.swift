/// The request for another password (RFC 3062).
package struct PasswordModify: Sendable, Equatable {
    package static let oid = "1.3.6.1.4.1.4203.1.11.1"

    /// Whose; nil for whoever asks.
    package var user: String?
    package var old: String?
    /// Nil lets the server make one.
    package var new: String?

    /// - Throws: ``LDAPError`` `.protocolError`.
    package init(_ value: [UInt8]?) throws(LDAPError) {
        guard let value else { return }
        var outer = BERReader(value[...])
        var reader = try outer.reader()
        if reader.nextTag == 0x80 { user = try reader.string(0x80) }
        if reader.nextTag == 0x81 { old = try reader.string(0x81) }
        if reader.nextTag == 0x82 { new = try reader.string(0x82) }
        guard reader.isAtEnd, outer.isAtEnd else { throw .malformed("something follows the new password") }
    }

    /// The answer's value: the password that was made.
    package static func response(generated: String) -> [UInt8] {
        var writer = BERWriter(capacity: 64)
        writer.constructed { $0.string(generated, tag: 0x80) }
        return writer.bytes
    }
}
