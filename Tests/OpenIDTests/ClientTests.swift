import Certificates
import Identity
import JOSE
import Journal
import OpenID
import Synchronization
import TestSupport
import Testing
import Wire

/// A key of a client's, and tokens that it signs.
private struct Signer {
    let signer: JWTSigner

    init(_ algorithm: JWTSigner.Algorithm = .es256) throws { signer = try JWTSigner.generate(algorithm) }

    var jwk: JSONValue {
        get throws {
            var json = JSONWriter()
            signer.publicKey.write(&json)
            return try JSONValue(parsing: json.bytes, maximumDepth: 4)
        }
    }

    func sign(_ claims: [(String, JSONValue)], type: String = "JWT") throws -> String {
        var object = JSONObject([])
        for (name, value) in claims { object[name] = value }
        return try signer.sign(Array(JSONValue.object(object).text.utf8), type: type)
    }
}

@Suite struct ClientTests {
    @Test("what an application registers is checked")
    func registrations() async throws {
        let keys: JSONValue = ["keys": [try Signer().jwk]]
        let credentials: (String, JSONValue) = ("grant_types", ["client_credentials"])
        let byName: (String, JSONValue) = ("token_endpoint_auth_method", "tls_client_auth")
        let cases: [(Bool, [(String, JSONValue)])] = [
            (true, [byName, ("tls_client_auth_san_dns", "a.example")]),
            (true, [byName, ("tls_client_auth_subject_dn", "CN=a, O=b")]),
            (false, [byName]),
            (false, [byName, ("tls_client_auth_subject_dn", "a")]),
            (false, [byName, ("tls_client_auth_san_dns", "")]),
            (false, [byName, ("tls_client_auth_san_dns", "a"), ("tls_client_auth_san_uri", "b")]),
            (false, [("tls_client_auth_san_dns", "a.example")]),
            (true, [("token_endpoint_auth_method", "self_signed_tls_client_auth"), ("jwks", keys)]),
            (false, [("token_endpoint_auth_method", "self_signed_tls_client_auth")]),
            (true, [("token_endpoint_auth_method", "private_key_jwt"), ("jwks_uri", "https://a.example/keys")]),
            (false, [("token_endpoint_auth_method", "private_key_jwt"), ("jwks_uri", "http://a.example/keys")]),
            (false, [("token_endpoint_auth_method", "private_key_jwt")]),
            (false, [("jwks", keys), ("jwks_uri", "https://a.example/keys")]),
            (false, [("jwks", ["keys": [["kty": "oct", "k": "AAAA"]]])]),
            (false, [("dpop_bound_access_tokens", true), ("tls_client_certificate_bound_access_tokens", true)]),
            (false, [("require_signed_request_object", true)]),
            (true, [("subject_type", "pairwise")]),
            (false, [("subject_type", "odd")]),
            (false, [("subject_type", "pairwise"), ("redirect_uris", ["https://a.example/", "https://b.example/"])]),
            (false, [("subject_type", "pairwise"), ("sector_identifier_uri", "https://a.example/s")]),
            (false, [credentials, ("scope", "host.auth")]),
        ]
        try await withHouse { house in
            for (number, (isFine, more)) in cases.enumerated() {
                let refused = await refusal { _ = try await house.client("app-\(number)", more) }
                #expect((refused == nil) == isFine, "\(more.map { "\($0.0)=\($0.1.text)" }): \(refused as Any)")
            }
            #expect(
                await refusal { _ = try await house.client("host:a.example", [credentials, ("scope", "host.auth")]) }
                    == nil)
        }
    }

    @Test("a signed request says what is asked, and nothing beside it counts", arguments: TestEngine.allCases)
    func requests(engine: TestEngine) async throws {
        let signer = try Signer()
        try await withHouse(engine) { house in
            let (client, _) = try await house.client("app", [("jwks", ["keys": [try signer.jwk]])])
            let now = Timestamp.now.seconds
            func token(
                _ more: [(String, JSONValue)] = [], type: String = "oauth-authz-req+jwt", by other: Signer? = nil
            ) throws
                -> String
            {
                let claims: [(String, JSONValue)] = [
                    ("iss", "app"), ("aud", .string(House.issuer)), ("exp", .integer(now + 60)),
                    ("response_type", "code"),
                    ("redirect_uri", "https://app.example/cb"), ("scope", "openid profile"), ("nonce", "n1"),
                    ("resource", [.string(House.issuer)]), ("max_age", 60),
                ]
                return try (other ?? signer).sign(claims + more, type: type)
            }
            func asked(_ text: String) async throws -> AuthorizationRequest {
                try await house.provider.authorizationRequest(
                    QueryItems([("client_id", "app"), ("request", text), ("scope", "email"), ("nonce", "n2")]))
            }
            let request = try await asked(try token())
            #expect(request.scopes.text == "openid profile" && request.nonce == "n1" && request.maxAge == 60)
            #expect(request.audiences == [House.issuer])
            for broken in [
                "x", try token(by: try Signer()), try token(type: "at+jwt"),
                try token([("aud", "https://other.example")]),
                try token([("exp", .integer(now - 1))]), try token([("iss", "other")]), try token([("request", "x")]),
                try token([("nbf", .integer(now + 600))]), try token(by: try Signer(.rs256)),
            ] {
                await #expect(throws: AuthorizationFault.self) { _ = try await asked(broken) }
            }
            // A mark of ours that somebody else writes is none.
            let pushed = try await house.provider.push(
                QueryItems([("request", try token()), ("martlet_denied", "1")]), client: client)
            let back = try await house.provider.authorizationRequest(
                QueryItems([("client_id", "app"), ("request_uri", pushed.uri)]))
            #expect(back.nonce == "n1" && !back.isDenied)
        }
    }

    @Test("each sector knows people by names of its own, and this node by all of them", arguments: TestEngine.allCases)
    func pairwise(engine: TestEngine) async throws {
        try await withHouse(engine) { house in
            let ada = try await house.browser()
            func token(_ id: String, _ address: String) async throws -> AccessToken {
                let (client, _) = try await house.client(
                    id,
                    [("redirect_uris", [.string(address)]), ("subject_type", "pairwise"), ("scope", "openid email")])
                let request = try await house.provider.authorizationRequest(
                    QueryItems([("client_id", id), ("response_type", "code"), ("scope", "openid")]))
                try await house.provider.agree(to: request, by: ada)
                guard
                    case .answer(let answer) = try await house.provider.advance(
                        request, principal: ada, issuer: House.issuer),
                    let code = answer.parameters.first(where: { $0.name == "code" })?.value
                else { throw OAuthError(.accessDenied, "no code") }
                let tokens = try await house.tokens(
                    client, [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", address)])
                return try await house.tokens.accessToken(tokens.accessToken)
            }
            let (one, two) = (
                try await token("one", "https://a.example/1"), try await token("two", "https://a.example/2")
            )
            let other = try await token("three", "https://b.example/1")
            #expect(one.claims["sub"] == two.claims["sub"] && one.claims["sub"] != other.claims["sub"])
            #expect(one.account == ada.accountID && other.account == ada.accountID)
            #expect(one.claims["preferred_username"] == nil && one.claims["sub"]?.string?.hasPrefix("pw-") == true)
        }
    }

    @Test("optional groups are told only when they are asked for", arguments: TestEngine.allCases)
    func optionalGroups(engine: TestEngine) async throws {
        try await withHouse(engine) { house in
            for group in ["science", "alarm", "b@d"] {
                try await house.identity.createGroup(name: group, by: "test")
                try await house.identity.addMember(account: "ada", to: group, by: "test")
            }
            try await house.identity.setAttributes([("wlcg.optional-group", "")], of: .group("alarm"), by: "test")
            let (client, _) = try await house.client()
            func groups(_ scope: String) async throws -> JSONValue? {
                let code = try await house.code([("scope", scope)], try await house.browser())
                let answer = try await house.tokens(client, [("grant_type", "authorization_code"), ("code", code)])
                return try await house.tokens.accessToken(answer.accessToken).claims["wlcg.groups"]
            }
            #expect(try await groups("openid") == nil)
            #expect(try await groups("openid wlcg.groups") == ["/science"])
            #expect(try await groups("wlcg.groups:/alarm") == ["/alarm", "/science"])
            #expect(try await groups("wlcg.groups wlcg.groups:/alarm") == ["/science", "/alarm"])
            #expect(await refusal { _ = try await groups("wlcg.groups:/other") } == .accessDenied)
        }
    }

    @Test("a machine speaks for itself, which opens nothing")
    func hosts() async throws {
        try await withHouse { house in
            let (client, _) = try await house.client(
                "host:se.example", [("grant_types", ["client_credentials"]), ("scope", "host.auth")], account: "ada")
            let answer = try await house.tokens(client, [("grant_type", "client_credentials"), ("scope", "host.auth")])
            let token = try await house.tokens.accessToken(answer.accessToken)
            #expect(
                token.claims["wlcg.ver"] == "1.0" && token.scopes.text == "host.auth"
                    && token.client == "host:se.example")
            #expect(token.scopes.limit?.isEmpty == true)
            let (app, _) = try await house.client()
            #expect(
                await refusal {
                    _ = try await house.tokens(app, [("grant_type", "client_credentials"), ("scope", "host.auth")])
                } == .unauthorizedClient)
        }
    }

    @Test("keys at an address are asked for again where one is missing, and no application sends the node inside")
    func publishedKeys() async throws {
        let signer = try Signer()
        let fetched = Mutex<[String]>([])
        let set = JSONValue.object(JSONObject([.init(name: "keys", value: .array([try signer.jwk]))])).text
        try await withHouse { house in
            let provider = OpenIDProvider(
                identity: house.identity, tokens: house.tokens, journal: house.journal,
                sources: ClientSources(
                    fetch: { url, _ in
                        fetched.withLock { $0.append(url) }
                        return Array(set.utf8)
                    },
                    fetchPublic: { url, _ in throw IdentityError(.unreachable, url) },
                    facts: { _ in nil }))
            _ = try await house.client(
                "app", [("token_endpoint_auth_method", "private_key_jwt"), ("jwks_uri", "https://app.example/keys")])
            let now = Timestamp.now.seconds
            func assertion(_ signer: Signer, _ id: String) throws -> String {
                try signer.sign([
                    ("iss", "app"), ("sub", "app"), ("aud", .string(House.issuer)), ("exp", .integer(now + 60)),
                    ("jti", .string(id)),
                ])
            }
            func authenticate(_ text: String) async throws {
                _ = try await provider.authenticate(
                    .init(id: nil, secret: nil, assertion: text), audiences: [House.issuer])
            }
            try await authenticate(try assertion(signer, "1"))
            #expect(await refusal { try await authenticate(try assertion(signer, "1")) } == .invalidClient)
            #expect(await refusal { try await authenticate(try assertion(try Signer(), "2")) } == .invalidClient)
            try await authenticate(try assertion(signer, "3"))
            #expect(fetched.withLock { $0.count } <= 2)
            let own = try await provider.register(
                [
                    "redirect_uris": ["https://b.example/"], "token_endpoint_auth_method": "private_key_jwt",
                    "jwks_uri": "https://b.example/keys",
                ], address: "::1")
            let text = try signer.sign([
                ("iss", .string(own.client.id)), ("sub", .string(own.client.id)), ("aud", .string(House.issuer)),
                ("exp", .integer(now + 60)), ("jti", "1"),
            ])
            #expect(await refusal { try await authenticate(text) } == .temporarilyUnavailable)
            #expect(!fetched.withLock { $0.contains("https://b.example/keys") })
        }
    }
}
