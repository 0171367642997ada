import Glibc
import Wire

/// A `pkcs11:` URI (RFC 7512) that names an AES key in a token, the module that reaches it, and where its PIN is.
///
/// `pkcs11:token=martlet;object=master?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/martlet/pin`
package struct PKCS11URI: Sendable {
    package private(set) var token: String?
    package private(set) var manufacturer: String?
    package private(set) var model: String?
    package private(set) var serial: String?
    package private(set) var object: String?
    package private(set) var id: [UInt8]?
    package private(set) var modulePath = ""
    private var pinSource: String?
    private var pinValue: String?

    /// Longest URI that is read.
    private static let bytesMax = 4096

    /// - Throws: ``VaultError`` for what is no such URI, an attribute that is not known or given twice, or a key that
    ///   is not named well enough. The PIN is in no message.
    package init(_ text: String) throws {
        guard text.hasPrefix("pkcs11:"), text.utf8.count <= Self.bytesMax else {
            throw VaultError("a token's key is named by a URI that begins with 'pkcs11:' (RFC 7512)")
        }
        let halves = text.dropFirst(7).split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var seen: Set<String> = []
        for pair in halves[0].split(separator: ";") { try setPath(Self.attribute(pair, &seen)) }
        if halves.count == 2 {
            for pair in halves[1].split(separator: "&") { try setQuery(Self.attribute(pair, &seen)) }
        }
        guard token != nil || serial != nil else { throw VaultError("the pkcs11: URI names no token: add token=LABEL") }
        guard object != nil || id != nil else {
            throw VaultError("the pkcs11: URI names no key: add object=LABEL or id=%01")
        }
        guard modulePath.hasPrefix("/") else {
            throw VaultError("the pkcs11: URI names no module: add ?module-path=/usr/lib/…/module.so")
        }
        guard pinSource == nil || pinValue == nil else {
            throw VaultError("the pkcs11: URI has both pin-source and pin-value: one is enough")
        }
    }

    private static func attribute(_ pair: Substring, _ seen: inout Set<String>) throws -> (name: String, value: [UInt8])
    {
        let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0])
        guard parts.count == 2, let value = decode(parts[1].utf8), value.count <= 1024 else {
            throw VaultError("the pkcs11: URI has an attribute '\(name.prefix(40))' that is not NAME=VALUE")
        }
        guard seen.insert(name).inserted else {
            throw VaultError("the pkcs11: URI has the attribute '\(name.prefix(40))' twice")
        }
        return (name, value)
    }

    private static func decode(_ text: Substring.UTF8View) -> [UInt8]? {
        var out: [UInt8] = []
        var rest = text[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                out.append(byte)
                continue
            }
            guard rest.count >= 2, let decoded = Hex.decode(String(decoding: rest.prefix(2), as: UTF8.self)) else {
                return nil
            }
            out += decoded
            rest = rest.dropFirst(2)
        }
        return out
    }

    private mutating func setPath(_ attribute: (name: String, value: [UInt8])) throws {
        let text = String(decoding: attribute.value, as: UTF8.self)
        switch attribute.name {
        case "token": token = try Self.checked(text, "token", 32)
        case "manufacturer": manufacturer = try Self.checked(text, "manufacturer", 32)
        case "model": model = try Self.checked(text, "model", 16)
        case "serial": serial = try Self.checked(text, "serial", 16)
        case "object": object = try Self.checked(text, "object", 255)
        case "id": id = attribute.value
        case "type":
            guard text == "secret-key" else {
                throw VaultError("the pkcs11: URI names a '\(text.prefix(20))'; the master key is a secret-key")
            }
        default:
            // RFC 7512, 2.3: what is not understood must not be taken for a match.
            throw VaultError(
                "the pkcs11: URI has the attribute '\(attribute.name.prefix(40))'; known are token, manufacturer, model, serial, object, id and type"
            )
        }
    }

    private static func checked(_ text: String, _ name: String, _ countMax: Int) throws -> String {
        guard !text.isEmpty, text.utf8.count <= countMax, !text.utf8.contains(0) else {
            throw VaultError("the pkcs11: URI's \(name) has 1 to \(countMax) bytes")
        }
        return text
    }

    private mutating func setQuery(_ attribute: (name: String, value: [UInt8])) throws {
        let text = String(decoding: attribute.value, as: UTF8.self)
        switch attribute.name {
        case "module-path": modulePath = text
        case "pin-value": pinValue = text
        case "pin-source":
            let path = text.hasPrefix("file:") ? String(text.dropFirst(5)) : text
            let plain = path.hasPrefix("//") ? String(path.dropFirst(2)) : path
            guard plain.hasPrefix("/") else {
                throw VaultError("the pkcs11: URI's pin-source is file:/PATH; programs are not run")
            }
            pinSource = plain
        default:
            throw VaultError(
                "the pkcs11: URI has the attribute '\(attribute.name.prefix(40))'; known are module-path, pin-source and pin-value"
            )
        }
    }

    /// The key as people see it: without the PIN.
    package var description: String {
        let names = [
            token.map { "token \($0)" }, serial.map { "serial \($0)" }, object.map { "key \($0)" },
            id.map { "id \(Hex.encode($0))" },
        ]
        return "pkcs11 " + names.compactMap { $0 }.joined(separator: ", ")
    }

    /// Reads the PIN anew each time that it is needed, so that it is not kept; nil where the URI names none.
    func pin() throws -> [UInt8]? {
        if let pinValue { return Array(pinValue.utf8) }
        guard let pinSource else { return nil }
        let fd = open(pinSource, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else {
            throw VaultError("cannot read the token's PIN in \(pinSource): \(String(cString: strerror(errno)))")
        }
        defer { close(fd) }
        var status = stat()
        guard fstat(fd, &status) == 0, status.st_mode & 0o007 == 0 else {
            throw VaultError("the PIN in \(pinSource) can be read by others: set its mode to 0600")
        }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(fd, &bytes, bytes.count)
        defer { wipe(&bytes) }
        let pin = Array(bytes.prefix(max(0, count)).prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") })
        guard !pin.isEmpty else { throw VaultError("\(pinSource) does not hold a PIN in its first line") }
        return pin
    }
}
