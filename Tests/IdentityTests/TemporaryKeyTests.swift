import Database
import IAMPolicy
import Identity
import Journal
import TestSupport
import Testing
import Vault
import Wire

@Suite struct TemporaryKeyTests {
    private let trust =
        #"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}"#

    @Test("a session stands for its account, on every node, until its time is over", arguments: TestEngine.allCases)
    func account(engine: TestEngine) async throws {
        try await withHouse(engine) { house in
            let key = try await house.identity.openSession(
                of: try await house.ada(), name: "ada", seconds: 900, policy: "{}")
            #expect(key.accessKeyID.hasPrefix("ASIA") && key.accessKeyID.count == 20)
            #expect(!"\(key)".contains(key.secret) && !"\(key)".contains(key.token))
            for identity in [house.identity, house.otherNode()] {
                let known = try #require(
                    try await identity.signingSecret(accessKey: key.accessKeyID, sessionToken: key.token))
                #expect(known.secret == Array(key.secret.utf8))
                #expect(known.principal.name == "ada" && known.principal.groups == ["science"])
                #expect(known.principal.method == .temporaryKey && known.principal.session?.policy == "{}")
                #expect(known.principal.arn == "arn:aws:iam::martlet:user/ada")
            }
            let past = try await house.identity.openSession(
                of: try await house.ada(), name: "ada", seconds: 0, policy: nil)
            #expect(await house.refusal(past) == .expired)
        }
    }

    @Test("a session in a session is none")
    func nested() async throws {
        try await withHouse { house in
            let key = try await house.identity.openSession(of: house.ada(), name: "ada", seconds: 900, policy: nil)
            let known = try #require(
                try await house.identity.signingSecret(accessKey: key.accessKeyID, sessionToken: key.token))
            await #expect(throws: IdentityError.self) {
                _ = try await house.identity.openSession(of: known.principal, name: "ada", seconds: 900, policy: nil)
            }
            let signing = try await house.identity.signingKey(for: known.principal)
            #expect(signing.id == key.accessKeyID && signing.sessionToken == key.token)
        }
    }

    @Test("what was altered, borrowed or left out opens nothing")
    func tampering() async throws {
        try await withHouse { house in
            let one = try await house.identity.openSession(of: house.ada(), name: "ada", seconds: 900, policy: nil)
            let two = try await house.identity.openSession(of: house.ada(), name: "ada", seconds: 900, policy: nil)
            var tokens: [String?] = [nil, "", "x", two.token, one.token + "A", String(one.token.dropLast(4))]
            let bytes = try #require(Base64.decode(one.token))
            for place in stride(from: 0, to: bytes.count, by: 7) {
                var altered = bytes
                altered[place] ^= 0x10
                tokens.append(Base64.encode(altered))
            }
            tokens.append(String(repeating: "A", count: Identity.sessionTokenBytesMax + 4))
            for token in tokens {
                #expect(await house.refusal(key: one.accessKeyID, token: token) == .invalidToken)
            }
            let key = try await house.identity.createAccessKey(account: "ada", by: "test")
            #expect(await house.refusal(key: key.id, token: one.token) == .invalidToken)
            #expect(await house.refusal(key: key.id, token: nil) == nil)
            #expect(await house.refusal(one) == nil)
        }
    }

    @Test("a session ends with its account and with its role", arguments: TestEngine.allCases)
    func ends(engine: TestEngine) async throws {
        try await withHouse(engine) { house in
            try await house.identity.createRole(name: "maker", trust: trust, by: "test")
            let role = try await house.identity.role("maker")
            let ada = try await house.ada()
            let own = try await house.identity.openSession(of: ada, name: "ada", seconds: 900, policy: nil)
            let assumed = try await house.identity.openSession(
                in: role, name: "job", account: ada.accountID, seconds: 900, policy: nil,
                claims: ["idp:sub": ["a", "b"]], by: "ada")
            let foreign = try await house.identity.openSession(
                in: role, name: "job", account: nil, seconds: 900, policy: nil, claims: [:], by: "idp:x")
            let known = try #require(
                try await house.identity.signingSecret(accessKey: assumed.accessKeyID, sessionToken: assumed.token))
            #expect(known.principal.name == "maker/job" && known.principal.accountID == nil)
            #expect(!known.principal.isAnonymous && known.principal.groups.isEmpty)
            #expect(known.principal.arn == "arn:aws:sts::martlet:assumed-role/maker/job")
            #expect(known.principal.session?.claims == ["idp:sub": ["a", "b"]])
            try await house.identity.setDisabled(true, of: "ada", by: "test")
            #expect(await house.refusal(own) == .disabled)
            #expect(await house.refusal(assumed) == .disabled)
            #expect(await house.refusal(foreign) == nil)
            try await house.identity.setDisabled(false, of: "ada", by: "test")
            #expect(await house.refusal(assumed) == nil)
            // Another role of the same name is another role.
            try await house.identity.deleteRole("maker", by: "test")
            try await house.identity.createRole(name: "maker", trust: trust, by: "test")
            #expect(await house.refusal(assumed) == .invalidToken)
            #expect(await house.refusal(foreign) == .invalidToken)
            try await house.identity.deleteAccount("ada", by: "test")
            #expect(await house.refusal(own) == .invalidToken)
        }
    }

    @Test("an inactive key opens nothing, and signs no new URLs")
    func inactive() async throws {
        try await withHouse { house in
            let key = try await house.identity.signingKey(for: house.ada())
            try await house.identity.setActive(false, ofKey: key.id, by: "test")
            #expect(await house.refusal(key: key.id, token: nil) == .notFound)
            #expect(try await house.identity.accessKeys(account: "ada").map(\.isActive) == [false])
            let next = try await house.identity.signingKey(for: house.ada())
            #expect(next.id != key.id)
            try await house.identity.setActive(true, ofKey: key.id, by: "test")
            #expect(await house.refusal(key: key.id, token: nil) == nil)
        }
    }

    @Test("names of sessions are checked", arguments: ["", "a", "a b", "a/b", "ä!", String(repeating: "a", count: 65)])
    func names(name: String) async throws {
        try await withHouse { house in
            let refused = await #expect(throws: IdentityError.self) {
                _ = try await house.identity.openSession(of: house.ada(), name: name, seconds: 900, policy: nil)
            }
            #expect(refused?.code == .invalidName)
        }
    }

    @Test("roles are made, listed in pages, changed and removed, each an event", arguments: TestEngine.allCases)
    func roles(engine: TestEngine) async throws {
        try await withHouse(engine) { house in
            let identity = house.identity
            for name in ["a", "b", "c"] {
                try await identity.createRole(name: name, trust: trust, description: "d", seconds: 7200, by: "test")
            }
            #expect(try await identity.roles(after: "a", limit: 1).map(\.name) == ["b"])
            try await identity.changeRole("b", seconds: 3600, by: "test")
            let changed = try await identity.role("b")
            #expect(changed.sessionSeconds == 3600 && changed.description == "d" && changed.trust == trust)
            await #expect(throws: IdentityError.self) {
                try await identity.createRole(name: "a", trust: trust, by: "test")
            }
            await #expect(throws: PolicyError.self) {
                try await identity.createRole(name: "d", trust: "{}", by: "test")
            }
            await #expect(throws: IdentityError.self) {
                try await identity.createRole(name: "d", trust: trust, seconds: 43_201, by: "test")
            }
            try await identity.deleteRole("b", by: "test")
            await #expect(throws: IdentityError.self) { _ = try await identity.role("b") }
            let kinds = try await house.journal.events(of: "b", limit: 10).map(\.kind)
            #expect(kinds == [.roleDeleted, .roleChanged, .roleCreated])
        }
    }
}

