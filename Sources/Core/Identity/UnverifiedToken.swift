import JOSE
import Wire

/// A JWT that names its issuer. Nothing in it is proven: it says whose key would prove it.
struct UnverifiedToken: Sendable {
    let jwt: SignedJWT
    var claims: JSONObject { jwt.claims }
    /// `iss`, without a slash at the end.
    let issuer: String

    /// - Throws: ``IdentityError`` `.invalidToken`.
    init(_ text: String) throws {
        do {
            jwt = try SignedJWT(parsing: text)
        } catch {
            throw IdentityError(.invalidToken, error.message)
        }
        guard let issuer = jwt.claims["iss"]?.string else {
            throw IdentityError(.invalidToken, "the token names no issuer")
        }
        self.issuer = Issuer.trimmed(issuer)
    }

    /// `aud`: for whom the token is meant.
    var audiences: [String] { Self.texts(claims["aud"] ?? .null) }

    /// `exp`, which ``checkTime(now:)`` looks at.
    var expires: Timestamp { Timestamp(seconds: claims["exp"]?.number.flatMap { Int64(exactly: $0.rounded()) } ?? 0) }

    /// `cnf`: the key that whoever shows it has to have (RFC 7800 §3.1). One that is not known here is nobody's.
    var binding: (name: String, digest: String)? {
        claims["cnf"].map { cnf in
            (cnf.object?.members.first).map { ($0.name, $0.value.string ?? "") } ?? ("", "")
        }
    }

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
