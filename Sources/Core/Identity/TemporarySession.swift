package import Wire

/// What temporary credentials stand for: an account or a role, for a while, perhaps with fewer rights.
package struct TemporarySession: Sendable {
    /// The role that was assumed; nil for a session of an account itself.
    package var role: AssumedRole?
    /// The account that opened it, if that was one: the session ends with it.
    package var account: Int64?
    /// What whoever opened it called it: 2 to 64 characters of `[A-Za-z0-9_=,.@-]`.
    package var name: String
    package var issued: Timestamp
    package var expires: Timestamp
    /// The session policy: the session may do only what this allows as well. Nil for no such limit.
    package var policy: String?
    /// Condition keys with their values, of the token that opened the session: `jwt:sub` and so on.
    package var claims: [String: [String]]
    /// The sealed text that has to come with each request; empty where the request came with another issuer's token.
    package var token: String
    /// The issuer of the token that opened it, where that is another than this node.
    package var issuer: String?

    package struct AssumedRole: Sendable {
        package var id: Int64
        package var name: String
    }
}

/// Credentials that end by themselves, shown once.
package struct TemporaryCredentials: Sendable, CustomStringConvertible, CustomReflectable {
    /// `ASIA` and 16 letters and digits.
    package var accessKeyID: String
    package var secret: String
    package var token: String
    package var expires: Timestamp

    package var description: String { "TemporaryCredentials(\(accessKeyID))" }
    package var customMirror: Mirror { Mirror(self, children: ["accessKeyID": accessKeyID]) }
}

/// What a session's token holds, besides its secret; nothing of it is stored anywhere else.
struct SessionContent: Sendable {
    /// The account that opened the session. When it is disabled or gone, so is the session.
    var account: Int64?
    /// The role that was assumed; nil for a session of the account itself.
    var role: Int64?
    var name: String
    var issued: Timestamp
    var expires: Timestamp
    var policy: String?
    var claims: [String: [String]] = [:]
    /// Of the token that opened the session, where one did.
    var scopes: Scopes?
    /// The issuer of that token, where it is another than this node: the session ends with the trust in it.
    var issuer: String?
    /// The `jti` of the token of this node's that opened the session: it ends with that.
    var tokenID: String?

    func bytes(secret: String) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("secret", secret)
            if let account { json.member("account", account) }
            if let role { json.member("role", role) }
            json.member("name", name)
            json.member("issued", issued.microseconds)
            json.member("expires", expires.microseconds)
            if let policy { json.member("policy", policy) }
            if let scopes { json.member("scopes", scopes.text) }
            if let issuer { json.member("issuer", issuer) }
            if let tokenID { json.member("jti", tokenID) }
            json.key("claims")
            json.object { json in for (key, values) in claims { json.member(key, values) } }
        }
        return json.bytes
    }

    /// Reads what `bytes` wrote; nil for anything else.
    static func parse(_ bytes: [UInt8]) throws -> (content: SessionContent, secret: String)? {
        let json = try JSONValue(parsing: bytes, maximumDepth: 4)
        guard let secret = json["secret"]?.string, let name = json["name"]?.string,
            let issued = json["issued"]?.integer, let expires = json["expires"]?.integer
        else { return nil }
        var content = SessionContent(
            account: json["account"]?.integer, role: json["role"]?.integer, name: name,
            issued: Timestamp(microseconds: issued), expires: Timestamp(microseconds: expires),
            policy: json["policy"]?.string,
            scopes: try json["scopes"]?.string.map { try Scopes(parsing: $0) }, issuer: json["issuer"]?.string,
            tokenID: json["jti"]?.string)
        for claim in json["claims"]?.object?.members ?? [] {
            content.claims[claim.name] = claim.value.array?.compactMap(\.string)
        }
        return (content, secret)
    }
}
