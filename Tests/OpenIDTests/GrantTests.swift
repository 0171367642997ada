import Database
import Identity
import Journal
import OpenID
import TestSupport
import Testing
import Wire

@Suite struct GrantTests {
    private let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    private var challenge: [(String, String)] {
        [("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), ("code_challenge_method", "S256")]
    }

    @Test("a code becomes tokens once; a second use takes back what the first gave", arguments: TestEngine.allCases)
    func codes(engine: TestEngine) async throws {
        try await withHouse(engine) { house in
            let (client, _) = try await house.client()
            let ada = try await house.browser()
            let code = try await house.code([("scope", "openid offline_access")] + challenge, ada)
            func redeem(_ verifier: String?) async throws -> TokenAnswer {
                try await house.tokens(
                    client,
                    [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", "https://app.example/cb")]
                        + (verifier.map { [("code_verifier", $0)] } ?? []))
            }
            let answer = try await redeem(verifier)
            let token = try await house.tokens.accessToken(answer.accessToken)
            #expect(token.scopes.text == "openid offline_access")
            #expect(token.authentication?.factors == [.pwd])
            #expect(await refusal { _ = try await redeem(verifier) } == .invalidGrant)
            await #expect(throws: IdentityError.self) { try await house.tokens.accessToken(answer.accessToken) }
            #expect(
                await refusal {
                    _ = try await house.tokens(
                        client,
                        [("grant_type", "refresh_token"), ("refresh_token", answer.refreshToken ?? "")])
                } == .invalidGrant)
            let kinds = try await house.journal.events(of: "app", limit: 10).map(\.kind)
            #expect(kinds.contains(.codeReplayed) && kinds.contains(.consentGiven))
        }
    }

    @Test("a code needs its verifier and its address", arguments: ["", "verifier", "address", "client"])
    func codeConditions(wrong: String) async throws {
        try await withHouse { house in
            let (client, _) = try await house.client()
            let (other, _) = try await house.client("other")
            let code = try await house.code(challenge, try await house.browser())
            let refused = await refusal {
                _ = try await house.tokens(
                    wrong == "client" ? other : client,
                    [
                        ("grant_type", "authorization_code"), ("code", code),
                        ("redirect_uri", wrong == "address" ? "https://app.example/other" : "https://app.example/cb"),
                        ("code_verifier", wrong == "verifier" ? verifier + "x" : verifier),
                    ])
            }
            #expect(refused == (wrong.isEmpty ? nil : .invalidGrant))
        }
    }

    private func family(_ house: House, _ more: [(String, JSONValue)] = []) async throws -> (Client, TokenAnswer) {
        let (client, _) = try await house.client("app", more)
        let ada = try await house.browser()
        let code = try await house.code([("scope", "openid profile offline_access storage.read:/eo")] + challenge, ada)
        let answer = try await house.tokens(
            client, [("grant_type", "authorization_code"), ("code", code), ("code_verifier", verifier)])
        return (client, answer)
    }

    private func refresh(
        _ house: House, _ client: Client, _ token: String?, _ more: [(String, String)] = []
    ) async throws -> TokenAnswer {
        try await house.tokens(client, [("grant_type", "refresh_token"), ("refresh_token", token ?? "")] + more)
    }

    @Test(
        "a refresh token changes with each use; the one before counts for a minute and gives the same",
        arguments: TestEngine.allCases)
    func rotation(engine: TestEngine) async throws {
        try await withHouse(engine) { house in
            let (client, first) = try await family(house)
            let second = try await refresh(house, client, first.refreshToken)
            #expect(second.refreshToken != first.refreshToken)
            let again = try await refresh(house, client, first.refreshToken)
            #expect(again.refreshToken == second.refreshToken, "two that renew at once stay together")
            let third = try await refresh(house, client, second.refreshToken)
            #expect(third.refreshToken != second.refreshToken)
            // Two steps back: it is in two hands, and the family ends with its tokens.
            #expect(await refusal { _ = try await refresh(house, client, first.refreshToken) } == .invalidGrant)
            #expect(await refusal { _ = try await refresh(house, client, third.refreshToken) } == .invalidGrant)
            await #expect(throws: IdentityError.self) { try await house.tokens.accessToken(third.accessToken) }
        }
    }

    @Test("many that refresh at once get the same token", arguments: TestEngine.allCases)
    func parallel(engine: TestEngine) async throws {
        try await withHouse(engine) { house in
            let (client, first) = try await family(house)
            let tokens = try await withThrowingTaskGroup(of: String?.self) { group in
                for _ in 0..<20 {
                    group.addTask { try await refresh(house, client, first.refreshToken).refreshToken }
                }
                return try await group.reduce(into: Set<String?>()) { $0.insert($1) }
            }
            #expect(tokens.count == 1)
            _ = try await refresh(house, client, tokens.first ?? nil)
        }
    }

    @Test("scopes and audiences only become fewer")
    func narrowing() async throws {
        try await withHouse { house in
            let (client, first) = try await family(house, [("audiences", ["https://se.example"])])
            let narrow = try await refresh(
                house, client, first.refreshToken,
                [("scope", "storage.read:/eo/a"), ("audience", "https://se.example")])
            let token = try await house.tokens.accessToken(narrow.accessToken)
            #expect(token.scopes.text == "storage.read:/eo/a" && token.audiences == ["https://se.example"])
            await #expect(throws: IdentityError.self) { try await house.tokens.principal(token: narrow.accessToken) }
            let whole = try await refresh(house, client, narrow.refreshToken)
            #expect(whole.scopes.contains("profile"), "the grant itself stays as it was")
            for more in [[("scope", "storage.modify:/eo")], [("scope", "storage.read:/")], [("scope", "email")]] {
                #expect(
                    await refusal { _ = try await refresh(house, client, whole.refreshToken, more) } == .invalidScope)
            }
            #expect(
                await refusal {
                    _ = try await refresh(house, client, whole.refreshToken, [("audience", "https://other.example")])
                } == .invalidTarget)
        }
    }