/// Identity with one account, `ada`, who is in `science`.
struct House {
    var identity: Identity
    var journal: Journal
    var master: MasterKey

    func ada() async throws -> Principal {
        try await identity.login(name: "ada", password: "correct horse", address: "::1")
    }

    /// Another node on the same database.
    func otherNode() -> Identity {
        Identity(journal: Journal(database: journal.database, node: "other"), master: master, passwordCost: 16)
    }

    /// Why a key is not taken; nil if it is.
    func refusal(_ key: TemporaryCredentials) async -> IdentityError.Code? {
        await refusal(key: key.accessKeyID, token: key.token)
    }

    func refusal(key: String, token: String?) async -> IdentityError.Code? {
        do {
            return try await identity.signingSecret(accessKey: key, sessionToken: token) == nil ? .notFound : nil
        } catch {
            return (error as? IdentityError)?.code
        }
    }
}

func withHouse(_ engine: TestEngine = .sqlite, _ body: (House) async throws -> Void) async throws {
    try await withFolder { folder in
        try await engine.withDatabase(Journal.migrations + Identity.migrations) { database in
            let master = try MasterKey.open(path: folder + "/master.key", creates: true)
            let journal = Journal(database: database, node: "test")
            let identity = Identity(journal: journal, master: master, passwordCost: 16)
            try await identity.createAccount(name: "ada", kind: .person, password: "correct horse", by: "test")
            try await identity.createGroup(name: "science", by: "test")
            try await identity.addMember(account: "ada", to: "science", by: "test")
            try await body(House(identity: identity, journal: journal, master: master))
        }
    }
}
