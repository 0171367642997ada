package import Wire

/// What a request claims about its signature: who signed, for what, when. Nothing in it is proven until ``verify``.
package struct Authorization: Hashable, Sendable {
    typealias Bytes = ArraySlice<UInt8>

    /// Where the claim stands.
    package enum Form: Hashable, Sendable {
        case header
        /// A presigned URL, valid for so many seconds from its date.
        case query(expires: Int64)
    }

    package let form: Form
    package let accessKeyID: String
    package let scope: CredentialScope
    /// Lower case, sorted.
    package let signedHeaders: [String]
    package let date: Timestamp
    /// 64 lower-case hexadecimal digits.
    package let signature: String
    package let sessionToken: String?
    package let payload: PayloadHash

    /// Finds the claim in the `Authorization` header or the query.
    ///
    /// - Parameter service: what the scope must name: `s3`, `iam` or `sts`. Any region is accepted.
    /// - Returns: nil where there is none, or the header has another scheme (Bearer, Basic).
    /// - Throws: for one that is malformed, stands in both places, or is of a version that is not supported.
    package static func find(in head: RequestHead, service: String) throws(SignatureError) -> Authorization? {
        let header = try head.single("authorization")
        let isPresigned = head.query.has("X-Amz-Algorithm") || head.query.has("X-Amz-Signature")
        let scheme = header.map { String(decoding: $0.utf8.prefix(5), as: UTF8.self).lowercased() } ?? ""
        if let header, scheme == "aws4-" || scheme.utf8.starts(with: "aws ".utf8) {
            guard !isPresigned else {
                throw SignatureError(.severalSignatures, "a request is signed by header or by query, not by both")
            }
            return try Authorization(header: header, head: head, service: service)
        }
        if isPresigned { return try Authorization(query: head, service: service) }
        guard !(head.query.has("AWSAccessKeyId") && head.query.has("Signature")) else {
            throw SignatureError(
                .unsupportedAlgorithm, "Signature Version 2 is not supported here; use AWS4-HMAC-SHA256")
        }
        return nil
    }

    private init(header: String, head: RequestHead, service: String) throws(SignatureError) {
        guard header.utf8.count <= 4096 else {
            throw SignatureError(.malformed, "the Authorization header is longer than 4096 bytes")
        }
        let (credential, names, signature) = try Self.parts(header)
        form = .header
        (accessKeyID, scope) = try CredentialScope.parse(credential: credential)
        signedHeaders = try Self.headerNames(names)
        self.signature = try Self.signature(signature)
        sessionToken = try head.single("x-amz-security-token")
        payload =
            if let text = try head.single("x-amz-content-sha256") { try PayloadHash(parsing: text) } else { .absent }
        if let text = try head.single("x-amz-date") {
            guard let date = Timestamp(basic: text) else {
                throw SignatureError(.malformed, "x-amz-date must look like 20260131T235959Z")
            }
            self.date = date
        } else {
            guard let text = try head.single("date"), signedHeaders.contains("date") else {
                throw SignatureError(.headerMissing, "x-amz-date, or a signed Date, must be in the request")
            }
            guard let date = Timestamp(httpDate: text) ?? Timestamp(basic: text) else {
                throw SignatureError(.malformed, "Date must look like Sat, 31 Jan 2026 23:59:59 GMT")
            }
            self.date = date
        }
        try check(head, service: service)
    }

    private init(query head: RequestHead, service: String) throws(SignatureError) {
        func required(_ name: String) throws(SignatureError) -> String {
            guard let value = try head.parameter(name), !value.isEmpty else {
                throw SignatureError(.malformed, "the parameter \(name) is missing")
            }
            return value
        }
        try Self.check(algorithm: try required("X-Amz-Algorithm"))
        let names = try required("X-Amz-SignedHeaders")
        guard names.utf8.count <= 4096 else {
            throw SignatureError(.malformed, "X-Amz-SignedHeaders is longer than 4096 bytes")
        }
        guard let date = Timestamp(basic: try required("X-Amz-Date")) else {
            throw SignatureError(.malformed, "X-Amz-Date must look like 20260131T235959Z")
        }
        let expiry = try required("X-Amz-Expires")
        guard expiry.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let expires = Int64(expiry),
            (1...604_800).contains(expires)
        else { throw SignatureError(.malformed, "X-Amz-Expires must be a number of seconds from 1 to 604800") }
        form = .query(expires: expires)
        self.date = date
        (accessKeyID, scope) = try CredentialScope.parse(credential: Bytes(try required("X-Amz-Credential").utf8))
        signedHeaders = try Self.headerNames(Bytes(names.utf8))
        signature = try Self.signature(Bytes(try required("X-Amz-Signature").utf8))
        sessionToken = try head.parameter("X-Amz-Security-Token")
        // An unsigned header must not decide what the signature covers.
        if let text = try head.parameter("X-Amz-Content-Sha256") {
            payload = try PayloadHash(parsing: text)
        } else if signedHeaders.contains("x-amz-content-sha256"), let text = try head.single("x-amz-content-sha256") {
            payload = try PayloadHash(parsing: text)
        } else {
            // Only S3 leaves the body out of a presigned URL.
            payload = service == "s3" ? .unsigned : .absent
        }
        try check(head, service: service)
    }

    // MARK: Parts

    private static func check(algorithm: String) throws(SignatureError) {
        switch algorithm {
        case "AWS4-HMAC-SHA256": return
        case "AWS4-ECDSA-P256-SHA256":
            throw SignatureError(.unsupportedAlgorithm, "SigV4A (ECDSA) is not supported; use AWS4-HMAC-SHA256")
        case "AWS":
            throw SignatureError(
                .unsupportedAlgorithm, "Signature Version 2 is for presigned URLs only; use AWS4-HMAC-SHA256")
        default: throw SignatureError(.unsupportedAlgorithm, "the signing algorithm must be AWS4-HMAC-SHA256")
        }
    }

    /// The parts of the header's value. All of it goes by bytes: by characters it would take a third of a small GET.
    private static func parts(
        _ header: String
    ) throws(SignatureError) -> (credential: Bytes, signedHeaders: Bytes, signature: Bytes) {
        let text = Array(header.utf8).drop { $0 == 0x20 }
        let algorithm = text.prefix { $0 != 0x20 }
        try check(algorithm: String(decoding: algorithm, as: UTF8.self))
        var credential: Bytes?
        var signedHeaders: Bytes?
        var signature: Bytes?
        var isUnknown = false
        func set(_ part: inout Bytes?, _ value: Bytes) throws(SignatureError) {
            guard part == nil else {
                throw SignatureError(.malformed, "a part of the Authorization header comes twice")
            }
            part = value
        }
        var rest: Bytes? = text[algorithm.endIndex...]
        while let remaining = rest {
            let comma = remaining.firstIndex(of: UInt8(ascii: ","))
            let field = trim(remaining[..<(comma ?? remaining.endIndex)])
            rest = comma.map { remaining[($0 + 1)...] }
            guard let equals = field.firstIndex(of: UInt8(ascii: "=")) else {
                throw SignatureError(.malformed, "the Authorization header has a part without =")
            }
            let value = field[(equals + 1)...]
            switch String(decoding: field[..<equals], as: UTF8.self) {
            case "Credential": try set(&credential, value)
            case "SignedHeaders": try set(&signedHeaders, value)
            case "Signature": try set(&signature, value)
            default: isUnknown = true
            }
        }
        guard !isUnknown, let credential, let signedHeaders, let signature else {
            throw SignatureError(.malformed, "the Authorization header needs Credential, SignedHeaders and Signature")
        }
        return (credential, signedHeaders, signature)
    }

    static func trim(_ text: Bytes) -> Bytes {
        var text = text.drop { $0 == 0x20 || $0 == 0x09 }
        while let last = text.last, last == 0x20 || last == 0x09 { text.removeLast() }
        return text
    }

    private static func signature(_ text: Bytes) throws(SignatureError) -> String {
        guard text.count == 64, text.allSatisfy({ Hex.value(of: $0) != nil }) else {
            throw SignatureError(.malformed, "Signature must be 64 hexadecimal digits")
        }
        return String(decoding: text, as: UTF8.self).lowercased()
    }

    private static func headerNames(_ text: Bytes) throws(SignatureError) -> [String] {
        let names = text.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self).lowercased()
        }.sorted()
        guard names.count <= 100 else { throw SignatureError(.malformed, "SignedHeaders names more than 100 headers") }
        for (index, name) in names.enumerated() {
            guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") }) else {
                throw SignatureError(.malformed, "SignedHeaders must be header names with ; between them")
            }
            guard index == 0 || names[index - 1] != name else {
                throw SignatureError(.malformed, "SignedHeaders names \(name) twice")
            }
        }
        guard names.contains("host") else {
            throw SignatureError(.hostNotSigned, "host must be among the signed headers")
        }
        return names
    }

    /// What must hold before a key is looked up.
    private func check(_ head: RequestHead, service: String) throws(SignatureError) {
        guard scope.service == service else {
            throw SignatureError(.scopeMismatch, "the credential scope must name the service \(service)")
        }
        guard date.basic.utf8.starts(with: scope.date.utf8) else {
            throw SignatureError(.scopeMismatch, "the credential scope's date is not that of the request's time")
        }
        // An unsigned x-amz header could turn the signed request into another one: x-amz-copy-source makes a copy of
        // a PUT.
        for (name, _) in head.headers where name.utf8.starts(with: "x-amz-".utf8) {
            // A presigned URL takes this one from a signed place only, so an unsigned one says nothing.
            if form != .header, name == "x-amz-content-sha256" { continue }
            guard signedHeaders.contains(name) else {
                throw SignatureError(.headerNotSigned, "the header \(name) is in the request but not signed")
            }
        }
    }
}