    @Test("a suspended account gets no token, and its tokens open nothing")
    func suspended() async throws {
        try await withHouse { house in
            let (client, first) = try await family(house)
            try await house.identity.setDisabled(true, of: "ada", by: "test")
            #expect(await refusal { _ = try await refresh(house, client, first.refreshToken) } == .invalidGrant)
            await #expect(throws: IdentityError.self) { try await house.tokens.principal(token: first.accessToken) }
            let inactive = String(
                decoding: try await house.provider.introspect(first.accessToken, client: client), as: UTF8.self)
            #expect(inactive == #"{"active":false}"#)
        }
    }

    @Test("revoking an access token ends it alone; revoking a refresh token ends all of its grant")
    func revocation() async throws {
        try await withHouse { house in
            let (client, first) = try await family(house)
            let (stranger, _) = try await house.client("stranger")
            let second = try await refresh(house, client, first.refreshToken)
            try await house.provider.revoke(second.accessToken, client: stranger)
            _ = try await house.tokens.accessToken(second.accessToken)
            try await house.provider.revoke(second.accessToken, client: client)
            await #expect(throws: IdentityError.self) { try await house.tokens.accessToken(second.accessToken) }
            _ = try await house.tokens.accessToken(first.accessToken)
            try await house.provider.revoke(second.refreshToken ?? "", client: client)
            await #expect(throws: IdentityError.self) { try await house.tokens.accessToken(first.accessToken) }
            #expect(await refusal { _ = try await refresh(house, client, second.refreshToken) } == .invalidGrant)
        }
    }

    @Test("what a client's tokens have without its asking stays when it names its scopes again")
    func impliedScopes() async throws {
        try await withHouse { house in
            let (client, first) = try await family(
                house,
                [("scope", "openid profile offline_access storage.read:/eo martlet"), ("implied_scope", "martlet")])
            #expect(!first.scopes.contains("martlet"), "a capability was asked for, which is a limit")
            let (other, _) = try await house.client(
                "other", [("scope", "openid profile offline_access martlet"), ("implied_scope", "martlet")])
            let request = try await house.provider.authorizationRequest(
                QueryItems([("client_id", "other"), ("response_type", "code"), ("scope", "openid offline_access")]))
            let ada = try await house.browser()
            try await house.provider.agree(to: request, by: ada)
            guard
                case .answer(let answer) = try await house.provider.advance(
                    request, principal: ada, issuer: House.issuer),
                let code = answer.parameters.first(where: { $0.name == "code" })?.value
            else { throw OAuthError(.accessDenied, "no code") }
            let begun = try await house.tokens(other, [("grant_type", "authorization_code"), ("code", code)])
            #expect(begun.scopes.contains("martlet"))
            let renewed = try await refresh(house, other, begun.refreshToken, [("scope", "openid")])
            #expect(renewed.scopes.text == "openid martlet")
            let limited = try await refresh(house, other, renewed.refreshToken, [("scope", "storage.read:/eo")])
            #expect(limited.scopes.text == "storage.read:/eo")
            #expect(try await refresh(house, client, first.refreshToken, [("scope", "openid")]).scopes.text == "openid")
        }
    }

