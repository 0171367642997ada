import Crypto
import Wire

/// The key of one secret, day, region and service, from which signatures are made. Deriving it takes four HMACs and
/// gives the same all day, so a server keeps it.
package struct SigningKey: Sendable {
    package let scope: CredentialScope
    private let key: SymmetricKey

    package init(secret: String, scope: CredentialScope) {
        self.scope = scope
        var key = SymmetricKey(data: Array(("AWS4" + secret).utf8))
        for part in [scope.date, scope.region, scope.service, "aws4_request"] {
            key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key))
        }
        self.key = key
    }

    /// The signature of a string to sign (or of a POST policy), in lower-case hexadecimal.
    package func signature(of text: [UInt8]) -> String {
        Hex.encode(Array(HMAC<SHA256>.authenticationCode(for: text, using: key)))
    }

    /// Whether `signature` (hexadecimal) is that of `text`. Takes as long for every wrong one.
    package func verifies(_ signature: String, of text: [UInt8]) -> Bool {
        guard let given = Hex.decode(signature), given.count == SHA256.byteCount else { return false }
        var difference: UInt8 = 0
        for (a, b) in zip(given, HMAC<SHA256>.authenticationCode(for: text, using: key)) {
            difference |= a ^ b
        }
        return difference == 0
    }
}
