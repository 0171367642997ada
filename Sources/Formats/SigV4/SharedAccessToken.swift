import Crypto
package import Wire

/// A token that, as the query of any address below a folder of a bucket, opens it for reading until a time: the "shared
/// access signature" that planetary-computer's SDK puts behind addresses.
///
/// The parameters have Azure's names and meanings (`st`, `se`, `sp`, `sr`, `sdd`, `skoid`, `sig`); what is signed is
/// ours, since nobody but the node that made a token ever looks into it. The text holds the folder, which the token
/// itself does not name: it is the first `depth` parts of whatever address the token is sent to.
package struct SharedAccessToken: Sendable {
    /// Parts of a path that may stand before what a token opens.
    package static let depthMax = 64

    /// The parameters of a token, in the order in which they are written.
    package static let parameters = [
        "st", "se", "sp", "sv", "sr", "sdd", "skoid", "X-Amz-Security-Token", "sig",
    ]

    /// The name of the bucket, and that of the folder below which all is open; empty for the whole bucket.
    package let bucket: String
    package let folder: [String]
    package let accessKeyID: String
    package let sessionToken: String?
    package let starts: Timestamp
    package let expires: Timestamp
    private let signature: [UInt8]

    private static let version = "2026-11-21"

    /// Makes a token.
    ///
    /// - Parameters:
    ///   - folder: the parts of its path; at most ``depthMax``.
    ///   - credentials: of the account in whose name what is open is read; nil for a token that opens what everybody
    ///     may read, and that nobody needs but a client that asks for one.
    /// - Returns: the query, to stand after `?`.
    package static func make(
        bucket: String, folder: [String], credentials: Credentials?, starts: Timestamp, expires: Timestamp
    ) -> String {
        var items: [(name: String, value: String?)] = [
            ("st", starts.rfc3339), ("se", expires.rfc3339), ("sp", "rl"), ("sv", version),
            ("sr", folder.isEmpty ? "c" : "d"),
        ]
        if !folder.isEmpty { items.append(("sdd", String(folder.count))) }
        if let credentials {
            items.append(("skoid", credentials.accessKeyID))
            if let token = credentials.sessionToken { items.append(("X-Amz-Security-Token", token)) }
            let text = text(items, bucket: bucket, folder: folder)
            items.append(("sig", Base64.encode(Self.signature(of: text, Array(credentials.secret.utf8)))))
        }
        return QueryItems(items).encoded
    }

    /// Finds the token in the query of a request.
    ///
    /// - Parameter key: the key that the request names; empty for the bucket itself.
    /// - Returns: nil where there is none.
    /// - Throws: `SignatureError` `.malformed`, `.severalSignatures`.
    package static func find(
        in head: RequestHead, bucket: String, key: String
    ) throws(SignatureError) -> SharedAccessToken? {
        guard let signature = try head.parameter("sig"), let id = try head.parameter("skoid") else { return nil }
        guard try head.single("authorization") == nil, !head.query.has("X-Amz-Signature") else {
            throw SignatureError(.severalSignatures, "a request is signed once: by header or by query")
        }
        func time(_ name: String) throws(SignatureError) -> Timestamp {
            guard let text = try head.parameter(name), let time = Timestamp(rfc3339: text) else {
                throw SignatureError(.malformed, "\(name) is a time such as 2026-11-21T03:56:00Z")
            }
            return time
        }
        let depth = try head.parameter("sdd")
        let count = depth.map { Int($0) ?? 0 } ?? 0
        guard depth == nil || (1...depthMax).contains(count) else {
            throw SignatureError(.malformed, "sdd is 1 to \(depthMax)")
        }
        guard let bytes = Base64.decode(signature), bytes.count == SHA256.byteCount else {
            throw SignatureError(.malformed, "sig is the base64 of \(SHA256.byteCount) bytes")
        }
        let parts = key.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count > count || count == 0 else {
            throw SignatureError(.signatureMismatch, "the token is for a folder that this is not in")
        }
        return SharedAccessToken(
            bucket: bucket, folder: Array(parts.prefix(count)), accessKeyID: id,
            sessionToken: try head.parameter("X-Amz-Security-Token"), starts: try time("st"), expires: try time("se"),
            signature: bytes, text: text(head.query.items, bucket: bucket, folder: Array(parts.prefix(count))))
    }

    private let signed: [UInt8]

    private init(
        bucket: String, folder: [String], accessKeyID: String, sessionToken: String?, starts: Timestamp,
        expires: Timestamp, signature: [UInt8], text: [UInt8]
    ) {
        (self.bucket, self.folder, self.accessKeyID) = (bucket, folder, accessKeyID)
        (self.sessionToken, self.starts, self.expires) = (sessionToken, starts, expires)
        (self.signature, signed) = (signature, text)
    }

    /// - Throws: `SignatureError` `.expired`, `.notYetValid`.
    package func checkTime(now: Timestamp) throws(SignatureError) {
        guard now <= expires else { throw SignatureError(.expired, "the token expired at \(expires.rfc3339)") }
        guard now.adding(seconds: Authorization.allowedSkew) >= starts else {
            throw SignatureError(.notYetValid, "the token counts from \(starts.rfc3339)")
        }
    }

    /// - Throws: `SignatureError` `.signatureMismatch`, after a comparison that takes the same time wherever they
    ///   differ.
    package func verify(secret: [UInt8]) throws(SignatureError) {
        let key = SymmetricKey(data: secret)
        guard HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: signed, using: key) else {
            throw SignatureError(.signatureMismatch, "the token is not one for this address")
        }
    }

    /// Names and values with lengths before them, so that none can be taken for part of another.
    private static func text(
        _ items: [(name: String, value: String?)], bucket: String, folder: [String]
    ) -> [UInt8] {
        var out = Array("martlet shared access\n".utf8)
        for name in parameters where name != "sig" {
            let value = items.first { $0.name == name }?.value ?? ""
            out += Array("\(name) \(value.utf8.count) \(value)\n".utf8)
        }
        for part in [bucket] + folder { out += Array("\(part.utf8.count) \(part)\n".utf8) }
        return out
    }

    private static func signature(of text: [UInt8], _ secret: [UInt8]) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: text, using: SymmetricKey(data: secret)))
    }
}