    @Test("a client acts as its own account with its own secret")
    func clientCredentials() async throws {
        try await withHouse { house in
            let (client, secret) = try await house.client(
                "harvester", [("grant_types", ["client_credentials"]), ("scope", "storage.read:/eo")])
            func proves(_ secret: String?) async throws -> Client {
                try await house.provider.authenticate(
                    .init(id: "harvester", secret: secret), audiences: [])
            }
            #expect(try await proves(secret).id == client.id)
            for wrong in [nil, "", "guess", (secret ?? "") + "x"] {
                #expect(await refusal { _ = try await proves(wrong) } == .invalidClient)
            }
            let answer = try await house.tokens(
                client, [("grant_type", "client_credentials"), ("scope", "storage.read:/eo/x")])
            #expect(answer.refreshToken == nil)
            let principal = try await house.tokens.principal(token: answer.accessToken)
            #expect(principal.name == "harvester" && principal.kind == .software && principal.client == "harvester")
            #expect(
                await refusal {
                    _ = try await house.tokens(
                        client, [("grant_type", "client_credentials"), ("scope", "storage.read:/other")])
                } == .invalidScope)
            let next = try await house.provider.rotateSecret(ofClient: "harvester", by: "test")
            #expect(await refusal { _ = try await proves(secret) } == .invalidClient)
            _ = try await proves(next)
        }
    }

    @Test(
        "a device gets its tokens once somebody has let it in; guessing its code is slow",
        arguments: TestEngine.allCases)
    func devices(engine: TestEngine) async throws {
        try await withHouse(engine) { house in
            let gdal = try await house.provider.client("gdal")
            let begun = try await house.provider.beginDevice(
                client: gdal, scope: "openid offline_access", audiences: [], keyThumbprint: nil, issuer: House.issuer)
            let poll = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", begun.deviceCode),
            ]
            #expect(await refusal { _ = try await house.tokens(gdal, poll) } == .authorizationPending)
            #expect(await refusal { _ = try await house.tokens(gdal, poll) } == .slowDown)
            let ada = try await house.browser()
            let waiting = try await house.provider.device(
                userCode: begun.userCode.lowercased().replacing("-", with: " "), by: ada, address: "::1")
            try await house.provider.answer(waiting, isApproved: true, by: ada)
            let answer = try await house.tokens(gdal, poll)
            #expect(answer.refreshToken != nil && answer.refreshExpiresIn != nil && answer.idToken != nil)
            #expect(try await house.tokens.principal(token: answer.accessToken).scopes?.limit == nil)
            #expect(await refusal { _ = try await house.tokens(gdal, poll) } == .expiredToken)
            for _ in 0..<10 {
                await #expect(throws: IdentityError.self) {
                    _ = try await house.provider.device(userCode: "BBBB-BBBB", by: ada, address: "::1")
                }
            }
            let slow = await #expect(throws: IdentityError.self) {
                _ = try await house.provider.device(userCode: begun.userCode, by: ada, address: "::1")
            }
            #expect(slow?.code == .rateLimited)
        }
    }

    @Test("an exchanged token says who acts, lives no longer, and may do no more")
    func exchange() async throws {
        try await withHouse { house in
            let (_, first) = try await family(house)
            let (hub, _) = try await house.client(
                "hub",
                [
                    ("grant_types", ["urn:ietf:params:oauth:grant-type:token-exchange"]),
                    ("audiences", ["https://se.example"]),
                ])
            func exchange(_ more: [(String, String)], token: String? = nil) async throws -> TokenAnswer {
                try await house.tokens(
                    hub,
                    [
                        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                        ("subject_token", token ?? first.accessToken),
                        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
                    ] + more)
            }
            let answer = try await exchange([("scope", "storage.read:/eo/a"), ("audience", "https://se.example")])
            #expect(answer.issuedType == "urn:ietf:params:oauth:token-type:access_token" && answer.refreshToken == nil)
            let token = try await house.tokens.accessToken(answer.accessToken)
            let original = try await house.tokens.accessToken(first.accessToken)
            #expect(token.account == original.account && token.client == "hub")
            #expect(token.claims["act"]?["sub"]?.string == "hub")
            #expect(token.expires <= original.expires && token.grant == original.grant)
            let twice = try await exchange([("scope", "storage.read:/eo/a/b")], token: answer.accessToken)
            let deep = try await house.tokens.accessToken(twice.accessToken)
            #expect(deep.audiences == ["https://se.example"] && deep.claims["act"]?["act"]?["sub"]?.string == "hub")
            #expect(await refusal { _ = try await exchange([("scope", "storage.read:/")]) } == .invalidScope)
            #expect(await refusal { _ = try await exchange([("audience", "https://other.example")]) } == .invalidTarget)
            #expect(
                await refusal { _ = try await exchange([("audience", House.issuer)], token: answer.accessToken) }
                    == .invalidTarget, "a token for another service opens nothing here again")
            #expect(await refusal { _ = try await exchange([], token: first.idToken) } == .invalidRequest)
        }
    }
}
