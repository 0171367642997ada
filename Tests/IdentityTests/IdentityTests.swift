import Database
import Identity
import Journal
import TestSupport
import Testing
import Vault
import Wire

@Suite struct IdentityTests {
    private func withIdentity(_ engine: TestEngine = .sqlite, _ body: (Identity) async throws -> Void) async throws {
        try await withFolder { folder in
            try await engine.withDatabase(Journal.migrations + Identity.migrations) { database in
                let master = try MasterKey.open(path: folder + "/master.key", creates: true)
                // A low cost: these tests are about who gets in, not about how long it takes.
                try await body(
                    Identity(journal: Journal(database: database, node: "test"), master: master, passwordCost: 16))
            }
        }
    }

    private func code(_ body: () async throws -> Void) async -> IdentityError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? IdentityError)?.code
        }
    }

    @Test("the first administrator gets a password once, and is in administrators", arguments: TestEngine.allCases)
    func bootstrap(engine: TestEngine) async throws {
        try await withIdentity(engine) { identity in
            let password = try #require(try await identity.bootstrap(password: nil))
            #expect(password.count == 23)
            #expect(try await identity.bootstrap(password: nil) == nil)
            let admin = try await identity.login(name: "admin", password: password, address: "127.0.0.1")
            #expect(admin.groups == [administrators])
            #expect(admin.method == .password)
        }
    }

    @Test("a wrong password, an unknown and a disabled account get the same answer")
    func refusals() async throws {
        try await withIdentity { identity in
            try await identity.createAccount(name: "ada", kind: .person, password: "correct horse", by: "test")
            try await identity.createAccount(name: "bob", kind: .person, password: "correct horse", by: "test")
            try await identity.setDisabled(true, of: "bob", by: "test")
            for (name, password) in [("ada", "wrong horse"), ("nobody", "correct horse"), ("bob", "correct horse")] {
                let refused = await #expect(throws: IdentityError.self) {
                    _ = try await identity.login(name: name, password: password, address: "127.0.0.1")
                }
                #expect(refused?.code == .invalidCredentials)
                #expect(refused?.message == "the name or the password is wrong")
            }
            _ = try await identity.login(name: "ada", password: "correct horse", address: "127.0.0.1")
        }
    }

    @Test("after five failures a name has to wait, whatever the password; others do not")
    func throttling() async throws {
        try await withIdentity { identity in
            for name in ["ada", "bob"] {
                try await identity.createAccount(name: name, kind: .person, password: "correct horse", by: "test")
            }
            for _ in 0..<5 {
                #expect(
                    await code { _ = try await identity.login(name: "ada", password: "nonsense", address: "10.0.0.1") }
                        == .invalidCredentials)
            }
            let refused = await #expect(throws: IdentityError.self) {
                _ = try await identity.login(name: "ada", password: "correct horse", address: "10.0.0.2")
            }
            #expect(refused?.code == .rateLimited)
            #expect((refused?.retryAfter ?? 0) > 200)
            _ = try await identity.login(name: "bob", password: "correct horse", address: "10.0.0.1")
        }
    }

    @Test(
        "names are checked", arguments: ["", "a b", "a/b", "anonymous", "..", "ä", String(repeating: "a", count: 65)])
    func names(name: String) async throws {
        try await withIdentity { identity in
            #expect(
                await code { try await identity.createAccount(name: name, kind: .person, password: nil, by: "test") }
                    == .invalidName)
        }
    }

    @Test("groups nest, and never into themselves", arguments: TestEngine.allCases)
    func groups(engine: TestEngine) async throws {
        try await withIdentity(engine) { identity in
            try await identity.createAccount(name: "ada", kind: .person, password: "correct horse", by: "test")
            for group in ["inner", "middle", "outer"] { try await identity.createGroup(name: group, by: "test") }
            try await identity.addMember(account: "ada", to: "inner", by: "test")
            try await identity.addMember(group: "inner", to: "middle", by: "test")
            try await identity.addMember(group: "middle", to: "outer", by: "test")
            let ada = try await identity.login(name: "ada", password: "correct horse", address: "::1")
            #expect(ada.groups == ["inner", "middle", "outer"])
            #expect(await code { try await identity.addMember(group: "outer", to: "inner", by: "test") } == .limit)
            #expect(await code { try await identity.addMember(group: "outer", to: "outer", by: "test") } == .limit)
            try await identity.removeMember(account: "ada", from: "inner", by: "test")
            let later = try await identity.login(name: "ada", password: "correct horse", address: "::1")
            #expect(later.groups.isEmpty)
        }
    }

    @Test("an access key's secret opens once shown, and nothing after its end", arguments: TestEngine.allCases)
    func accessKeys(engine: TestEngine) async throws {
        try await withIdentity(engine) { identity in
            try await identity.createAccount(name: "robot", kind: .service, password: nil, by: "test")
            let key = try await identity.createAccessKey(account: "robot", description: "nightly", by: "test")
            #expect(key.id.count == 20 && key.secret.utf8.count == 40)
            let known = try #require(try await identity.signingSecret(accessKey: key.id))
            #expect(known.secret == Array(key.secret.utf8))
            #expect(known.principal.name == "robot" && known.principal.accessKeyID == key.id)
            #expect(try await identity.accessKeys(account: "robot").map(\.description) == ["nightly"])
            #expect(try await identity.signingSecret(accessKey: "MRTNONE") == nil)
            try await identity.setDisabled(true, of: "robot", by: "test")
            #expect(await code { _ = try await identity.signingSecret(accessKey: key.id) } == .disabled)
            try await identity.setDisabled(false, of: "robot", by: "test")
            try await identity.deleteAccessKey(key.id, by: "test")
            #expect(try await identity.signingSecret(accessKey: key.id) == nil)
        }
    }

    @Test("a session ends with logging out, with a new password and with the account")
    func sessions() async throws {
        try await withIdentity { identity in
            try await identity.createAccount(name: "ada", kind: .person, password: "correct horse", by: "test")
            let ada = try await identity.login(name: "ada", password: "correct horse", address: "::1")
            let first = try await identity.openBrowser(ada)
            #expect(try await identity.principal(session: first)?.name == "ada")
            #expect(try await identity.principal(session: first + "A") == nil)
            #expect(try await identity.principal(session: "") == nil)
            try await identity.endSession(first)
            #expect(try await identity.principal(session: first) == nil)
            let second = try await identity.openBrowser(ada)
            try await identity.setPassword("battery staple", of: "ada", by: "test")
            #expect(try await identity.principal(session: second) == nil)
            let third = try await identity.openBrowser(ada)
            try await identity.deleteAccount("ada", by: "test")
            #expect(try await identity.principal(session: third) == nil)
        }
    }

    @Test(
        "a session tells how it was opened and where from, and is ended by its public name",
        arguments: TestEngine.allCases)
    func sessionRows(engine: TestEngine) async throws {
        try await withIdentity(engine) { identity in
            for name in ["ada", "bob"] {
                try await identity.createAccount(name: name, kind: .person, password: "correct horse", by: "test")
            }
            let ada = try await identity.login(name: "ada", password: "correct horse", address: "::1")
            let first = try await identity.openBrowser(ada)
            let second = try await identity.openBrowser(ada, [.pwd, .otp, .mfa])
            let one = try #require(try await identity.principal(session: first)?.authentication)
            #expect(one.factors == [.pwd])
            #expect(one.acr == Authentication.singleFactor)
            let two = try #require(try await identity.principal(session: second)?.authentication)
            #expect(two.isMultiFactor)
            #expect(two.acr == Authentication.multiFactor)
            #expect(one.sessionID != two.sessionID)

            try await identity.renewSession(first, factors: [.hwk, .user, .mfa])
            let renewed = try #require(try await identity.principal(session: first)?.authentication)
            #expect(renewed.factors == [.hwk, .user, .mfa])
            #expect(renewed.time > one.time)
            #expect(renewed.sessionID == one.sessionID)

            let rows = try await identity.sessions(of: "ada")
            #expect(Set(rows.map(\.id)) == Set([one.sessionID, two.sessionID]))
            #expect(rows.allSatisfy { $0.address == "192.0.2.1" && $0.agent == "browser" })
            let id = try #require(two.sessionID)
            #expect(await code { try await identity.endSession(id: id, of: "bob", by: "bob") } == .notFound)
            try await identity.endSession(id: id, of: "ada", by: "ada")
            #expect(try await identity.principal(session: second) == nil)
            let third = try await identity.openBrowser(ada)
            try await identity.endSessions(of: "ada", except: one.sessionID, by: "ada")
            #expect(try await identity.principal(session: third) == nil)
            #expect(try await identity.principal(session: first) != nil)
            #expect(await code { try await identity.renewSession(third, factors: [.pwd]) } == .notFound)
        }
    }

    @Test("tokens speak for their account until it is disabled; altered and foreign ones for nobody")
    func tokens() async throws {
        try await withIdentity { identity in
            try await identity.createAccount(name: "ada", kind: .person, password: "correct horse", by: "test")
            let ada = try await identity.login(name: "ada", password: "correct horse", address: "::1")
            let authority = try await TokenAuthority(identity: identity, issuer: "https://node.example")
            let token = try await authority.issue(to: ada, client: "test")
            #expect(try await authority.principal(token: token).name == "ada")
            let again = try await TokenAuthority(identity: identity, issuer: "https://node.example")
            #expect(try await again.principal(token: token).name == "ada", "the key outlives the process")

            let elsewhere = try await TokenAuthority(identity: identity, issuer: "https://other.example")
            #expect(await code { _ = try await elsewhere.principal(token: token) } == .otherIssuer)
            let parts = token.split(separator: ".").map(String.init)
            let none = Base64.encodeURL(Array(#"{"alg":"none","typ":"at+jwt"}"#.utf8))
            for altered in [
                parts[0] + "." + parts[1] + ".", none + "." + parts[1] + ".", none + "." + parts[1] + "." + parts[2],
                parts[0] + "." + parts[1] + "." + String(parts[2].reversed()), "", ".", "..", "a.b.c",
                String(repeating: "a", count: 9000),
            ] {
                #expect(await code { _ = try await authority.principal(token: altered) } == .invalidToken)
            }
            try await identity.setDisabled(true, of: "ada", by: "test")
            #expect(await code { _ = try await authority.principal(token: token) } == .disabled)
        }
    }
}

@Suite struct MasterKeyTests {
    @Test("what was sealed opens under the same key and label only")
    func sealing() async throws {
        try await withFolder { folder in
            let key = try MasterKey.open(path: folder + "/master.key", creates: true)
            let sealed = try key.seal([1, 2, 3], label: "a")
            #expect(try key.open(sealed, label: "a") == [1, 2, 3])
            #expect(throws: VaultError.self) { try key.open(sealed, label: "b") }
            let again = try MasterKey.open(path: folder + "/master.key", creates: false)
            #expect(try again.open(sealed, label: "a") == [1, 2, 3])
            let other = try MasterKey.open(path: folder + "/other.key", creates: true)
            #expect(throws: VaultError.self) { try other.open(sealed, label: "a") }
            #expect(throws: VaultError.self) { try MasterKey.open(path: folder + "/none.key", creates: false) }
        }
    }
}

extension Identity {
    fileprivate func openBrowser(
        _ principal: Principal, _ factors: [AuthenticationFactor] = [.pwd]
    ) async throws -> String {
        try await openSession(for: principal, factors: factors, address: "192.0.2.1", agent: "browser")
    }
}
