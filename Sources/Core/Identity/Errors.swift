/// Why an act of identity management or a login was refused.
package struct IdentityError: Error, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        case invalidName, exists, notFound, invalidCredentials, disabled, rateLimited, weakPassword, expired,
            invalidToken, limit, conflict, unreachable
        /// The password is right, and a code of the account's app is needed as well.
        case codeNeeded
        /// The token is another issuer's.
        case otherIssuer
        /// The account has not signed the acceptable-use policy, or too long ago.
        case agreementNeeded
    }

    package var code: Code
    package var message: String
    /// Seconds until another attempt is let in, for `.rateLimited`; nil where the node is only busy for a moment.
    package var retryAfter: Int64?

    package init(_ code: Code, _ message: String, retryAfter: Int64? = nil) {
        self.code = code
        self.message = message
        self.retryAfter = retryAfter
    }

    package var description: String { message }

    /// One answer for a wrong password, an unknown account and a disabled one: nobody learns which accounts exist.
    static let invalidCredentials = IdentityError(.invalidCredentials, "the name or the password is wrong")
}
