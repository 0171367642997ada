package import Wire

/// A signed JWT (RFC 7519) in compact form (RFC 7515 §7.1), taken apart. Nothing in it is proven.
///
/// What the header says of keys (`jku`, `x5u`, `jwk`, `x5c`) is not followed: a verifier has its keys from elsewhere.
package struct SignedJWT: Sendable {
    /// The longest token that is taken, in bytes.
    package static let bytesMax = 8192
    private static let keyIDBytesMax = 256

    package let text: String
    package let header: JSONObject
    package let claims: JSONObject
    /// `alg`; never `none`.
    package let algorithm: String
    /// `kid`: a name, looked up among known keys and nowhere else.
    package let keyID: String?
    /// `typ` in lower case, without `application/` before it.
    package let type: String?
    let signature: [UInt8]

    /// - Throws: ``JOSEError`` for what is no signed JWT, one without a signature, and one whose header or claims say
    ///   something twice.
    package init(parsing text: String) throws(JOSEError) {
        guard text.utf8.count <= Self.bytesMax else { throw JOSEError("the token is longer than 8 KiB") }
        let parts = text.split(separator: ".", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 3, let head = Self.decode(parts[0]), let body = Self.decode(parts[1]),
            let signature = Self.decode(parts[2]),
            let header = (try? JSONValue(parsing: head, maximumDepth: 4))?.object,
            let claims = (try? JSONValue(parsing: body, maximumDepth: 16))?.object
        else { throw JOSEError("the token is not a signed JWT") }
        guard let algorithm = header["alg"]?.string else { throw JOSEError("the token names no algorithm") }
        guard algorithm.lowercased() != "none", !signature.isEmpty else { throw JOSEError("the token is not signed") }
        // RFC 7515 §4.1.11: what is marked as critical and not understood may not be passed over.
        guard header["crit"] == nil else {
            throw JOSEError("the token has a critical extension that is not known here")
        }
        // Policies know keys in any case, so two claims that differ in it would count as one with both values.
        for object in [header, claims]
        where Set(object.members.map { $0.name.lowercased() }).count != object.members.count {
            throw JOSEError("a claim of the token comes twice")
        }
        guard header["kid"]?.string?.utf8.count ?? 0 <= Self.keyIDBytesMax else {
            throw JOSEError("the name of the token's key is too long")
        }
        self.text = text
        self.header = header
        self.claims = claims
        self.algorithm = algorithm
        self.signature = signature
        keyID = header["kid"]?.string
        let type = header["typ"]?.string?.lowercased()
        self.type = type?.hasPrefix("application/") == true ? String(type?.dropFirst("application/".count) ?? "") : type
    }

    /// What the signature is of.
    var signed: [UInt8] {
        let bytes = Array(text.utf8)
        return Array(bytes[..<(bytes.lastIndex(of: UInt8(ascii: ".")) ?? 0)])
    }

    /// The URL-safe alphabet only, not padded (RFC 7515 §2): one token has one form.
    private static func decode(_ text: Substring) -> [UInt8]? {
        guard text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "=") })
        else { return nil }
        return Base64.decode(text)
    }
}
