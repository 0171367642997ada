import Crypto
import Wire

/// The key of one secret, day, region and service, from which signatures are made. Deriving it takes four HMACs and
/// gives the same all day, so a server keeps it.
package struct SigningKey: Sendable {
    package let scope: CredentialScope
    /// Begun with the key: it is copied for each signature, since to begin costs as much as to sign.
    private let begun: HMAC<SHA256>

    package init(secret: String, scope: CredentialScope) {
        self.scope = scope
        var key = SymmetricKey(data: Array(("AWS4" + secret).utf8))
        for part in [scope.date, scope.region, scope.service, "aws4_request"] {
            key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key))
        }
        begun = HMAC(key: key)
    }

    /// The signature of a string to sign (or of a POST policy), in lower-case hexadecimal.
    package func signature(of text: [UInt8]) -> String { Hex.encode(Array(code(for: text))) }

    /// Whether `signature` (hexadecimal) is that of `text`. Takes as long for every wrong one of the right length.
    package func verifies(_ signature: String, of text: [UInt8]) -> Bool {
        guard let given = Hex.decode(signature) else { return false }
        return code(for: text) == given
    }

    private func code(for text: [UInt8]) -> HMAC<SHA256>.MAC {
        var code = begun
        code.update(data: text)
        return code.finalize()
    }
}
