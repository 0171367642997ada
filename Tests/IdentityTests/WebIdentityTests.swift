import Crypto
import Identity
import Synchronization
import TestSupport
import Testing
import Wire

/// An issuer in memory: what its addresses answer, and how often they were asked.
private final class FakeIssuer: Sendable {
    static let url = "https://idp.example/realms/eo"
    private let key = P256.Signing.PrivateKey()
    private let documents = Mutex<[String: String]>([:])
    private let count = Mutex(0)

    init() {
        let point = Array(key.publicKey.x963Representation.dropFirst())
        let (x, y) = (Base64.encodeURL(Array(point.prefix(32))), Base64.encodeURL(Array(point.suffix(32))))
        set(
            Self.url + "/.well-known/openid-configuration",
            #"{"issuer":"\#(Self.url)","jwks_uri":"https://keys.example/jwks"}"#)
        set(
            "https://keys.example/jwks",
            #"{"keys":[{"kty":"oct","k":"AAAA","kid":"k1"},"#
                + #"{"kty":"EC","crv":"P-256","kid":"k1","x":"\#(x)","y":"\#(y)"}]}"#)
    }

    func set(_ url: String, _ text: String?) { documents.withLock { $0[url] = text } }

    var fetches: Int { count.withLock { $0 } }

    private struct NotThere: Error {}

    func fetch(_ url: String, _ bytesMax: Int) throws -> [UInt8] {
        count.withLock { $0 += 1 }
        guard let text = documents.withLock({ $0[url] }) else { throw NotThere() }
        return Array(text.utf8)
    }

    func token(
        header: String = #"{"alg":"ES256","kid":"k1"}"#, aud: String = #""jobs""#, more: String = "",
        expires: Int64 = 300
    ) throws -> String {
        let claims =
            #"{"iss":"\#(Self.url)","sub":"job-7","aud":\#(aud),"exp":\#(Timestamp.now.seconds + expires)\#(more)}"#
        let signed = Base64.encodeURL(Array(header.utf8)) + "." + Base64.encodeURL(Array(claims.utf8))
        let signature = try key.signature(for: Array(signed.utf8))
        return signed + "." + Base64.encodeURL(Array(signature.rawRepresentation))
    }
}

@Suite struct WebIdentityTests {
    private func withIssuer(
        _ body: (House, FakeIssuer, WebIdentities) async throws -> Void
    ) async throws {
        try await withHouse { house in
            let issuer = FakeIssuer()
            let tokens = try await TokenAuthority(identity: house.identity, issuer: "https://node.example")
            let identities = WebIdentities(identity: house.identity, tokens: tokens) { url, bytesMax in
                try issuer.fetch(url, bytesMax)
            }
            try await body(house, issuer, identities)
        }
    }

    private func refusal(_ identities: WebIdentities, _ token: String) async -> IdentityError.Code? {
        do {
            _ = try await identities.verify(token)
            return nil
        } catch {
            return (error as? IdentityError)?.code
        }
    }

    @Test("a token of a trusted issuer says whom it speaks for; its keys are fetched once")
    func trusted() async throws {
        try await withIssuer { house, issuer, identities in
            let token = try issuer.token(more: #","groups":["a","b"],"n":7,"odd:name":"x","deep":{"a":1}"#)
            #expect(await refusal(identities, token) == .invalidToken, "not trusted yet")
            #expect(issuer.fetches == 0, "nobody is asked whom nobody trusts")
            try await house.identity.trust(issuer: FakeIssuer.url + "/", audiences: ["other", "jobs"], by: "test")
            for _ in 0..<3 {
                let web = try await identities.verify(token)
                #expect(web.subject == "job-7" && web.audience == "jobs" && web.account == nil)
                #expect(web.conditionKeys["jwt:groups"] == ["a", "b"] && web.conditionKeys["jwt:n"] == ["7"])
                #expect(web.conditionKeys["idp.example/realms/eo:sub"] == ["job-7"])
                #expect(web.conditionKeys["https://idp.example/realms/eo:aud"] == ["jobs"])
                #expect(web.conditionKeys["jwt:odd:name"] == ["x"] && web.conditionKeys["jwt:deep"] == nil)
                #expect(web.sessionKeys["idp.example/realms/eo:sub"] == ["job-7"])
                #expect(!web.sessionKeys.keys.contains { $0.hasPrefix("jwt:") }, "these are this node's own")
                #expect(web.federatedNames.contains("arn:aws:iam::martlet:oidc-provider/idp.example/realms/eo"))
            }
            #expect(issuer.fetches == 2)
            try await house.identity.forget(issuer: FakeIssuer.url, by: "test")
            #expect(await refusal(identities, token) == .invalidToken)
        }
    }

    @Test("of a token's scopes its capabilities count, below its issuer's path")
    func capabilities() async throws {
        try await withIssuer { house, issuer, identities in
            try await house.identity.trust(issuer: FakeIssuer.url, audiences: ["jobs"], path: "/eo/cms", by: "test")
            func scopes(_ claim: String) async throws -> String? {
                try await identities.verify(try issuer.token(more: ",\(claim)")).scopes?.text
            }
            #expect(try await scopes(#""scope":"openid martlet""#) == nil)
            #expect(try await scopes(#""scope":"openid storage.read:/""#) == "storage.read:/eo/cms")
            #expect(
                try await scopes(#""scp":["storage.modify:/a%20b/","compute.read"]"#)
                    == "storage.modify:/eo/cms/a%20b/ compute.read")
            for broken in ["storage.read", "storage.read:/../x", "storage.read:x", "storage.write:/"] {
                #expect(await refusal(identities, try issuer.token(more: #","scope":"\#(broken)""#)) == .invalidToken)
            }
            for path in ["", "eo", "/eo/", "/../x", "//"] {
                await #expect(throws: IdentityError.self, "\(path)") {
                    try await house.identity.trust(
                        issuer: "https://b.example", audiences: ["a"], path: path, by: "test")
                }
            }
        }
    }

    @Test("a token that is bound to a key is held by who shows that key only")
    func bindings() async throws {
        try await withIssuer { house, issuer, identities in
            try await house.identity.trust(issuer: FakeIssuer.url, audiences: ["jobs"], by: "test")
            let bound = try await identities.verify(try issuer.token(more: #","cnf":{"x5t#S256":"abc"}"#))
            #expect(bound.isHeld(by: ("x5t#S256", "abc")))
            #expect(
                !bound.isHeld(by: ("jkt", "abc")) && !bound.isHeld(by: nil) && !bound.isHeld(by: ("x5t#S256", "abd")))
            for odd in ["{}", "7", #"{"jwk":{}}"#] {
                let token = try await identities.verify(try issuer.token(more: #","cnf":\#(odd)"#))
                #expect(!token.isHeld(by: nil) && !token.isHeld(by: ("jkt", "x")), "\(odd)")
            }
        }
    }

    @Test("tokens that do not hold")
    func refusals() async throws {
        try await withIssuer { house, issuer, identities in
            try await house.identity.trust(issuer: FakeIssuer.url, audiences: ["jobs"], by: "test")
            for token in [
                try issuer.token(aud: #""others""#), try issuer.token(aud: "[]"), try issuer.token(aud: "7"),
                try issuer.token(header: #"{"alg":"none","kid":"k1"}"#),
                try issuer.token(header: #"{"alg":"HS256","kid":"k1"}"#),
                try issuer.token(header: #"{"alg":"RS256","kid":"k1"}"#),
                try issuer.token(header: #"{"alg":"ES256","kid":"k1","typ":"logout+jwt"}"#),
                try issuer.token(header: #"{"alg":"ES256","kid":"k2"}"#),
                try issuer.token(header: #"{"alg":"ES256","kid":"k1","crit":["x"]}"#),
                try issuer.token(more: #","SUB":"job-8""#), try issuer.token(more: #","nbf":99999999999"#),
                try issuer.token(more: #","iat":1e400"#), String(try issuer.token().dropLast(8)) + "AAAAAAAA", "", "..",
                "a.b.c",
                String(repeating: "a", count: 9000),
            ] {
                #expect(await refusal(identities, token) == .invalidToken, "\(token)")
            }
            #expect(await refusal(identities, try issuer.token(expires: -1)) == .expired)
            #expect(await refusal(identities, try issuer.token()) == nil)
            #expect(await refusal(identities, try issuer.token(header: #"{"alg":"ES256"}"#)) == nil, "without a name")
        }
    }

    @Test(
        "an issuer that cannot be asked, or does not answer as one",
        arguments: [
            nil, "", "[]", #"{"issuer":"https://other.example","jwks_uri":"https://keys.example/jwks"}"#,
            #"{"issuer":"https://idp.example/realms/eo","jwks_uri":"http://127.0.0.1/jwks"}"#,
            #"{"issuer":"https://idp.example/realms/eo","jwks_uri":"file:///etc/passwd"}"#,
            #"{"issuer":"https://idp.example/realms/eo","jwks_uri":"https://keys.example/none"}"#,
        ])
    func unreachable(discovery: String?) async throws {
        try await withIssuer { house, issuer, identities in
            try await house.identity.trust(issuer: FakeIssuer.url, audiences: ["jobs"], by: "test")
            issuer.set(FakeIssuer.url + "/.well-known/openid-configuration", discovery)
            #expect(await refusal(identities, try issuer.token()) == .unreachable)
            let fetches = issuer.fetches
            for _ in 0..<5 { #expect(await refusal(identities, try issuer.token()) == .unreachable) }
            #expect(issuer.fetches == fetches, "it is not asked again at once")
        }
    }

    @Test("a token of this node speaks for its account as it is now")
    func own() async throws {
        try await withIssuer { house, _, identities in
            let tokens = try await TokenAuthority(identity: house.identity, issuer: "https://node.example")
            let ada = try await house.ada()
            let token = try await tokens.issue(to: ada, client: "test")
            try await house.identity.removeMember(account: "ada", from: "science", by: "test")
            let web = try await identities.verify(token)
            #expect(web.account == ada.accountID && web.conditionKeys["jwt:groups"] == [])
            #expect(web.sessionKeys["jwt:preferred_username"] == ["ada"])
            try await house.identity.setDisabled(true, of: "ada", by: "test")
            #expect(await refusal(identities, token) == .disabled)
        }
    }

    @Test("issuers are addresses with TLS, but on this machine itself; each has one name")
    func issuers() async throws {
        try await withHouse { house in
            for url in [
                "", "x", "http://idp.example", "https://", "https://aws", "https:///x", "https://a?b", "https://a b",
            ] {
                await #expect(throws: IdentityError.self, "\(url)") {
                    try await house.identity.trust(issuer: url, audiences: ["a"], by: "test")
                }
            }
            await #expect(throws: IdentityError.self) {
                try await house.identity.trust(issuer: "https://idp.example", audiences: [], by: "test")
            }
            for url in ["http://localhost:8080", "http://[::1]:8080/x", "https://idp.example"] {
                try await house.identity.trust(issuer: url, audiences: ["a", "b"], by: "test")
            }
            let refused = await #expect(throws: IdentityError.self) {
                try await house.identity.trust(issuer: "https://localhost:8080", audiences: ["a"], by: "test")
            }
            #expect(refused?.code == .exists)
            #expect(try await house.identity.issuers().map(\.audiences) == [["a", "b"], ["a", "b"], ["a", "b"]])
        }
    }
}
