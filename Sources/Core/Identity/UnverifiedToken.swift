import Wire

/// A JWT (RFC 7519) taken apart. Nothing in it is proven: it says whose key would prove it.
struct UnverifiedToken: Sendable {
    /// The longest token that is taken, in bytes.
    static let bytesMax = 8192

    let text: String
    let algorithm: String
    let keyID: String?
    let claims: JSONObject
    /// `iss`, without a slash at the end.
    let issuer: String

    /// - Throws: ``IdentityError`` `.invalidToken`.
    init(_ text: String) throws {
        func invalid(_ message: String) -> IdentityError { IdentityError(.invalidToken, message) }
        guard text.utf8.count <= Self.bytesMax else { throw invalid("the token is longer than 8 KiB") }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let head = Base64.decode(parts[0]), let body = Base64.decode(parts[1]),
            let header = try? JSONValue(parsing: head, maximumDepth: 4),
            let claims = (try? JSONValue(parsing: body, maximumDepth: 16))?.object
        else { throw invalid("the token is not a signed JWT") }
        guard let algorithm = header["alg"]?.string else { throw invalid("the token names no algorithm") }
        // RFC 7515 §4.1.11: what is marked as critical and not understood may not be passed over.
        guard header["crit"] == nil else { throw invalid("the token has a critical extension that is not known here") }
        // Policies know keys in any case, so two claims that differ in it would count as one with both values.
        guard Set(claims.members.map { $0.name.lowercased() }).count == claims.members.count else {
            throw invalid("a claim of the token comes twice")
        }
        guard let issuer = claims["iss"]?.string else { throw invalid("the token names no issuer") }
        self.text = text
        self.algorithm = algorithm
        keyID = header["kid"]?.string
        self.claims = claims
        self.issuer = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
    }

    /// `aud`: for whom the token is meant.
    var audiences: [String] { Self.texts(claims["aud"] ?? .null) }

    /// Checks `exp`, `nbf` and `iat` with a minute's grace for clocks that differ.
    func checkTime(now: Int64) throws {
        func seconds(_ name: String) throws -> Int64? {
            guard let value = claims[name] else { return nil }
            guard let number = value.number, number.isFinite, abs(number) < 1e12 else {
                throw IdentityError(.invalidToken, "the token's '\(name)' is no time")
            }
            return Int64(number)
        }
        guard let expires = try seconds("exp") else { throw IdentityError(.invalidToken, "the token has no 'exp'") }
        guard now < expires else { throw IdentityError(.expired, "the token has expired") }
        for name in ["nbf", "iat"] {
            guard try seconds(name) ?? now <= now + 60 else {
                throw IdentityError(.invalidToken, "the token is not valid yet")
            }
        }
    }

    /// The claims that policies can ask about: texts, numbers, booleans and lists of these.
    var flatClaims: [(name: String, values: [String])] {
        claims.members.compactMap { member in
            let values = Self.texts(member.value)
            return values.isEmpty ? nil : (member.name, values)
        }
    }

    private static func texts(_ value: JSONValue) -> [String] {
        (value.array ?? [value]).compactMap { item in
            switch item {
            case .string(let text): text
            case .integer(let number): String(number)
            case .double(let number): String(number)
            case .bool(let bool): bool ? "true" : "false"
            default: nil
            }
        }
    }
}
