/// Why what an authenticator or a browser sent was not taken.
package struct WebAuthnError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable {
        /// It is not what the standard says it looks like.
        case malformed
        /// It is well-formed and not right: another site's, an old one, without the person having been asked.
        case refused
        /// A key of a kind that is not known here.
        case unsupported
    }

    package var code: Code
    package var message: String

    package var description: String { message }

    static func malformed(_ message: String) -> WebAuthnError { WebAuthnError(code: .malformed, message: message) }
    static func refused(_ message: String) -> WebAuthnError { WebAuthnError(code: .refused, message: message) }
    static func unsupported(_ message: String) -> WebAuthnError { WebAuthnError(code: .unsupported, message: message) }
}
