/// Why the provider refused something, in the words of OAuth 2.0 (RFC 6749 §4.1.2.1 and §5.2, and its extensions).
package struct OAuthError: Error, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        case invalidRequest = "invalid_request"
        case invalidClient = "invalid_client"
        case invalidGrant = "invalid_grant"
        case unauthorizedClient = "unauthorized_client"
        case unsupportedGrantType = "unsupported_grant_type"
        case unsupportedResponseType = "unsupported_response_type"
        case unsupportedTokenType = "unsupported_token_type"
        case invalidScope = "invalid_scope"
        case invalidTarget = "invalid_target"
        case accessDenied = "access_denied"
        case loginRequired = "login_required"
        case consentRequired = "consent_required"
        case requestNotSupported = "request_not_supported"
        case invalidRequestObject = "invalid_request_object"
        case invalidRequestURI = "invalid_request_uri"
        case unmetAuthentication = "unmet_authentication_requirements"
        case authorizationPending = "authorization_pending"
        case slowDown = "slow_down"
        case expiredToken = "expired_token"
        case useDPoPNonce = "use_dpop_nonce"
        case invalidDPoPProof = "invalid_dpop_proof"
        case invalidRedirectURI = "invalid_redirect_uri"
        case invalidClientMetadata = "invalid_client_metadata"
        case invalidToken = "invalid_token"
        case temporarilyUnavailable = "temporarily_unavailable"
        case insufficientScope = "insufficient_scope"
    }

    package var code: Code
    package var message: String
    /// Seconds until another attempt is let in.
    package var retryAfter: Int64?
    /// For `.useDPoPNonce`: the nonce to use.
    package var nonce: String?

    package init(_ code: Code, _ message: String, retryAfter: Int64? = nil, nonce: String? = nil) {
        self.code = code
        self.message = message
        self.retryAfter = retryAfter
        self.nonce = nonce
    }

    package var description: String { "\(code.rawValue): \(message)" }
}
