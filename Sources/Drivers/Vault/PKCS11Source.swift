import CPKCS11
package import Ciphers
import Glibc
import Synchronization

/// A master key in a PKCS#11 token, which it never leaves: root keys are sealed and opened inside the token.
///
/// Each call is a session of its own, with the PIN read anew, so that neither a PIN nor a login stays in the process.
package struct PKCS11Source: MasterSource {
    /// How the token seals.
    package enum Method: UInt8, Sendable {
        /// AES-GCM; the label is authenticated.
        case gcm = 1
        /// RFC 5649, which authenticates nothing besides the key: a digest of the label is wrapped with it.
        case keyWrapPad = 2
    }

    package let uri: PKCS11URI
    private let method: Method

    package var description: String { uri.description }
    package var direct: AEADKey? { nil }

    /// The module is one for the whole process, and some bear no two threads.
    private static let turn = Mutex(())

    /// Finds the key in its token.
    ///
    /// - Parameter method: nil takes GCM if the token has it.
    /// - Throws: ``VaultError`` that says whether the module, the token, the PIN or the key is missing.
    package static func open(_ uri: PKCS11URI, method: Method? = nil) throws -> PKCS11Source {
        let found = try session(uri) { session in
            try check(choose(session, uri), uri)
            return cpkcs11_has_gcm(session) == 1
                ? Method.gcm : cpkcs11_has_key_wrap_pad(session) == 1 ? Method.keyWrapPad : nil
        }
        guard let method = method ?? found else {
            throw VaultError("\(uri.description): the token has neither AES-GCM nor AES key wrap with padding")
        }
        return PKCS11Source(uri: uri, method: method)
    }

    /// Makes the key that the URI names.
    ///
    /// - Throws: ``VaultError`` where there is one already, or the token makes none.
    package static func create(_ uri: PKCS11URI) throws -> PKCS11Source {
        try session(uri, writes: true) { session in
            guard choose(session, uri) == UInt(CPKCS11_NO_KEY.rawValue) else {
                throw VaultError("\(uri.description): there is such a key already; it is left as it is")
            }
            try check(named(uri) { cpkcs11_generate(session, $0) }, uri)
        }
        return try open(uri)
    }

    // MARK: Sealing

    /// A byte for the method; for GCM 12 bytes of nonce, the ciphertext and 16 bytes of tag behind it.
    package func wrap(_ root: AEADKey, label: String) throws -> [UInt8] {
        var plain = root.withUnsafeBytes { Array($0) }
        defer { wipe(&plain) }
        let nonce = randomBytes(12)
        if method == .keyWrapPad { plain += Self.digest(label) }
        let sealed = try run(method, seals: true, nonce, label, plain)
        return [method.rawValue] + (method == .gcm ? nonce : []) + sealed
    }

    package func unwrap(_ sealed: [UInt8], label: String) throws -> AEADKey {
        guard let first = sealed.first, let method = Method(rawValue: first), sealed.count > 13, sealed.count <= 256
        else { throw VaultError("\(label) was not wrapped by a token: it belongs to another master key") }
        let nonceCount = method == .gcm ? 12 : 0
        var plain = try run(
            method, seals: false, Array(sealed.dropFirst().prefix(nonceCount)), label,
            Array(sealed.dropFirst(1 + nonceCount)))
        defer { wipe(&plain) }
        var key = Array(plain.prefix(AEADKey.byteCount))
        defer { wipe(&key) }
        guard method == .gcm ? plain.count == 32 : plain.count == 64 && Array(plain.suffix(32)) == Self.digest(label)
        else { throw VaultError("\(label) does not open with \(description): it was wrapped for another purpose") }
        return try AEADKey(key)
    }

    private static func digest(_ label: String) -> [UInt8] { DigestAlgorithm.sha256.hash(Array(label.utf8)) }

    private func run(
        _ method: Method, seals: Bool, _ nonce: [UInt8], _ label: String, _ bytes: [UInt8]
    ) throws -> [UInt8] {
        try Self.session(uri) { session in
            try Self.check(Self.choose(session, uri), uri)
            var out = [UInt8](repeating: 0, count: 256)
            defer { wipe(&out) }
            var count = out.count
            let authenticated = Array(label.utf8)
            let outcome =
                switch method {
                case .gcm:
                    cpkcs11_gcm(
                        session, seals ? 1 : 0, nonce, authenticated, authenticated.count, bytes, bytes.count, &out,
                        &count)
                case .keyWrapPad:
                    cpkcs11_key_wrap_pad(session, seals ? 1 : 0, bytes, bytes.count, &out, &count)
                }
            guard outcome == 0 || seals else {
                throw VaultError(
                    "\(label) does not open with \(uri.description) (\(Self.meaning(outcome))): it was altered, or wrapped by another key"
                )
            }
            try Self.check(outcome, uri)
            return Array(out.prefix(count))
        }
    }

    // MARK: Sessions

    static func session<T>(
        _ uri: PKCS11URI, writes: Bool = false, _ body: (OpaquePointer) throws -> T
    ) throws -> T {
        var pin = try uri.pin() ?? []
        defer { wipe(&pin) }
        return try turn.withLock { _ in
            var session: OpaquePointer?
            try check(open(uri, pin, writes, &session), uri)
            guard let session else { throw VaultError("\(uri.description): the token gave no session") }
            defer { cpkcs11_close(session) }
            return try body(session)
        }
    }

    private static func open(
        _ uri: PKCS11URI, _ pin: [UInt8], _ writes: Bool, _ session: inout OpaquePointer?
    ) -> UInt {
        withText(uri.token) { label in
            withText(uri.manufacturer) { manufacturer in
                withText(uri.model) { model in
                    withText(uri.serial) { serial in
                        var token = cpkcs11_token(
                            label: label, manufacturer: manufacturer, model: model, serial: serial)
                        guard !pin.isEmpty else {
                            return cpkcs11_open(uri.modulePath, &token, nil, 0, writes ? 1 : 0, &session)
                        }
                        return cpkcs11_open(uri.modulePath, &token, pin, pin.count, writes ? 1 : 0, &session)
                    }
                }
            }
        }
    }

    private static func withText<T>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> T) -> T {
        guard let text else { return body(nil) }
        return text.withCString { body($0) }
    }

    private static func choose(_ session: OpaquePointer, _ uri: PKCS11URI) -> UInt {
        named(uri) { cpkcs11_choose(session, $0) }
    }

    static func named(_ uri: PKCS11URI, _ body: (UnsafePointer<cpkcs11_key>) -> UInt) -> UInt {
        withText(uri.object) { label in
            (uri.id ?? []).withUnsafeBufferPointer { id in
                var key = cpkcs11_key(label: label, id: uri.id == nil ? nil : id.baseAddress, id_count: id.count)
                return body(&key)
            }
        }
    }

    static func check(_ outcome: UInt, _ uri: PKCS11URI) throws {
        guard outcome != 0 else { return }
        throw VaultError("\(uri.description), by \(uri.modulePath): \(meaning(outcome))")
    }

    /// What a CK_RV means for whoever runs the node.
    private static func meaning(_ outcome: UInt) -> String {
        switch UInt32(truncatingIfNeeded: outcome) {
        case UInt32(CPKCS11_NO_MODULE.rawValue): "the module cannot be loaded, or is no PKCS#11 module"
        case UInt32(CPKCS11_NO_TOKEN.rawValue): "there is no such token"
        case UInt32(CPKCS11_SEVERAL_TOKENS.rawValue): "several tokens match: name its serial too"
        case UInt32(CPKCS11_NO_KEY.rawValue):
            "there is no such AES key in the token, or the PIN is missing; 'martlet keys init' makes one"
        case UInt32(CPKCS11_SEVERAL_KEYS.rawValue): "several keys match: name its id too"
        case UInt32(CPKCS11_NOT_256_BITS.rawValue): "the key has not 256 bits"
        case 0xA0: "the PIN is wrong"
        case 0xA4: "the PIN is locked"
        case 0x101: "the token wants a login: the URI has no pin-source"
        case 0xE0: "the token is not there any more"
        case 0xA1, 0xA2: "the PIN is not of the form that the token wants"
        default: "the token answers 0x\(String(outcome, radix: 16))"
        }
    }
}
