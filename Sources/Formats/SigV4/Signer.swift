package import Wire

/// An access key with its secret. Its description leaves the secret out.
package struct Credentials: Sendable, CustomStringConvertible, CustomReflectable {
    package var accessKeyID: String
    package var secret: String
    package var sessionToken: String?

    package init(accessKeyID: String, secret: String, sessionToken: String? = nil) {
        self.accessKeyID = accessKeyID
        self.secret = secret
        self.sessionToken = sessionToken
    }

    package var description: String { "Credentials(\(accessKeyID))" }
    package var customMirror: Mirror { Mirror(self, children: ["accessKeyID": accessKeyID]) }
}

/// The client's side: signs requests to an S3 endpoint and makes presigned URLs.
package struct Signer: Sendable {
    package let credentials: Credentials
    package let region: String
    package let service: String

    package init(credentials: Credentials, region: String, service: String = "s3") {
        self.credentials = credentials
        self.region = region
        self.service = service
    }

    /// The headers to add to a request: `x-amz-date`, `x-amz-content-sha256`, with a session its token, and
    /// `Authorization`.
    ///
    /// - Parameter head: as it will be sent. Its headers must hold `Host`; all of them are signed except those that
    ///   proxies change (`Connection`, `Expect`, `Transfer-Encoding`, `User-Agent`).
    /// - Throws: `headerMissing` without `Host`, `malformed` for a path with broken percent-encoding.
    package func sign(_ head: RequestHead, payload: PayloadHash, date: Timestamp = .now) throws(SignatureError)
        -> [(name: String, value: String)]
    {
        var added: [(name: String, value: String)] = [("x-amz-date", date.basic)]
        if let text = payload.text { added.append(("x-amz-content-sha256", text)) }
        if let token = credentials.sessionToken { added.append(("x-amz-security-token", token)) }
        var signed = head
        signed.headers.removeAll { header in added.contains { header.name == $0.name } }
        signed.headers += added
        let names = Set(signed.headers.map(\.name).filter { !Self.unsigned.contains($0) }).sorted()
        guard names.contains("host") else { throw SignatureError(.headerMissing, "a request needs Host to be signed") }
        let scope = CredentialScope(date: date.basic, region: region, service: service)
        let canonical = try CanonicalRequest(
            signed, signedHeaders: names, payload: payload.text ?? PayloadHash.emptyHash)
        let signature = SigningKey(secret: credentials.secret, scope: scope)
            .signature(of: canonical.stringToSign(date: date, scope: scope))
        let fields = "Credential=\(credentials.accessKeyID)/\(scope), SignedHeaders=\(names.joined(separator: ";"))"
        added.append(("Authorization", "AWS4-HMAC-SHA256 \(fields), Signature=\(signature)"))
        return added
    }

    private static let unsigned: Set<String> = [
        "authorization", "connection", "expect", "transfer-encoding", "user-agent",
    ]

    /// The whole query of a presigned URL, to stand after `?`.
    ///
    /// - Parameters:
    ///   - path: percent-encoded, as it will be sent.
    ///   - headers: further headers that the user of the URL will have to send.
    ///   - expires: seconds from `date`, 1 to 604800; a value outside is moved to the nearer end.
    /// - Throws: `malformed` for a path with broken percent-encoding.
    package func presign(
        method: String, host: String, path: String, query: QueryItems = QueryItems(),
        headers: [(name: String, value: String)] = [], expires: Int64, date: Timestamp = .now
    ) throws(SignatureError) -> String {
        let scope = CredentialScope(date: date.basic, region: region, service: service)
        var head = RequestHead(method: method, path: path, query: query, headers: headers + [("host", host)])
        let names = Set(head.headers.map(\.name)).sorted()
        head.query.items += [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", "\(credentials.accessKeyID)/\(scope)"),
            ("X-Amz-Date", date.basic),
            ("X-Amz-Expires", String(min(max(expires, 1), 604_800))),
            ("X-Amz-SignedHeaders", names.joined(separator: ";")),
        ]
        if let token = credentials.sessionToken { head.query.items.append(("X-Amz-Security-Token", token)) }
        let canonical = try CanonicalRequest(head, signedHeaders: names, payload: "UNSIGNED-PAYLOAD")
        let signature = SigningKey(secret: credentials.secret, scope: scope)
            .signature(of: canonical.stringToSign(date: date, scope: scope))
        var query: [UInt8] = []
        CanonicalRequest.query(head.query, omitting: nil, into: &query)
        return String(decoding: query, as: UTF8.self) + "&X-Amz-Signature=\(signature)"
    }
}
