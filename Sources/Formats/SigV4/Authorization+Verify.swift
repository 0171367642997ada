package import Wire

extension Authorization {
    /// How far the clocks of client and server may be apart, in seconds.
    package static let allowedSkew: Int64 = 15 * 60

    /// Checks that the time is right and that the holder of the secret signed exactly this request.
    ///
    /// - Parameters:
    ///   - head: the request in which this claim was found.
    ///   - key: the key derived from the secret of ``accessKeyID`` for ``scope``.
    ///   - bodyHash: the SHA-256 of the body in lower-case hexadecimal, used where the request does not state one
    ///     (STS).
    ///   - now: this machine's time.
    /// - Throws: `SignatureError`; `signatureMismatch` after a comparison that takes the same time wherever they
    ///   differ.
    package func verify(_ head: RequestHead, key: SigningKey, bodyHash: String? = nil, now: Timestamp)
        throws(SignatureError)
    {
        try checkTime(now: now)
        guard key.scope == scope else {
            throw SignatureError(.scopeMismatch, "the signing key is for another day, region or service")
        }
        guard let payload = payload.text ?? bodyHash else {
            throw SignatureError(.headerMissing, "x-amz-content-sha256 must be in the request")
        }
        let canonical = try CanonicalRequest(
            head, signedHeaders: signedHeaders, payload: payload,
            omitting: form == .header ? nil : "X-Amz-Signature")
        guard key.verifies(signature, of: canonical.stringToSign(date: date, scope: scope)) else {
            throw SignatureError(
                .signatureMismatch,
                "the signature is not that of this request; check the secret, the signed headers and the path's encoding"
            )
        }
    }

    /// Checks the request's time against this machine's.
    package func checkTime(now: Timestamp) throws(SignatureError) {
        switch form {
        case .header:
            guard abs(now.seconds - date.seconds) <= Self.allowedSkew else {
                throw SignatureError(
                    .timeTooSkewed,
                    "the request's time \(date.rfc3339) is more than 15 minutes from the server's \(now.rfc3339)")
            }
        case .query(let expires):
            guard date.seconds - now.seconds <= Self.allowedSkew else {
                throw SignatureError(.notYetValid, "the URL is valid only from \(date.rfc3339)")
            }
            guard now.seconds <= date.seconds + expires else {
                throw SignatureError(.expired, "the URL expired at \(date.adding(seconds: expires).rfc3339)")
            }
        }
    }
}
